"""A race: what breaks in some schedule of a scenario's overlapping operations.

What also breaks when the operations come one after the other, in either order, is no
race; it is named apart. Each finding has the shortest schedule that shows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import attrs

from pfntrack.check.judged import properties
from pfntrack.check.judged.properties import Violation, judge_state
from pfntrack.check.race.moments import inversions, judge_events, judge_moment, judge_part
from pfntrack.check.race.schedules import Node, Schedules, Size
from pfntrack.errors import ModelError, NoSuchProcessError
from pfntrack.mm import ops
from pfntrack.mm.ops import Op, Result
from pfntrack.mm.overlap import Overlap
from pfntrack.mm.shared import Held
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.events import Event
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases.kernel import Kernel
from pfntrack.releases.together import Moment, Part, advance, begin, finished
from pfntrack.releases.world import World

# When a property broke: while calls were at work, when both had returned, or later.
DURING, AT_END, LATER = "during", "end", "later"


@attrs.frozen
class Finding:
    """One broken property and the shortest schedule that breaks it.

    `schedule` are the numbers of the calls up to where it broke, `whole` to their end, `when`
    one of the constants above. `serial`: it breaks in an order one after the other too.
    """

    violation: Violation
    schedule: tuple[int, ...]
    whole: tuple[int, ...]
    when: str
    serial: bool = False

    @property
    def property(self) -> str:
        return self.violation.property


@attrs.frozen
class Ending:
    """One way in which it ends: what the calls returned, and the world behind them.

    `broken` are the properties that do not hold there or later, and those that events broke.
    """

    results: tuple[Result | None, ...]
    world: World
    schedule: tuple[int, ...]
    events: tuple[Event, ...] = ()
    broken: frozenset[str] = frozenset()


@attrs.frozen
class Race:
    """All that was found about one pair of operations in one state.

    `serial` are the properties that an order without overlap breaks; `endings` the distinct
    outcomes, `serial_endings` those of the two orders.
    """

    overlap: Overlap
    findings: tuple[Finding, ...]
    serial: tuple[str, ...]
    endings: tuple[Ending, ...]
    serial_endings: tuple[Ending, ...]
    size: Size

    @property
    def races(self) -> list[Finding]:
        """What no order without overlap breaks."""
        return [finding for finding in self.findings if not finding.serial]


class Racer:
    """A search for races between two operations.

    `rest` are the steps behind them; then all processes exit, the newest first.
    """

    def __init__(
        self,
        kernel: Kernel,
        world: World,
        overlap: Overlap,
        rest: Sequence[Op] = (),
        *,
        limit: int = 100_000,
    ) -> None:
        self.kernel = kernel
        self.world = world
        self.overlap = overlap
        self.rest = tuple(rest)
        self.limit = limit
        self.found: dict[object, Finding] = {}
        self.order: set[tuple[Held, Held]] = set()
        self._judged: dict[tuple[int, ...], list[Violation]] = {}
        self._later: dict[World, list[Violation]] = {}

    def run(self) -> Race:
        """Try all schedules.

        Raises ModelError for operations that cannot overlap.
        """
        start = begin(self.kernel, self.world, self.overlap)
        serial_endings, serial = self._serial(start)
        search = Schedules(self.kernel, start, limit=self.limit)
        size = search.run(self._arrived, self._went)
        endings: dict[object, Ending] = {}
        for node in search.ends:
            self._ended(node, endings, serial_endings)
        by = {finding.property for finding in serial}
        marked = [
            attrs.evolve(finding, serial=_known(finding, serial))
            for finding in sorted(self.found.values(), key=_rank)
        ]
        return Race(
            self.overlap,
            tuple(marked),
            tuple(sorted(by)),
            tuple(endings.values()),
            tuple(serial_endings),
            size,
        )

    # --------------------------------------------------------- in between

    def _arrived(self, node: Node) -> None:
        moment = node.moment
        for violation in judge_moment(self.kernel, moment):
            self._find(violation, node, DURING)
        for call in moment.calls:
            self.order.update(call.order)
        for violation in inversions(self.order):
            self._find(violation, node, DURING)
        if not moment.over and not moment.ready():
            waits = " and ".join(
                f"{'the left' if at == 0 else 'the right'} for {call.pause.wants.lock}"
                for at, call in enumerate(moment.calls)
                if call.pause is not None and call.pause.wants is not None
            )
            self._find(Violation("I8", 0, 0, f"deadlock: {waits}"), node, DURING)

    def _went(self, node: Node, part: Part, after: Moment) -> None:
        for violation in judge_part(self.kernel, node.moment, part, after):
            key = _key(violation)
            if key not in self.found:
                schedule = (*node.schedule(), part.call)
                self.found[key] = Finding(violation, schedule, self._whole(after, schedule), DURING)

    def _find(self, violation: Violation, node: Node, when: str) -> None:
        key = _key(violation)
        if key not in self.found:
            schedule = tuple(node.schedule())
            whole = schedule if when != DURING else self._whole(node.moment, schedule)
            self.found[key] = Finding(violation, schedule, whole, when)

    def _whole(self, moment: Moment, schedule: tuple[int, ...]) -> tuple[int, ...]:
        """The schedule with the calls finished, the left one first."""
        while ready := moment.ready():
            moment, part = advance(self.kernel, moment, ready[0])
            schedule = (*schedule, part.call)
        return schedule

    # ---------------------------------------------------------- behind it

    def _ended(self, node: Node, endings: dict[object, Ending], serial: Sequence[Ending]) -> None:
        if not node.moment.over:
            return
        ending = self._ending(node.moment, tuple(node.schedule()))
        broken = {each.property for each in judge_events(ending.events)}
        for when, violations in self._behind(ending):
            for violation in violations:
                self._find(violation, node, when)
                broken.add(violation.property)
        ending = attrs.evolve(ending, broken=frozenset(broken))
        endings.setdefault((ending.results, ending.world, ending.broken), ending)
        for violation in unlike(ending, serial):
            self._find(violation, node, AT_END)
        for at, result in enumerate(ending.results):
            usual = [other.results[at] for other in serial]
            if result is not None and result.err and all(not r or not r.err for r in usual):
                reason = f"refused with {result.err}, which no order without overlap does"
                self._find(Violation("I6", 0, 0, reason), node, AT_END)

    def _ending(self, moment: Moment, schedule: tuple[int, ...]) -> Ending:
        world = finished(self.kernel, moment, self.world)
        events = tuple(event for call in moment.calls for event in call.events)
        return Ending(tuple(call.result for call in moment.calls), world, schedule, events)

    def _behind(self, ending: Ending) -> list[tuple[str, list[Violation]]]:
        """What is broken when both have returned, and what breaks later."""
        world = ending.world
        ends = judge_state(self.kernel, world)
        both = self.overlap.left, self.overlap.right
        if self.kernel.machine.pat_enabled:
            for op, result in zip(both, ending.results, strict=True):
                if isinstance(op, ops.Fork) and _comparable(world, op, result):
                    design = self.kernel.release.design
                    ends += properties.fork(design, world, op, world, Result())
        if world not in self._later:
            self._later[world] = self._afterwards(world)
        return [(AT_END, ends), (LATER, self._later[world])]

    def _afterwards(self, world: World) -> list[Violation]:
        """The rest of the scenario, and the end of all processes."""
        found: list[Violation] = []
        for op in self.rest:
            try:
                outcome = self.kernel.perform(world, op)
            except (NoSuchProcessError, ModelError):
                continue  # on this schedule there is nothing to do it to
            world = outcome.world
            found += judge_events(outcome.events)
            found += judge_state(self.kernel, world)
        for process in reversed(world.processes):
            outcome = self.kernel.perform(world, ops.Exit(process.name))
            world = outcome.world
            found += judge_events(outcome.events)
        leaks = [each for each in judge_state(self.kernel, world) if each.property == "I1"]
        return found + leaks

    # ------------------------------------------------ one after the other

    def _serial(self, start: Moment) -> tuple[list[Ending], list[Violation]]:
        """What the two orders come to, and what they break."""
        endings, broken = [], []
        for order in ((0, 1), (1, 0)):
            moment, schedule = start, list[int]()
            for number in order:
                while number in moment.ready():
                    moment, part = advance(self.kernel, moment, number)
                    schedule.append(number)
                    broken += judge_events(part.events)
                if self.kernel.machine.pat_enabled:
                    broken += judge_state(self.kernel, moment.world())
            ending = self._ending(moment, tuple(schedule))
            endings.append(ending)
            for _, violations in self._behind(ending):
                broken += violations
        return endings, broken


def race(
    kernel: Kernel,
    world: World,
    overlap: Overlap,
    rest: Sequence[Op] = (),
    *,
    limit: int = 100_000,
) -> Race:
    """All schedules of two overlapping operations in a world."""
    return Racer(kernel, world, overlap, rest, limit=limit).run()


def unlike(ending: Ending, serial: Sequence[Ending]) -> list[Violation]:
    """Reservations that no order without overlap leaves behind for the same entries.

    More of them is `tight`, fewer is I3. The owners that nobody sees are not compared.
    """
    same = [each for each in serial if _entries(each.world) == _entries(ending.world)]
    mine = _reserved(ending.world)
    if not same or any(_reserved(each.world) == mine for each in same):
        return []
    found, theirs = [], _reserved(same[0].world)
    for name, left, what in (("tight", mine - theirs, "is left"), ("I3", theirs - mine, "is gone")):
        for start, end, kind in sorted(left, key=lambda each: each[:2])[:1]:
            reason = f"a reservation as {kind} {what}, as in no order without overlap"
            found.append(Violation(name, start >> PAGE_SHIFT, end >> PAGE_SHIFT, reason))
    return found


def _entries(world: World) -> object:
    """What is mapped, by whom."""
    return sorted(
        (process.name, process.space.ptes, tuple((v.start, v.end) for v in process.space.vmas))
        for process in world.processes
    )


def _reserved(world: World) -> Counter[tuple[int, int, CacheMode]]:
    return Counter((entry.start, entry.end, entry.type) for entry in world.phys.tree)


def outside(ending: Ending, serial: Sequence[Ending]) -> bool:
    """Does no order without overlap return and leave the same?"""
    return all(
        (each.results, _entries(each.world), _reserved(each.world))
        != (ending.results, _entries(ending.world), _reserved(ending.world))
        for each in serial
    )


def _comparable(world: World, op: ops.Fork, result: Result | None) -> bool:
    """Do both live, and has the parent still all that its child has?"""
    spaces = {process.name: process.space for process in world.processes}
    if result is None or result.ret < 0 or not {op.p, op.child} <= set(spaces):
        return False
    starts = [{vma.start for vma in spaces[name].vmas} for name in (op.p, op.child)]
    return starts[1] <= starts[0]


def _key(violation: Violation) -> object:
    """One finding for each property; of warnings and locks, one for each reason."""
    if violation.property in ("I4", "I8"):
        return violation.property, violation.reason
    return violation.property


def _known(finding: Finding, serial: Sequence[Violation]) -> bool:
    """Does it break without an overlap as well? What is wrong in passing does not."""
    if finding.when == DURING and finding.property in ("I2", "I5", "I5-tlb"):
        return any(each.property == finding.property for each in serial)
    return any(_key(each) == _key(finding.violation) for each in serial)


_ORDER = ("I5-tlb", "I5", "I2", "I3", "I1", "I10", "I4", "I6", "I8", "tight")


def _rank(finding: Finding) -> tuple[int, int]:
    at = _ORDER.index(finding.property) if finding.property in _ORDER else len(_ORDER)
    return at, len(finding.schedule)
