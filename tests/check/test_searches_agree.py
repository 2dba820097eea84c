"""The search over tables against the plain search over whole worlds."""

from __future__ import annotations

import attrs
import pytest

from pfntrack.check import plain, search
from pfntrack.check.bounds import GROUPS, Bounds, parse_bounds
from pfntrack.check.report import Found
from pfntrack.check.setting import Setting
from pfntrack.designs import DESIGNS
from pfntrack.releases import RELEASES, release_with

# Sets of operations that between them use every group.
MIXES = {
    "private": ("private", "munmap", "write", "zap", "fork", "forkfail", "exit", "ioremap", "move"),
    "sysfs": ("sysfs", "munmap", "claim", "fork", "exit", "reserve", "shrink"),
    "fault": ("map", "fault", "insert", "remap", "zapvma", "munmap", "fork", "mapfail"),
    "basic": ("map", "part", "munmap", "protect", "zap", "fork", "exit"),
}

# (release, bounds) -> states, transitions, transitions cut off, depth.
COUNTS = {
    ("5.10", "1,2,2,2,2"): (2376, 20924, 192, 9),
    ("6.1", "1,2,2,2,2"): (2376, 20924, 192, 9),
    ("6.12", "1,2,2,2,2"): (2376, 20924, 192, 9),
    ("7.3", "1,2,2,2,2"): (1322, 11706, 0, 6),
    ("7.3", "2,2,1,2,2"): (3811, 37714, 7680, 9),
}


def bounds(text: str) -> Bounds:
    """Bounds from their short form."""
    return parse_bounds(text, Bounds())


def but_for_work(found: Found) -> Found:
    """All that two searches must agree on."""
    return attrs.evolve(found, evaluations=0)


@pytest.mark.parametrize(("release", "size"), COUNTS)
def test_exact_counts(release: str, size: str) -> None:
    """The size of the state space within small bounds is known exactly."""
    found = search.explore(Setting(RELEASES[release], bounds(size)))
    counts = found.states, found.transitions, found.cut, found.depth
    assert COUNTS[release, size] == counts
    assert found.complete


@pytest.mark.parametrize("release", ["6.12", "7.3"])
def test_whole_space(release: str) -> None:
    """States, transitions, verdicts, counterexamples and coverage of whole spaces agree."""
    setting = Setting(RELEASES[release], bounds("1,2,2,2,2"))
    assert but_for_work(plain.explore(setting)) == but_for_work(search.explore(setting))


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("design", DESIGNS)
def test_two_processes(design: str, mix: str) -> None:
    """The first hundreds of states of two processes agree, for every design and group."""
    setting = Setting(release_with(design), bounds("2,2,2,2,2"), MIXES[mix])
    one, other = (each(setting, most=400) for each in (plain.explore, search.explore))
    assert but_for_work(one) == but_for_work(other)
    assert one.states >= 400


def test_three_processes() -> None:
    """A zap reaches three processes in the same order in both searches."""
    setting = Setting(RELEASES["6.12"], bounds("3,1,1,1,3"), ("map", "zap", "munmap", "fork"))
    one, other = plain.explore(setting), search.explore(setting)
    assert but_for_work(one) == but_for_work(other)
    assert one.complete


def test_mixes_use_every_group() -> None:
    """No group of operations is left out of the comparison."""
    assert set(GROUPS) == {group for mix in MIXES.values() for group in mix}


def test_tables_save_work() -> None:
    """The search over tables runs the model far less often than it makes transitions."""
    found = search.explore(Setting(RELEASES["7.3"], bounds("2,2,1,2,2")))
    assert found.evaluations < found.transitions / 2


def test_stops_at_the_first_violation() -> None:
    """With `stop`, both searches end at the shortest counterexample."""
    setting = Setting(RELEASES["6.12"], bounds("1,2,2,2,2"))
    for each in (plain.explore, search.explore):
        found = each(setting, frozenset({"I2"}), stop=True)
        assert found.verdicts == {"I2": 2}
        assert not found.complete
