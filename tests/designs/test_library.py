"""All designs on the whole scenario library."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

from functools import cache

import pytest

from pfntrack.check.run import Run, run_scenario
from pfntrack.designs import DESIGNS
from pfntrack.releases import release_with
from pfntrack.scenario import find, library

# What each design breaks somewhere in the library.
BREAKS = {
    "vm-pat-2012": "I1 I2 I3 I4 I5 I6 I7 I9 I10 tight",
    "vm-pat-2015": "I1 I2 I3 I4 I5 I6 I7 I9 I10 tight",
    "interval-tree-off-by-one": "I1 I2 I3 I4 I5 I6 I7 I9 I10 tight",
    "vm-pat-5.10": "I1 I2 I3 I4 I5 I6 I7 I9 I10 tight",
    "vm-pat-2023": "I1 I2 I3 I4 I5 I6 I7 I9 I10 tight",
    "vm-pat-2024": "I1 I2 I3 I4 I5 I6 I7 I9 I10 tight",
    "vm-pat-fork-window": "I1 I2 I3 I4 I5 I6 I7 tight",
    "vm-pat": "I1 I2 I3 I4 I5 I6 I7 tight",
    "untrack-at-unmap": "I1 I3 I4 I6 I7 tight",
    "pfn-per-vma": "I1 I2 I3 I4 I6 I7 tight",
    "driver-hook": "I1 I2 I3 I4 I6 I7 tight",
    "side-table": "I2 I7 tight",
    "forbid-partial-zap": "I1 I3 I4 I6 I7 tight",
    "caller-managed": "I2 I5 I6 I7",
    "split-reservation": "I1 I2 I4 I5 I6 tight",
    "counted-tree": "I2",
    "track-context": "I6 I7 tight",
    "context-ram": "I6 I7 tight",
    "context-list": "I7 tight",
    "context-list-early": "I7 tight",
    "reserve-at-mmap": "I7 tight",
    "ours-at-unmap": "",
    "mapcount": "",
    "ours": "",
}
# What the tracking has no part in: the kernel's own release of the last page of
# memory, and a warning of the debugger's access path.
NOT_TRACKING = ("last-page-of-memory", "debugger-reads-copy")


@cache
def runs(design: str) -> list[Run]:
    """The library under one design, but for what overlaps (`tests/check/test_race.py`)."""
    release = release_with(design)
    scenarios = [find(name) for name in library() if name not in NOT_TRACKING]
    alone = [each for each in scenarios if "race" not in each.tags]
    return [run_scenario(scenario, release) for scenario in alone]


def test_every_design_is_listed() -> None:
    """The table above knows all designs, and each is described and priced."""
    assert sorted(BREAKS) == sorted(DESIGNS)
    for name, design in DESIGNS.items():
        assert name == design.name == release_with(name).design.name
        assert design.summary
        assert design.cost.idea


@pytest.mark.parametrize("design", BREAKS)
def test_library(design: str) -> None:
    """Every program without overlap runs to its end, and just the known properties break."""
    alone = [run for run in runs(design) if not run.scenario.name.startswith("race-")]
    found = frozenset().union(*(run.broken for run in alone))
    assert set(BREAKS[design].split()) == found


@pytest.mark.parametrize("design", BREAKS)
def test_claims(design: str) -> None:
    """What scenarios claim for a design, by name or for all, holds."""
    unmet = [(run.scenario.name, verdict) for run in runs(design) for verdict in run.unmet]
    assert unmet == []


@pytest.mark.parametrize("design", BREAKS)
def test_nothing_stays_behind(design: str) -> None:
    """When all processes are gone no design remembers anything."""
    release = release_with(design)
    for run in runs(design):
        assert release.design is DESIGNS[design] or release.design == DESIGNS[design]
        assert () == run.leaked.contexts
        assert () == run.leaked.processes


@pytest.mark.parametrize("design", ["mapcount", "ours", "ours-at-unmap"])
@pytest.mark.parametrize("other", ["vm-pat", "track-context"])
def test_ours_refuses_nothing(design: str, other: str) -> None:
    """Whatever 6.12 or 7.3 allows, ours allows too."""
    for mine, theirs in zip(runs(design), runs(other), strict=True):
        for step, reference in zip(mine.steps, theirs.steps, strict=True):
            assert not step.result.ret < 0 <= reference.result.ret, (mine.scenario.name, step.text)
