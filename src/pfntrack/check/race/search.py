"""All pairs of operations that can overlap after any program within bounds.

Programs are tried breadth-first, one for each state that they lead to; in each state
every pair of operations overlaps, in all schedules. So the first finding of a property has
a shortest program before it. Pairs that touch nothing of each other's are told apart by
performing each alone: their schedules show what the two show one after the other, and what
each shows in passing is judged once.
"""

from __future__ import annotations

import itertools
import resource
import time
from collections.abc import Callable, Iterator

import attrs

from pfntrack.check.race.found import Finding, Race, race
from pfntrack.check.search.actions import NAMES
from pfntrack.check.search.normal import normal
from pfntrack.check.search.setting import Setting
from pfntrack.errors import InputFormatError
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.mm.overlap import Overlap
from pfntrack.mm.shared import LOCKS, STALE, WORLD, Key
from pfntrack.releases import World
from pfntrack.releases.together import advance, begin

# An operation that touches nothing, to let another run alone.
_NOTHING = ops.Sysctl("vm/overcommit_memory", "0")


@attrs.frozen
class Example:
    """A finding, and the program that leads to the two operations that show it."""

    program: tuple[Op, ...]
    race: Race
    finding: Finding


@attrs.frozen
class Coverage:
    """What was looked at: states, pairs in them, those that interfere, and their schedules.

    `cut` pairs have more moments than are looked at.
    """

    states: int = 0
    pairs: int = 0
    interfering: int = 0
    schedules: int = 0
    moments: int = 0
    cut: int = 0


@attrs.frozen
class Concurrent:
    """A finished search; `why` says why it is not complete, if it is not."""

    coverage: Coverage
    examples: dict[str, Example]
    why: str = ""


@attrs.frozen
class _State:
    world: World
    program: tuple[Op, ...]


@attrs.frozen
class Progress:
    """How far a search has come: what it looked at, and which pair showed each property.

    Pairs are numbered from 1 in the order of the search, which is always the same.
    """

    coverage: Coverage = Coverage()
    shown: tuple[tuple[str, int], ...] = ()


class Search:
    """A search of programs of up to `depth` operations, and of what can overlap behind each.

    It can be stopped between two pairs: `progress` is all that a later one needs to go on.
    """

    def __init__(self, setting: Setting, depth: int, progress: Progress | None = None) -> None:
        self.setting = setting
        self.depth = depth
        self.progress = progress or Progress()
        self.examples: dict[str, Example] = {}
        self.program = 0

    def run(
        self,
        *,
        seconds: float | None = None,
        memory: int | None = None,
        tick: Callable[[Search], None] = lambda _: None,
    ) -> Concurrent:
        """Search on; `tick` is called after each pair, `memory` is in bytes.

        Raises InputFormatError if the progress it began with is none of this search.
        """
        ends = None if seconds is None else time.monotonic() + seconds
        known, number, why = self.progress, Coverage(), ""
        try:
            for state, overlap in _overlaps(self.setting, self.depth):
                self.program = len(state.program)
                if overlap is None:
                    number = attrs.evolve(number, states=number.states + 1)
                    if number.states > known.coverage.states:
                        self._count(states=1)
                    continue
                number = attrs.evolve(number, pairs=number.pairs + 1)
                if number.pairs <= known.coverage.pairs:
                    self._again(state, overlap, [n for n, at in known.shown if at == number.pairs])
                    continue
                if why := _beyond(ends, memory):
                    break
                self._pair(state, overlap)
                tick(self)
        except KeyboardInterrupt:
            why = "interrupted"
        if not why and number.pairs < known.coverage.pairs:
            raise InputFormatError("the checkpoint is of more pairs than there are")
        if not why and self.progress.coverage.cut:
            why = f"{self.progress.coverage.cut:,} pairs have too many schedules to try all"
        return Concurrent(self.progress.coverage, self.examples, why)

    def _pair(self, state: _State, overlap: Overlap) -> None:
        """All schedules of one pair; counted when it has been looked at, not before."""
        done, shown = self.progress.coverage, dict(self.progress.shown)
        done = attrs.evolve(done, pairs=done.pairs + 1)
        if interfere(self.setting, state.world, overlap):
            found = race(self.setting.kernel, state.world, overlap)
            done = _more(done, found)
            for finding in found.races:
                self.examples.setdefault(finding.property, Example(state.program, found, finding))
                shown.setdefault(finding.property, done.pairs)
        self.progress = Progress(done, tuple(shown.items()))

    def _again(self, state: _State, overlap: Overlap, names: list[str]) -> None:
        """A pair that an earlier search has looked at: only its findings are made again."""
        found = race(self.setting.kernel, state.world, overlap) if names else None
        for name in names:
            finding = next((f for f in found.races if f.property == name), None) if found else None
            if found is None or finding is None:
                raise InputFormatError(f"the checkpoint says that {name} breaks where it does not")
            self.examples[name] = Example(state.program, found, finding)

    def _count(self, states: int) -> None:
        done = self.progress.coverage
        more = attrs.evolve(done, states=done.states + states)
        self.progress = attrs.evolve(self.progress, coverage=more)


def search(setting: Setting, depth: int, *, seconds: float | None = None) -> Concurrent:
    """Search from the beginning."""
    return Search(setting, depth).run(seconds=seconds)


def _beyond(ends: float | None, memory: int | None) -> str:
    """Why a search has to end here; nothing if it may go on."""
    if ends is not None and time.monotonic() > ends:
        return "the time is over"
    if memory is not None and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10 > memory:
        return "the memory is used up"
    return ""


def _more(done: Coverage, found: Race) -> Coverage:
    return attrs.evolve(
        done,
        interfering=done.interfering + 1,
        schedules=done.schedules + found.size.schedules,
        moments=done.moments + found.size.moments,
        cut=done.cut + (not found.size.complete),
    )


def _overlaps(setting: Setting, depth: int) -> Iterator[tuple[_State, Overlap | None]]:
    """Each state, first without an overlap, then with each pair."""
    for state in states(setting, depth):
        yield state, None
        for left, right in pairs(setting, state.world):
            yield state, Overlap(left, right)


def states(setting: Setting, depth: int) -> Iterator[_State]:
    """States that programs of up to `depth` operations lead to, each with a shortest one."""
    start = _State(setting.start, ())
    known, level = {setting.start}, [start]
    for length in range(depth + 1):
        yield from level
        following = []
        for state in level if length < depth else ():
            for program in moves(setting, state.world):
                world = state.world
                for op in program:
                    world = setting.kernel.perform(world, op).world
                key = normal(world, setting.release.design)
                if setting.inside(key) and key not in known:
                    known.add(key)
                    following.append(_State(world, (*state.program, *program)))
        level = following


def moves(setting: Setting, world: World) -> Iterator[tuple[Op, ...]]:
    """The operations that can come next, as programs of one operation (or an armed one)."""
    names = [process.name for process in world.processes]
    child = next(name for name in NAMES if name not in names)
    for number, slot in setting.moves(world):
        yield tuple(_of(op, names[slot], child) for op in setting.actions[number].ops)


def pairs(setting: Setting, world: World) -> Iterator[tuple[Op, Op]]:
    """Pairs of operations that can be made at the same time, each with itself as well."""
    single = [program[0] for program in moves(setting, world) if len(program) == 1]
    for left, right in itertools.combinations_with_replacement(single, 2):
        if _mine(left) == _mine(right) and (
            isinstance(left, ops.Exit) or isinstance(right, ops.Exit)
        ):
            continue
        if isinstance(left, ops.Fork) and isinstance(right, ops.Fork):
            names = {process.name for process in world.processes} | {left.child}
            other = next(name for name in NAMES if name not in names)
            yield left, attrs.evolve(right, child=other)
            continue
        if isinstance(left, ops.Ioremap) and isinstance(right, ops.Ioremap):
            continue  # both would have one name
        yield left, right


def interfere(setting: Setting, world: World, overlap: Overlap) -> bool:
    """Does one of the two write what the other reads or writes?"""
    one, other = (footprint(setting, world, op) for op in (overlap.left, overlap.right))
    return bool(one[1] & (other[0] | other[1]) or other[1] & one[0])


def footprint(setting: Setting, world: World, op: Op) -> tuple[set[Key], set[Key]]:
    """What an operation reads and writes when it is alone; locks and WORLD left out."""
    moment = begin(setting.kernel, world, Overlap(op, _NOTHING))
    read, wrote = set[Key](), set[Key]()
    while moment.calls[0].pause is not None:
        moment, part = advance(setting.kernel, moment, 0)
        read |= set(part.read)
        wrote |= {key for key in part.wrote if part.read.get(key) != moment.values[key]}
    own = {LOCKS, STALE, WORLD}
    return read - own, wrote - own


def _of(op: Op, name: str, child: str) -> Op:
    if isinstance(op, ops.Fork):
        return attrs.evolve(op, p=name, child=child)
    return attrs.evolve(op, p=name) if hasattr(op, "p") else op  # type: ignore[call-arg]


def _mine(op: Op) -> object:
    return getattr(op, "p", None)
