"""Thirty actions on two pages: the words in which docs/designs.md tells short programs."""

from __future__ import annotations

from collections.abc import Iterator

from designs.programs import FILES, broken, fresh, legal
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.pat import CacheMode
from pfntrack.pat.events import Oops
from pfntrack.releases.kernel import Kernel
from pfntrack.releases.release import Release
from pfntrack.releases.world import World
from support import MACHINE

ACTIONS: dict[str, Op] = {
    "map": ops.Mmap("A", 0, 2, 1, window="W"),
    "map private": ops.Mmap("A", 0, 2, 1, shared=False, window="W"),
    "map narrowing": ops.Mmap("A", 0, 2, 3, window="W"),
    "map for faults": ops.Mmap("A", 0, 2, 5, window="W"),
    "map in halves": ops.Mmap("A", 0, 2, 9, window="W"),
    "map UC- over it": ops.Mmap("A", 0, 2, 0, window="W"),
    "map UC- elsewhere": ops.Mmap("A", 4, 2, 0, window="W"),
    "map page 1 UC- elsewhere": ops.Mmap("A", 4, 1, 0, 1, window="W"),
    "unmap page 0": ops.Munmap("A", 0, 1),
    "unmap page 1": ops.Munmap("A", 1, 1),
    "unmap": ops.Munmap("A", 0, 2),
    "unmap elsewhere": ops.Munmap("A", 4, 2),
    "move page 0": ops.Mremap("A", 0, 1, 1, maymove=True, fixed=True, to=3),
    "move": ops.Mremap("A", 0, 2, 2, maymove=True, fixed=True, to=3),
    "shrink": ops.Mremap("A", 0, 2, 1),
    "protect page 0": ops.Mprotect("A", 0, 1, "r"),
    "zap": ops.ZapVma("A", 0, 2),
    "zap page 0": ops.ZapVma("A", 0, 1),
    "zap page 1": ops.ZapVma("A", 1, 1),
    "write page 0": ops.Write("A", 0),
    "read page 0": ops.Read("A", 0),
    "insert another page": ops.InsertPfn("A", 0, "W", 2),
    "remap UC-": ops.Remap("A", 0, 2, "W", 0, CacheMode.UC_MINUS),
    "fork": ops.Fork("A", "B"),
    "child exits": ops.Exit("B"),
    "exit": ops.Exit("A"),
    "ioremap WC": ops.Ioremap("x", "W", 0, 2, CacheMode.WC),
    "ioremap UC-": ops.Ioremap("y", "W", 0, 2, CacheMode.UC_MINUS),
    "fail a page table": ops.Fail("A", "__pte_alloc"),
    "fail a reservation": ops.Fail("A", "memtype_reserve"),
}


def start(kernel: Kernel) -> World:
    """All files are open."""
    world = fresh()
    for op in FILES:
        world = kernel.perform(world, op).world
    return world


def breaks(release: Release, names: list[str]) -> set[str]:
    """What the last of these actions breaks."""
    kernel = Kernel(release, MACHINE, explain=False)
    world, found = start(kernel), set[str]()
    for name in names:
        op = ACTIONS[name]
        assert legal(world, op), name
        outcome = kernel.perform(world, op)
        found = {each.property for each in broken(release, world, op, outcome)}
        world = outcome.world
    return found


def explore(release: Release, depth: int) -> Iterator[tuple[list[str], set[str]]]:
    """All programs up to `depth` actions by length, and what their last action breaks.

    Programs are not continued from a state that was seen, nor after a BUG.
    """
    kernel = Kernel(release, MACHINE, explain=False)
    first = start(kernel)
    seen, front = {first}, [(first, list[str]())]
    for _ in range(depth):
        reached = []
        for world, path in front:
            for name, op in ACTIONS.items():
                if not legal(world, op):
                    continue
                outcome = kernel.perform(world, op)
                found = {each.property for each in broken(release, world, op, outcome)}
                yield [*path, name], found
                bug = any(isinstance(event, Oops) for event in outcome.events)
                if not bug and outcome.world not in seen:
                    seen.add(outcome.world)
                    reached.append((outcome.world, [*path, name]))
        front = reached
