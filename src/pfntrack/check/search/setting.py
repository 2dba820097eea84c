"""What is searched: one release, bounds, operations, and the state they start in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import attrs

from pfntrack.check.judged.oracle import granted_types
from pfntrack.check.judged.properties import REQUESTS, judge_books, judge_request
from pfntrack.check.search.actions import FILE, FORK, KERNEL, LOCAL, WINDOW, Action, alphabet, files
from pfntrack.check.search.bounds import BASIC, GROUPS, Bounds
from pfntrack.check.search.guards import enabled
from pfntrack.check.search.normal import normal
from pfntrack.mm import ops
from pfntrack.mm.ops import Op, Result
from pfntrack.mm.space import AddressSpace
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.physical import Physical, Window
from pfntrack.releases import Kernel, Release, World
from pfntrack.scenario import MachineSpec

NOTHING = AddressSpace()

# Properties that compare a step with an ideal kernel, and so need the whole world.
ORACLE = frozenset({"I6", "I7"})


@attrs.frozen
class Answer:
    """What a request was told: errno or none, types by pfn, or a failure struck."""

    err: str
    granted: tuple[tuple[int, CacheMode], ...]
    struck: bool


@attrs.frozen
class Step:
    """What an action led to: the world (not normal yet), and what it broke.

    `answer` is there if the action makes a request that an oracle may judge.
    """

    world: World
    broken: frozenset[str]
    answer: Answer | None = None


def answer_to(op: Op, after: World, result: Result) -> Answer | None:
    """What `op` was told, if it is a request."""
    if not isinstance(op, REQUESTS):
        return None
    runs = granted_types(after, op)
    granted = tuple(sorted((pfn, kind) for first, end, kind in runs for pfn in range(first, end)))
    return Answer(result.err, granted, any(failure.fired for failure in after.failures))


@attrs.frozen(slots=False)
class Setting:
    """One search: everything that its result depends on."""

    release: Release
    bounds: Bounds = attrs.field(factory=Bounds)
    groups: tuple[str, ...] = BASIC
    spec: MachineSpec = attrs.field(factory=MachineSpec)
    # Failing steps besides those of the design: a comparison needs one alphabet.
    symbols: frozenset[str] = frozenset()

    @cached_property
    def kernel(self) -> Kernel:
        return Kernel(self.release, self.spec.machine(), explain=False)

    @cached_property
    def opens(self) -> tuple[ops.Open, ...]:
        """What process A opens before the search begins."""
        return files(self.bounds, self.ordered).opens

    @cached_property
    def ordered(self) -> tuple[str, ...]:
        """The groups in their fixed order."""
        return tuple(name for name in GROUPS if name in self.groups)

    @cached_property
    def actions(self) -> tuple[Action, ...]:
        return alphabet(self.bounds, self.ordered, self.release.design.symbols | self.symbols)

    @cached_property
    def start(self) -> World:
        """Process A with its files open; no kernel mapping, no reservation."""
        world = World(phys=Physical(mtrr=self.spec.mtrr())).start("A")
        for op in self.opens:
            world = self.kernel.perform(world, op).world
        return normal(world, self.release.design)

    @cached_property
    def window(self) -> Window:
        """The window that is mapped."""
        found = self.spec.window(WINDOW)
        assert found is not None  # noqa: S101 - one of the standard windows
        return found

    def moves(self, world: World) -> Iterator[tuple[int, int]]:
        """(number of the action, place of the process) of all moves, in the fixed order.

        Process by process, then what nobody in particular does; each in the
        order of the actions.
        """
        living = len(world.processes)
        full = living >= self.bounds.processes
        for slot, process in enumerate(world.processes):
            for number, action in enumerate(self.actions):
                if action.reach not in (LOCAL, FORK) or (action.reach == FORK and full):
                    continue
                if self.enabled(action, process.space, world.phys):
                    yield number, slot
        for number, action in enumerate(self.actions):
            # A zap needs somebody who has the file open.
            there = living or not isinstance(action.op, ops.Zap)
            reaches = there and action.reach in (KERNEL, FILE)
            if reaches and self.enabled(action, NOTHING, world.phys):
                yield number, 0

    def enabled(self, action: Action, space: AddressSpace, phys: Physical) -> bool:
        """Does the action make sense for a process with `space`?"""
        if action.replaces and isinstance(action.op, ops.Mmap):
            # The plain mmaps are those where nothing is in the way.
            at, end = action.op.at, action.op.at + action.op.pages
            return any(vma.start < end and at < vma.end for vma in space.vmas)
        return enabled(action.op, space, phys, self.bounds, self.window.start)

    def inside(self, world: World) -> bool:
        """Is the world within the bounds?"""
        return self.bounds.phys(world.phys) and all(
            self.bounds.space(process.space) for process in world.processes
        )

    def perform(self, world: World, program: tuple[Op, ...], watched: frozenset[str]) -> Step:
        """Perform the operations of an action and judge each as a step.

        The two properties that ask an oracle are judged in whole worlds only.
        """
        broken: set[str] = set()
        answer = None
        for op in program:
            outcome = self.kernel.perform(world, op)
            after = outcome.world
            books = judge_books(self.kernel, world, op, after, outcome.result, outcome.events)
            broken.update(violation.property for violation in books)
            answer = answer_to(op, after, outcome.result) or answer
            if watched & ORACLE:
                asked = judge_request(self.kernel, world, op, after, outcome.result)
                broken.update(violation.property for violation in asked)
            world = after
        return Step(world, frozenset(broken & watched), answer)
