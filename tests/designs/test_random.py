"""Random programs: no design corrupts the world, and ours keeps every property."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings

from designs.programs import Program, broken, play, programs
from examples import examples, until
from pfntrack.check.judged.owners import trackable
from pfntrack.designs import DESIGNS
from pfntrack.designs.counted.ours import Ours
from pfntrack.designs.counted.pieces import pieces_of
from pfntrack.designs.counted.runs import runs_of
from pfntrack.mm import ops, pagetable
from pfntrack.pat.events import Oops
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases import release_with
from pfntrack.releases.kernel import Kernel
from pfntrack.releases.world import World
from support import MACHINE

some = settings(
    max_examples=examples(20),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
OURS = release_with("ours")


def check(world: World) -> None:
    """All parts of the state are well formed."""
    hash(world)
    for process in world.processes:
        for low, high in pairwise(process.space.vmas):
            assert low.start < low.end <= high.start < high.end
        assert process.space.ptes == pagetable.put((), *process.space.ptes)
        for run in process.space.ptes:
            assert any(vma.covers(run.start) for vma in process.space.vmas)
            assert any(vma.covers(run.end - 1) for vma in process.space.vmas)
    for entry in world.phys.tree:
        assert entry.start < entry.end
    for first, second in pairwise(world.phys.tree):
        assert first.start <= second.start


@pytest.mark.parametrize("design", DESIGNS)
@some
@given(program=programs)
def test_no_design_corrupts_the_world(design: str, program: Program) -> None:
    """After each step the state is well formed, and when all have exited nothing is remembered."""
    release = release_with(design)
    world, bug = None, False
    for _, _, outcome in play(release, program):
        world = outcome.world
        bug = any(isinstance(event, Oops) for event in outcome.events)
        if not bug:
            check(world)
    if world is None or bug:
        return
    kernel = Kernel(release, MACHINE, explain=False)
    for process in reversed(world.processes):
        world = kernel.perform(world, ops.Exit(process.name)).world
    assert world.phys.tracking is None


@settings(some, max_examples=examples(300))
@given(program=programs)
def test_ours_keeps_every_property(program: Program) -> None:
    """No program of maps, zaps, faults, stores, forks, moves and failures breaks anything."""
    done = []
    for before, op, outcome in play(OURS, program):
        done.append(op)
        assert [] == broken(OURS, before, op, outcome), done


@settings(some, max_examples=examples(200))
@given(program=programs)
def test_the_books_of_ours_are_the_page_tables(program: Program) -> None:
    """Pieces are the raw entries of each process, runs count them; nobody looked at a table."""
    for _, _, outcome in play(OURS, program):
        counted: Counter[int] = Counter()
        for process in outcome.world.processes:
            mapped = {
                (page, run.pfn + page - run.start, run.cache)
                for run in process.space.ptes
                if run.pfn is not None
                for page in range(run.start, run.end)
            }
            held = {
                (page, piece.pfn + page - piece.start, piece.type)
                for vma in process.space.vmas
                for piece in pieces_of(vma)
                if piece.held
                for page in range(piece.start, piece.end)
            }
            assert mapped == held
            counted += Counter(pfn for _, pfn, _ in mapped)
        assert counted == Counter(
            {
                pfn: run.count
                for run in runs_of(outcome.world.phys)
                for pfn in range(run.first, run.end)
            }
        )


@settings(some, max_examples=examples(60))
@given(program=programs)
def test_performing_is_a_function(program: Program) -> None:
    """The designs keep nothing outside the state: a step can be repeated."""
    for design in (OURS, release_with("side-table"), release_with("caller-managed")):
        kernel = Kernel(design, MACHINE, explain=False)
        for before, op, outcome in play(design, program):
            assert outcome == kernel.perform(before, op)


@pytest.mark.parametrize("design", ["track-context", "ours-at-unmap", "counted-tree"])
def test_the_property_test_can_fail(design: str) -> None:
    """The programs find a broken property in every other design that counts."""
    release = release_with(design)
    found: set[str] = set()

    @settings(some, max_examples=examples(300), database=None)
    @given(program=programs)
    def search(program: Program) -> None:
        for before, op, outcome in play(release, program):
            found.update(each.property for each in broken(release, before, op, outcome))

    until(lambda: bool(found), search)
    assert found


def test_entries_follow_the_runs() -> None:
    """The tree shows each run as one entry, and kernel entries beside them."""
    assert isinstance(OURS.design, Ours)
    program: Program = [
        ops.Mmap("A", 0, 4, 0, window="W"),
        ops.Fork("A", "B"),
        ops.Munmap("A", 1, 1),
        ops.Ioremap("x", "W", 0, 4),
    ]
    *_, (_, _, outcome) = play(OURS, program)
    first = MACHINE.windows[0].pfn
    shown = [
        ((e.start >> PAGE_SHIFT) - first, (e.end >> PAGE_SHIFT) - first, e.owner)
        for e in outcome.world.phys.tree
        if e.start >= MACHINE.windows[0].start
    ]
    assert [(0, 1, 1), (0, 4, 0), (1, 2, 1), (2, 4, 1)] == shown


MAPCOUNT = release_with("mapcount")


@settings(some, max_examples=examples(300))
@given(program=programs)
def test_mapcount_keeps_every_property(program: Program) -> None:
    """Nor does any program break something where the entry is the piece."""
    done = []
    for before, op, outcome in play(MAPCOUNT, program):
        done.append(op)
        assert [] == broken(MAPCOUNT, before, op, outcome), done


@settings(some, max_examples=examples(200))
@given(program=programs)
def test_the_runs_of_mapcount_count_the_entries(program: Program) -> None:
    """Each raw entry of device pages is marked, and counted once for its pfn."""
    for _, _, outcome in play(MAPCOUNT, program):
        if any(isinstance(event, Oops) for event in outcome.events):
            return
        entries = [run for each in outcome.world.processes for run in each.space.ptes]
        counted = Counter(
            pfn
            for run in entries
            if run.counted and run.pfn is not None
            for pfn in range(run.pfn, run.pfn + run.end - run.start)
        )
        assert all(
            run.counted == trackable(MACHINE, run.pfn, run.pfn + run.end - run.start)
            for run in entries
            if run.pfn is not None
        )
        assert counted == Counter(
            {
                pfn: run.count
                for run in runs_of(outcome.world.phys)
                for pfn in range(run.first, run.end)
            }
        )
