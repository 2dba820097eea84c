"""Two operations at the same time: states between their parts, and the next part.

A `Moment` is a state in the middle: the shared values and how far each call has
come. `advance` lets one call do its next part; both are pure. A schedule is a
sequence of such steps. Descriptors are looked up before the overlap begins, and
files that nobody holds any more are released behind it: *simplified*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import attrs

from pfntrack.errors import ModelError
from pfntrack.mm import ops
from pfntrack.mm.calls.fault import HANG
from pfntrack.mm.ops import Op, Result
from pfntrack.mm.overlap import Overlap
from pfntrack.mm.shared import (
    FAILURES,
    LOCKS,
    PHYS,
    STALE,
    UNLISTED,
    WORLD,
    Held,
    Key,
    Shared,
    SharedMm,
    Stale,
    Values,
    space_of,
    space_values,
)
from pfntrack.mm.space import AddressSpace, Mm
from pfntrack.mm.step import FileOps, Step
from pfntrack.mm.together import Pause, PausedError, Together, compatible
from pfntrack.pat.context import Failure
from pfntrack.pat.events import Event
from pfntrack.pat.physical import Machine, Physical
from pfntrack.releases.release import Release
from pfntrack.releases.work import Work, actor, release_files
from pfntrack.releases.world import Course, Outcome, Process, World
from pfntrack.releases.world_calls import WORLD_CALLS

if TYPE_CHECKING:
    from pfntrack.releases.kernel import Kernel

START = Pause("", "begins")


@attrs.frozen
class Running:
    """One call so far: the states in which it went on, and where it waits.

    `pause` is None once it has returned `result`. `events` and `broken` (rules of
    locking) are those of all its parts.
    """

    op: Op
    moments: tuple[Values, ...] = ()
    pause: Pause | None = START
    result: Result | None = None
    events: tuple[Event, ...] = ()
    broken: tuple[str, ...] = ()
    order: tuple[tuple[Held, Held], ...] = ()


@attrs.frozen
class Part:
    """What one call did in one go: from which point, holding which locks at its end.

    `read` are the values that it saw, `wrote` the keys under which it left others.
    """

    call: int
    pause: Pause
    held: tuple[Held, ...]
    events: tuple[Event, ...]
    read: Mapping[Key, object]
    wrote: frozenset[Key]
    result: Result | None


@attrs.frozen
class Moment:
    """A state between two parts."""

    values: Values
    calls: tuple[Running, ...]

    @property
    def held(self) -> tuple[Held, ...]:
        """The locks that are held."""
        return cast("tuple[Held, ...]", self.values[LOCKS])

    @property
    def stale(self) -> tuple[Stale, ...]:
        """Translations that CPUs may still use."""
        return cast("tuple[Stale, ...]", self.values[STALE])

    @property
    def over(self) -> bool:
        """Have all calls returned?"""
        return all(call.pause is None for call in self.calls)

    def ready(self) -> list[int]:
        """Numbers of the calls that can go on."""
        return [
            number
            for number, call in enumerate(self.calls)
            if call.pause is not None
            and (call.pause.wants is None or compatible(self.held, call.pause.wants))
        ]

    def world(self) -> World:
        """The processes and what they share, as they are now; unborn children too."""
        world = cast("World", self.values[WORLD])
        known = {process.name for process in world.processes}
        processes = tuple(
            attrs.evolve(process, space=space_of(self.values, process.name))
            for process in world.processes
        )
        unborn = tuple(
            Process(name, 0, space=space)
            for name in _children(call.op for call in self.calls)
            if name not in known and (space := space_of(self.values, name)).vmas
        )
        return attrs.evolve(
            world,
            processes=(*processes, *unborn),
            phys=cast("Physical", self.values[PHYS]),
            failures=cast("tuple[Failure, ...]", self.values[FAILURES]),
        )


class _SharedWork(Work):
    """One of the calls at work on what both share."""

    def __init__(
        self,
        release: Release,
        machine: Machine,
        drivers: dict[str, FileOps],
        op: Op,
        step: Step,
        shared: Shared,
        mms: dict[str, Mm],
    ) -> None:
        self.release = release
        self.machine = machine
        self.drivers = drivers
        self.step = step
        self.shared = shared
        name = getattr(op, "p", None)
        self.process = self.world.process(name) if name is not None else None
        world = self.world
        self.mms = {process.name: mms[process.name] for process in world.processes}
        step.spaces = list(mms.values())

    @property
    def world(self) -> World:
        """Processes and descriptors; memory is elsewhere."""
        world: World = self.shared.get(WORLD)
        return world

    @world.setter
    def world(self, value: World) -> None:
        self.shared.set(WORLD, value)


def begin(kernel: Kernel, world: World, overlap: Overlap) -> Moment:
    """Both calls have been made; neither has done anything that the other could see.

    Raises ModelError for operations that cannot overlap.
    """
    both = overlap.left, overlap.right
    _check(world, both)
    bare = tuple(attrs.evolve(each, space=AddressSpace()) for each in world.processes)
    values: dict[Key, object] = {
        PHYS: world.phys,
        FAILURES: world.failures,
        LOCKS: (),
        STALE: (),
        UNLISTED: frozenset(),
        WORLD: attrs.evolve(world, processes=bare, phys=Physical(), failures=()),
    }
    for process in world.processes:
        values |= space_values(process.name, process.space)
    for name in _children(both):
        values |= space_values(name, AddressSpace())
    moment = Moment(_frozen(values), tuple(Running(op) for op in both))
    for number in range(len(both)):
        after, part = advance(kernel, moment, number)
        if not part.wrote and set(part.read) <= {WORLD}:
            moment = after
    return moment


def advance(kernel: Kernel, moment: Moment, number: int) -> tuple[Moment, Part]:
    """Let call `number`, which must be ready, do its next part."""
    call = moment.calls[number]
    assert call.pause is not None  # noqa: S101 - it has not returned
    moments = (*call.moments, moment.values)
    shared = Shared(moments[0])
    spaces = [name for kind, name in moment.values if kind == "vmas"]
    mms: dict[str, Mm] = {name: SharedMm(shared, name) for name in spaces}
    first = cast("World", moments[0][WORLD])
    child = mms[call.op.child] if isinstance(call.op, ops.Fork) else None
    args = kernel.step_parts(cast("Physical", moments[0][PHYS]), actor(first, call.op))
    step = Together(shared, number, moments, child, *args)
    step.explain = kernel.explain
    result: Result | None = None
    pause: Pause | None = None
    try:
        work = _SharedWork(
            kernel.release, kernel.machine, kernel.drivers, call.op, step, shared, mms
        )
        result = WORLD_CALLS[type(call.op)](work, call.op)
        step.release_all()
    except PausedError as stopped:
        pause = stopped.pause
    now = Running(
        call.op, moments, pause, result, tuple(step.events), tuple(step.broken), tuple(step.order)
    )
    values = _frozen(shared.values)
    calls = tuple(now if at == number else each for at, each in enumerate(moment.calls))
    after = Moment(values, calls)
    part = Part(
        number,
        call.pause,
        tuple(each for each in after.held if each.call == number),
        now.events[len(call.events) :],
        shared.read,
        frozenset(shared.wrote),
        result,
    )
    return after, part


def play(kernel: Kernel, world: World, overlap: Overlap) -> Outcome:
    """The overlap by its schedule; what that does not say goes left first.

    Who waits for a lock lets the other go on, as long as it takes.
    """
    moments, parts = [begin(kernel, world, overlap)], list[Part]()

    def go(number: int) -> None:
        moment, part = advance(kernel, moments[-1], number)
        moments.append(moment)
        parts.append(part)

    for who, count in overlap.schedule:
        done = 0
        while (
            (not count or done < count)
            and moments[-1].calls[who].pause is not None
            and (ready := moments[-1].ready())
        ):
            go(who if who in ready else ready[0])
            done += who in ready
    while ready := moments[-1].ready():
        go(ready[0])
    last = moments[-1]
    results = [call.result or HANG for call in last.calls]
    worse = next((each for each in results if each.ret < 0), results[0])
    events = tuple(event for part in parts for event in part.events)
    course = Course(tuple(moments), tuple(parts), tuple(results))
    return Outcome(finished(kernel, last, world), worse, events, course)


def finished(kernel: Kernel, moment: Moment, before: World) -> World:
    """The world when both calls have returned; files that nobody holds are released."""
    world = moment.world()
    step = kernel.step(world.phys, actor(before, moment.calls[0].op), world.failures)
    step.spaces = [Mm(process.space) for process in world.processes]
    release_files(kernel.drivers, step, before, world)
    return attrs.evolve(world, phys=step.phys, failures=step.failures)


def _frozen(values: Mapping[Key, object]) -> Values:
    return cast("Values", MappingProxyType(dict(values)))


def _children(both: Iterable[Op]) -> list[str]:
    return [op.child for op in both if isinstance(op, ops.Fork)]


def _check(world: World, both: tuple[Op, Op]) -> None:
    """Can the two be made at the same time?"""
    for op in both:
        if isinstance(op, Overlap | ops.Fail | ops.Unfail) or type(op) not in WORLD_CALLS:
            raise ModelError(f"{type(op).__name__.lower()} cannot overlap with another operation")
        name = getattr(op, "p", None)
        if name is not None:
            world.process(name)
    names = [getattr(op, "p", None) for op in both]
    if names[0] == names[1] and any(isinstance(op, ops.Exit) for op in both):
        raise ModelError(f"process {names[0]} cannot do anything while it exits")
    born = _children(both)
    if len(set(born)) < len(born):
        raise ModelError(f"two processes cannot both be {born[0]}")
    for name in born:
        if any(process.name == name for process in world.processes):
            raise ModelError(f"process {name} exists already")
