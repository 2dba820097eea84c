"""The search over tables against the plain search over whole worlds."""

from __future__ import annotations

import attrs
import pytest

from pfntrack.check.search import filling, plain
from pfntrack.check.search.bounds import GROUPS, Bounds, parse_bounds
from pfntrack.check.search.explore import Search, explore
from pfntrack.check.search.setting import Setting
from pfntrack.designs import DESIGNS
from pfntrack.releases import RELEASES, release_with

# Sets of operations that between them use every group.
MIXES = {
    "private": ("private", "munmap", "write", "zap", "fork", "forkfail", "exit", "ioremap", "move"),
    "sysfs": ("sysfs", "part", "munmap", "protect", "claim", "fork", "exit", "reserve", "shrink"),
    "over": ("map", "over", "narrow", "zap", "fork"),
    "fault": ("map", "fault", "insert", "remap", "zapvma", "munmap", "fork", "mapfail"),
    "edge": ("map", "latefail", "advise", "munmap", "fork"),
}

# (release, bounds) -> states, transitions, transitions cut off, depth.
COUNTS = {
    ("6.12", "1,2,2,2,2"): (2376, 20924, 192, 9),
    ("7.3", "1,2,2,2,2"): (1322, 11706, 0, 6),
    ("7.3", "2,2,1,2,2"): (3811, 37714, 7680, 9),
}


def bounds(text: str) -> Bounds:
    """Bounds from their short form."""
    return parse_bounds(text, Bounds())


@pytest.mark.parametrize(("release", "size"), COUNTS)
def test_exact_counts(release: str, size: str) -> None:
    """The size of the state space within small bounds is known exactly."""
    found = explore(Setting(RELEASES[release], bounds(size)))
    counts = found.states, found.transitions, found.cut, found.depth
    assert COUNTS[release, size] == counts
    assert found.complete


def test_whole_space() -> None:
    """States, transitions, verdicts, counterexamples and coverage of a whole space agree."""
    setting = Setting(RELEASES["7.3"], bounds("1,2,2,2,2"))
    assert plain.explore(setting) == explore(setting)


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("design", DESIGNS)
def test_two_processes(design: str, mix: str) -> None:
    """All programs of two steps agree, for every design and every group of operations."""
    setting = Setting(release_with(design), bounds("2,2,2,2,2"), MIXES[mix])
    assert plain.explore(setting, deepest=2) == explore(setting, deepest=2)


@pytest.mark.parametrize("release", RELEASES)
def test_longer_programs(release: str) -> None:
    """All programs of four steps of two processes agree, where zaps reach both."""
    groups = ("map", "zap", "munmap", "fork", "exit")
    setting = Setting(RELEASES[release], bounds("2,2,1,1,2"), groups)
    assert plain.explore(setting, deepest=4) == explore(setting, deepest=4)


@pytest.mark.parametrize("design", ["track-context", "ours", "vm-pat"])
def test_what_others_map_counts(design: str) -> None:
    """A mapping may change its type in place unless another process maps the pages too."""
    groups = ("map", "over", "fork", "munmap")
    setting = Setting(release_with(design), bounds("2,1,1,1,4"), groups)
    assert plain.explore(setting) == explore(setting)


def test_three_processes() -> None:
    """A zap reaches three processes in the same order in both searches."""
    setting = Setting(RELEASES["6.12"], bounds("3,1,1,1,3"), ("map", "zap", "munmap", "fork"))
    one, other = plain.explore(setting), explore(setting)
    assert one == other
    assert one.complete


def test_mixes_use_every_group() -> None:
    """No group of operations is left out of the comparison."""
    assert set(GROUPS) == {group for mix in MIXES.values() for group in mix}


def test_any_number_of_workers() -> None:
    """Two workers find the same counterexamples as one, and number all states alike."""
    setting = Setting(RELEASES["6.12"], bounds("2,2,1,2,2"))
    one, two = Search(setting, workers=1), Search(setting, workers=2)
    assert one.run(until=frozenset()) == two.run(until=frozenset())
    count = one.states.count
    assert (one.states.parent[:count] == two.states.parent[:count]).all()
    assert (one.states.move[:count] == two.states.move[:count]).all()
    assert sorted(one.states.keys.tolist()) == sorted(two.states.keys.tolist())


def test_tables_save_work() -> None:
    """The search over tables runs the model far less often than it makes transitions."""
    found = explore(Setting(RELEASES["7.3"], bounds("2,2,1,2,2")))
    assert found.cost is not None
    assert found.cost.evaluations < found.transitions / 2


def test_stops_when_all_that_was_asked_for_broke() -> None:
    """A search ends with the level on which the last watched property breaks."""
    found = Search(Setting(RELEASES["6.12"]), frozenset({"I2"})).run()
    assert found.verdicts == {"I2": 2}
    assert not found.complete
    assert found.why == "all that was asked for broke"


def test_hashes_of_states() -> None:
    """A search that keeps hashes only finds the same, and says that it may have missed states."""
    setting = Setting(RELEASES["6.12"], bounds("3,1,1,1,3"), ("map", "zap", "munmap", "fork"))
    whole, hashed = Search(setting), Search(setting, hashed=True)
    one, other = whole.run(until=frozenset()), hashed.run(until=frozenset())
    assert one.missed == 0
    assert other.missed == one.states * (one.states - 1) / 2**64
    assert attrs.evolve(other, missed=0.0) == one
    assert hashed.states.keys.nbytes * 2 == whole.states.keys.nbytes


def test_helpers_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations in helping processes give the same tables, in the same order."""
    monkeypatch.setattr(filling, "MANY", 1)
    monkeypatch.setattr(filling, "PORTION", 4)
    setting = Setting(RELEASES["7.3"], bounds("2,2,1,2,2"), ("map", "zap", "munmap", "fork"))
    one, three = Search(setting, workers=1), Search(setting, workers=3)
    assert one.run(until=frozenset()) == three.run(until=frozenset())
    assert one.filling.tables.spaces.values == three.filling.tables.spaces.values
    assert one.filling.tables.physes.values == three.filling.tables.physes.values
    used = one.filling.store.used
    assert used == three.filling.store.used
    assert (one.filling.store.outcomes[:used] == three.filling.store.outcomes[:used]).all()
