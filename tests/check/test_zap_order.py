"""The order in which a zap takes mappings, which no state of a search remembers.

A zap through a file takes mappings of one place in the file in the order in
which they were put into the file's index (`Vma.rank`). States are equal
whatever that order is. The search here is a plain one in which it is part of
the state, so that it tries every zap in each order that a program can bring
about; verdicts must be those of the ordinary search, and as early.
"""

from __future__ import annotations

import attrs
import pytest

from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.search.bounds import Bounds, parse_bounds
from pfntrack.check.search.explore import explore
from pfntrack.check.search.normal import normal
from pfntrack.check.search.plain import judge
from pfntrack.check.search.setting import Setting
from pfntrack.check.search.trace import scenario
from pfntrack.designs import DESIGNS
from pfntrack.mm import ops
from pfntrack.mm.space import AddressSpace
from pfntrack.pat.cachemode import CacheMode
from pfntrack.releases import World, release_with

Order = tuple[tuple[int, ...], ...]


@attrs.define
class Ordered:
    """What a search finds that tells orders apart.

    `states` counts worlds with their order, `worlds` holds those that differ
    otherwise. `unequal` counts zaps of a world that led elsewhere, or broke
    something else, than the same zap of the same world in another order.
    """

    worlds: set[World]
    states: int = 0
    unequal: int = 0
    verdicts: dict[str, int] = attrs.field(factory=dict)


def ranked(world: World) -> World:
    """The world with ranks that tell no more than the order of mappings of one place."""
    places: dict[tuple[str, int], list[tuple[tuple[int, ...], int, int]]] = {}
    for slot, process in enumerate(world.processes):
        for number, vma in enumerate(process.space.vmas):
            assert vma.file is not None
            place = places.setdefault((vma.file.mapping, vma.pgoff), [])
            place.append((vma.rank, slot, number))
    rank = {
        (slot, number): (at,)
        for place in places.values()
        for at, (_, slot, number) in enumerate(sorted(place))
    }
    processes = []
    for slot, process in enumerate(world.processes):
        space = process.space
        vmas = [attrs.evolve(v, rank=rank[slot, n]) for n, v in enumerate(space.vmas)]
        known = AddressSpace(tuple(vmas), space.ptes, space.tables)
        processes.append(attrs.evolve(process, space=known))
    # The next to be put in is later than all of these.
    phys = attrs.evolve(world.phys, clock=max(map(len, places.values()), default=0))
    return attrs.evolve(world, processes=tuple(processes), phys=phys)


def order(world: World) -> Order:
    """What `ranked` has left of the order, process by process."""
    return tuple(tuple(v.rank[0] for v in each.space.vmas) for each in world.processes)


def explore_ordered(setting: Setting) -> Ordered:
    """All states, breadth first, each with the order of its mappings."""
    watched = frozenset(PROPERTIES)
    start = ranked(setting.start)
    todo, depth = [(start, 0)], 0
    seen: set[tuple[World, Order]] = {(start, order(start))}
    zaps: dict[tuple[World, tuple[int, int]], tuple[World, frozenset[str]]] = {}
    found = Ordered({start})
    for world, depth in todo:
        for move in setting.moves(world):
            action = setting.actions[move[0]]
            step = setting.perform(world, action.by(move[1], len(world.processes)), watched)
            after = ranked(normal(step.world, setting.release.design))
            if isinstance(action.op, ops.Zap | ops.Request):
                was = zaps.setdefault((world, move), (after, step.broken))
                found.unequal += was != (after, step.broken)
            if not setting.inside(after):
                continue
            broken = step.broken
            if (after, order(after)) not in seen:
                seen.add((after, order(after)))
                todo.append((after, depth + 1))
                found.worlds.add(after)
                broken |= judge(setting, after, watched)
            for name in broken:
                found.verdicts.setdefault(name, depth + 1)
    found.states = len(todo)
    return found


def of(design: str, size: str, groups: str) -> Setting:
    """A setting with one type of memory."""
    bounds = attrs.evolve(parse_bounds(size, Bounds()), types=(CacheMode.UC_MINUS,))
    return Setting(release_with(design), bounds, tuple(groups.split()))


@pytest.mark.parametrize("design", DESIGNS)
def test_verdicts(design: str) -> None:
    """Three processes: all that can break in some order breaks, as early, in the search."""
    setting = of(design, "3,1,1,1,3", "map munmap zap fork exit")
    one, other = explore_ordered(setting), explore(setting)
    assert one.verdicts == other.verdicts
    assert len(one.worlds) == other.states < one.states


def test_orders_that_matter() -> None:
    """Where a zap in another order breaks something else, the verdicts are the same as well."""
    setting = of("vm-pat-2012", "1,2,2,2,3", "map munmap zap zapvma remap")
    one, other = explore_ordered(setting), explore(setting)
    assert one.unequal == 32
    assert one.verdicts == other.verdicts
    assert len(one.worlds) == other.states < one.states


@pytest.mark.parametrize("design", ["vm-pat-2012", "vm-pat", "split-reservation"])
def test_counterexamples_can_be_repeated(design: str) -> None:
    """Programs that are found with one order of mappings break the same in a run, with its own."""
    setting = of(design, "1,3,2,3,4", "map zap move")
    found = explore(setting, deepest=5)
    assert {"I2", "I3", "I4"} <= found.counterexamples.keys()
    for example in found.counterexamples.values():
        # Raises ModelError where the run does not show it.
        assert scenario(setting, example).steps
