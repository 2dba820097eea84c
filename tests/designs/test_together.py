"""Designs where operations overlap: which of them hold on every schedule of the library."""

from __future__ import annotations

import pytest

from pfntrack.check.race.scenarios import race_scenario
from pfntrack.releases import release_with
from pfntrack.scenario import find, library

RACES = [name for name in library() if name.startswith("race-")]


def findings(name: str, design: str) -> set[str]:
    """Properties that some schedule of a scenario breaks."""
    return {
        finding.property
        for raced in race_scenario(find(name), release_with(design))
        for finding in raced.race.findings
    }


@pytest.mark.parametrize("name", RACES)
@pytest.mark.parametrize("design", ["mapcount", "reserve-at-mmap"])
def test_nothing_breaks(name: str, design: str) -> None:
    """A count that goes with its entry is right on every schedule; so is what mmap reserved."""
    assert set() == findings(name, design)


@pytest.mark.parametrize("name", ["race-tlb-window", "race-mremap-truncate", "race-fork-truncate"])
def test_ours_is_found_out(name: str) -> None:
    """Pieces that give back before the flush, or follow their entries later, are not."""
    assert "I5-tlb" in findings(name, "ours")


def test_two_first_faults() -> None:
    """Type and count are one operation in `mapcount`, and two in `ours`."""
    assert "I5" in findings("race-first-faults", "ours")
