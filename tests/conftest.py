"""Settings for all tests."""

from __future__ import annotations

from hypothesis import settings

# A slow machine must not make a property fail.
settings.register_profile("pfntrack", deadline=None)
settings.load_profile("pfntrack")
