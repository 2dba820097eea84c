"""Settings for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from examples import USUAL

# A slow machine must not make a property fail.
settings.register_profile("pfntrack", deadline=None, max_examples=USUAL)
# `make test-deep`: a fresh seed and 25 times the examples; a busy machine may be slow.
settings.register_profile(
    "deep",
    deadline=None,
    max_examples=USUAL * 25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)
settings.load_profile("pfntrack")
