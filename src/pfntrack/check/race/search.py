"""All pairs of operations that can overlap after any program within bounds.

Programs are tried breadth-first, one for each state that they lead to; in each state
every pair of operations overlaps, in all schedules. So the first finding of a property has
a shortest program before it. Pairs that touch nothing of each other's are told apart by
performing each alone: their schedules show what the two show one after the other, and what
each shows in passing is judged once.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

import attrs

from pfntrack.check.race.found import Finding, Race, race
from pfntrack.check.search.actions import NAMES
from pfntrack.check.search.normal import normal
from pfntrack.check.search.setting import Setting
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
    """What was looked at: states, pairs in them, those that interfere, and their schedules."""

    states: int = 0
    pairs: int = 0
    interfering: int = 0
    schedules: int = 0
    moments: int = 0


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


def search(
    setting: Setting,
    depth: int,
    *,
    seconds: float | None = None,
    tick: Callable[[Coverage], None] = lambda _: None,
) -> Concurrent:
    """Search programs of up to `depth` operations, and what can overlap behind each.

    `tick` is called after each pair.
    """
    ends = None if seconds is None else time.monotonic() + seconds
    done, examples = Coverage(), dict[str, Example]()
    try:
        for state, overlap in _overlaps(setting, depth):
            if ends is not None and time.monotonic() > ends:
                return Concurrent(done, examples, "the time is over")
            if overlap is None:
                done = attrs.evolve(done, states=done.states + 1)
                continue
            done = attrs.evolve(done, pairs=done.pairs + 1)
            if interfere(setting, state.world, overlap):
                found = race(setting.kernel, state.world, overlap)
                done = _more(done, found)
                for finding in found.races:
                    examples.setdefault(finding.property, Example(state.program, found, finding))
            tick(done)
    except KeyboardInterrupt:
        return Concurrent(done, examples, "interrupted")
    return Concurrent(done, examples)


def _more(done: Coverage, found: Race) -> Coverage:
    return attrs.evolve(
        done,
        interfering=done.interfering + 1,
        schedules=done.schedules + found.size.schedules,
        moments=done.moments + found.size.moments,
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
