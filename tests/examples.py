"""How many examples a property test tries: the profile's share of what it asks for."""

from __future__ import annotations

from hypothesis import settings

# What hypothesis tries without being asked; the profile `pfntrack` keeps it.
USUAL = 100


def examples(count: int) -> int:
    """`count` under the usual profile, 25 times as many under `deep` (`make test-deep`)."""
    return count * settings().max_examples // USUAL
