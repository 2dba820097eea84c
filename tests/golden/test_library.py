"""Every scenario of the library under every release, with all its expectations."""

from __future__ import annotations

import pytest

from pfntrack.check.run import run_scenario
from pfntrack.releases import RELEASES
from pfntrack.scenario import find, format_scenario, library


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", library())
def test_expectations(name: str, release: str) -> None:
    """All claims that a scenario makes for a release hold, properties included."""
    result = run_scenario(find(name), RELEASES[release])
    assert [f"step {number}: {verdict}" for number, verdict in result.unmet] == []


def test_the_library_claims_something() -> None:
    """Every scenario has expectations, so that running it can fail."""
    silent = [
        name
        for name in library()
        if not any(step.expects for step in find(name).steps) and not find(name).final
    ]
    assert silent == []


def test_the_library_is_in_canonical_form() -> None:
    """What people copy from is written as the formatter writes it, comments aside."""
    for name, path in library().items():
        text = path.read_text(encoding="utf-8")
        if "#" not in text:
            assert format_scenario(find(name)) == text, name
