"""How many examples a property test tries, and searches for what it should come across."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hypothesis import seed, settings

# What hypothesis tries without being asked; the profile `pfntrack` keeps it.
USUAL = 100


def examples(count: int) -> int:
    """`count` under the usual profile, 25 times as many under `deep` (`make test-deep`)."""
    return count * settings().max_examples // USUAL


def until(
    done: Callable[[], bool], search: Callable[[], None], rounds: Iterable[int] = range(1, 41)
) -> None:
    """Repeat a property under seeds 1, 2, ... until it has shown what it should, or give up.

    One seed proves little: hypothesis derives its own from the test's text, so an
    edit elsewhere could decide whether something rare turns up.
    """
    for number in rounds:
        seed(number)(search)()
        if done():
            return
