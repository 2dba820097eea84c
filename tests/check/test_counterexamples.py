"""Counterexamples: short, runnable, and the same for everybody."""

from __future__ import annotations

import pytest

from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.run import run_scenario
from pfntrack.check.search.bounds import Bounds
from pfntrack.check.search.explore import Limits, Search
from pfntrack.check.search.setting import Setting
from pfntrack.check.search.trace import scenario
from pfntrack.releases import RELEASES, release_for, release_with
from pfntrack.scenario import format_scenario, parse

# What known defects need: (release or design, property, operations, steps).
KNOWN = [
    ("3.7", "I4", ("map", "move"), 2),
    ("3.7", "I1", ("map", "shrink", "munmap"), 3),
    ("6.12", "I4", ("map", "munmap"), 2),
    ("6.12", "I2", ("map", "zap"), 2),
    ("6.12", "I6", ("private", "write", "fork"), 3),
    ("untrack-at-unmap", "I4", ("map", "zap", "exit"), 3),
    ("7.3", "I6", ("fault", "insert", "remap", "map", "zapvma"), 3),
    ("7.3", "tight", ("map", "munmap"), 2),
]


def _setting(name: str, groups: tuple[str, ...]) -> Setting:
    release = release_for(name) if name[0].isdigit() else release_with(name)
    return Setting(release, Bounds(2, 2, 2, 2, 2), groups)


@pytest.mark.parametrize(("name", "broken", "groups", "steps"), KNOWN)
def test_known_defects(name: str, broken: str, groups: tuple[str, ...], steps: int) -> None:
    """Each known defect is found by the shortest program, and runs show it again."""
    setting = _setting(name, groups)
    search = Search(setting, frozenset({broken}))
    found = search.run(Limits(depth=steps))
    assert found.verdicts == {broken: steps}
    made = scenario(setting, found.counterexamples[broken])
    run = run_scenario(parse(format_scenario(made)), setting.release)
    assert broken in run.broken
    assert not run.unmet


@pytest.mark.parametrize("release", RELEASES)
def test_all_counterexamples_run(release: str) -> None:
    """Every property that a search of a release finds broken breaks in a run as well."""
    groups = ("map", "part", "private", "munmap", "write", "zap", "fork", "forkfail", "ioremap")
    setting = Setting(RELEASES[release], Bounds(2, 2, 2, 2, 3), groups)
    found = Search(setting).run(Limits(depth=2), until=frozenset())
    assert found.counterexamples
    for name, example in found.counterexamples.items():
        made = scenario(setting, example)
        assert name in run_scenario(made, setting.release).broken
        assert len(made.steps) <= 5 + 3 * example.depth


def test_symmetry_does_not_matter() -> None:
    """Verdicts and depths with interchangeable processes are those without."""
    setting = Setting(RELEASES["6.12"], Bounds(3, 1, 2, 1, 3), ("map", "munmap", "fork", "exit"))
    plain, sorted_ = Search(setting), Search(setting, symmetric=True)
    one, other = plain.run(until=frozenset()), sorted_.run(until=frozenset())
    assert sorted_.progress.unequal == 0
    assert one.complete
    assert other.complete
    assert one.verdicts == other.verdicts
    assert other.states < one.states
    for name, example in other.counterexamples.items():
        made = scenario(setting, example, sorted_.filling.tables)
        assert name in run_scenario(made, setting.release).broken


@pytest.mark.parametrize("release", ["6.12", "7.3"])
def test_symmetry_with_zaps(release: str) -> None:
    """Where a zap in another order leads elsewhere, symmetry is given up; else verdicts agree."""
    setting = Setting(RELEASES[release], Bounds(2, 2, 2, 1, 2), ("map", "zap", "fork", "munmap"))
    plain, sorted_ = Search(setting), Search(setting, symmetric=True)
    one, other = plain.run(until=frozenset()), sorted_.run(until=frozenset())
    if not sorted_.progress.unequal:
        assert one.verdicts == other.verdicts
        assert other.states < one.states


def test_names_of_properties() -> None:
    """A search watches all properties unless told otherwise."""
    assert Search(_setting("7.3", ("map",))).watched == PROPERTIES.keys()
