"""Two kernels side by side: the shortest program on which they behave differently.

Breadth-first over pairs of states, one of each kernel, that a program has led
to. Both are searched with the tables of the checker, so each operation is
evaluated once for the components it touches; what an observer sees of it is
worked out once as well. As soon as one step looks different, its program is
the shortest.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

from pfntrack.check.numbers.tables import INSIDE, NOBODY, Outcome, Tables
from pfntrack.check.report import Move
from pfntrack.check.search.actions import FILE, KERNEL, NAMES, Action
from pfntrack.check.search.explore import Limits
from pfntrack.check.search.normal import normal
from pfntrack.check.search.setting import Setting
from pfntrack.check.search.trace import program, renumbered, shrunk, spoken
from pfntrack.errors import ModelError
from pfntrack.mm import ops
from pfntrack.mm.ops import Op, Result
from pfntrack.mm.space import AddressSpace
from pfntrack.pat.events import Added, Event, Freed, Overlap
from pfntrack.pat.physical import Physical
from pfntrack.releases import World
from pfntrack.scenario import Scenario, Step

# What an observer compares after each step, in this order.
FIELDS = ("result", "log", "mappings", "entries", "reservations")
_QUIET = (Added, Freed, Overlap)

State = tuple[int, ...]
"""Numbers of the physical part and of the address spaces."""
View = tuple[str, ...]


@attrs.frozen
class Difference:
    """The first step that looks different: its program, and what each kernel shows."""

    moves: tuple[Move, ...]
    field: str
    values: tuple[str, str]


@attrs.frozen
class Compared:
    """The result of a comparison; `why` says what ended one that found nothing."""

    pairs: int
    transitions: int
    cut: int
    depth: int
    difference: Difference | None
    why: str = ""
    seconds: float = attrs.field(default=0.0, eq=False)

    @property
    def equal(self) -> bool:
        """All pairs were seen, and no step differed."""
        return self.difference is None and not self.why


class Side:
    """One kernel: where actions lead, and what an observer sees."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.tables = Tables(setting, frozenset())
        self._rows: dict[tuple[int, int], dict[int, Outcome]] = {}
        self._said: dict[tuple[int, int, int], View] = {}
        self._steps: dict[tuple[int, State], tuple[State, View, bool]] = {}
        self._books: dict[int, str] = {}
        self._spaces: dict[int, tuple[str, str]] = {}

    def enabled(self, state: State, slot: int) -> dict[int, Outcome]:
        """Actions of the process in place `slot`, of nobody if there is none, by number."""
        phys, space = state[0], state[1 + slot] if slot + 1 < len(state) else NOBODY
        found = self._rows.get((phys, space))
        if found is None:
            rows = self.tables.outcomes(phys, space)
            found = self._rows[phys, space] = {each.action: each for each in rows}
        return found

    def follow(self, state: State, slot: int, outcome: Outcome) -> tuple[State, View, bool]:
        """The state after an action, what it said, and whether that is within the bounds."""
        action = self.setting.actions[outcome.action]
        if action.reach == FILE:
            return self._whole(state, outcome.action, action)
        phys, spaces = state[0], list(state[1:])
        own = spaces[slot] if slot < len(spaces) else NOBODY
        if outcome.names >= 0:
            spaces = [
                each if place == slot else self.tables.renamed(outcome.names, each)
                for place, each in enumerate(spaces)
            ]
        if slot < len(spaces):
            spaces[slot : slot + 1] = [] if outcome.space == NOBODY else [outcome.space]
            if outcome.child != NOBODY:
                spaces.append(outcome.child)
        key = outcome.action, phys, own
        said = self._said.get(key)
        if said is None:
            world = self.tables.world(phys, () if own == NOBODY else (own,))
            said = self._said[key] = self._perform(world, action, 0)[1]
        return (outcome.phys, *spaces), said, bool(outcome.flags & INSIDE)

    def _whole(self, state: State, number: int, action: Action) -> tuple[State, View, bool]:
        """An action that reaches every process: performed in the whole world."""
        found = self._steps.get((number, state))
        if found is None:
            world, said = self._perform(self.tables.world(state[0], state[1:]), action, 0)
            after = normal(world, self.setting.release.design)
            inside = self.setting.inside(after)
            found = self._steps[number, state] = self.tables.state(after), said, inside
        return found

    def _perform(self, world: World, action: Action, slot: int) -> tuple[World, View]:
        results, lines = [], []
        for op in action.by(slot, len(world.processes)):
            outcome = self.setting.kernel.perform(world, op)
            world = outcome.world
            if not isinstance(op, ops.Fail | ops.Unfail):
                results.append(_word(outcome.result))
            lines += _log(outcome.events)
        return world, (", ".join(results), "; ".join(lines))

    def shown(self, state: State) -> View:
        """What an observer sees of a state: mappings, entries, reservations."""
        books = self._books.get(state[0])
        if books is None:
            books = self._books[state[0]] = _reserved(self.tables.physes[state[0]])
        seen = []
        for space in state[1:]:
            if space not in self._spaces:
                self._spaces[space] = _mapped(self.tables.spaces[space])
            seen.append(self._spaces[space])
        return _joined(seen, books)


def _joined(seen: list[tuple[str, str]], books: str) -> View:
    """Mappings and entries of all processes, and the reservations."""
    maps = "; ".join(f"{NAMES[place]}: {each[0]}" for place, each in enumerate(seen))
    entries = "; ".join(f"{NAMES[place]}: {each[1]}" for place, each in enumerate(seen))
    return maps, entries, books


def _reserved(phys: Physical) -> str:
    return ", ".join(f"[{e.start:#x},{e.end:#x}) {e.type.short}" for e in phys.tree) or "none"


def _mapped(space: AddressSpace) -> tuple[str, str]:
    """Mappings, and page-table entries."""
    runs = [
        f"[{run.start},{run.end}) -> {'a copy' if run.pfn is None else hex(run.pfn)} "
        f"{run.cache.short}{' writable' if run.write else ''}"
        for run in space.ptes
    ]
    vmas = [f"[{vma.start},{vma.end})" for vma in space.vmas]
    return ", ".join(vmas) or "none", ", ".join(runs) or "none"


def _word(result: Result) -> str:
    """The result in a word or two."""
    if result.signal:
        return f"SIG{result.signal}"
    return result.err or "ok"


def _log(events: tuple[Event, ...]) -> list[str]:
    """Lines that every kernel prints."""
    texts = [each.text() for each in events if not isinstance(each, _QUIET)]
    return [text for text in texts if text]


def compare(
    one: Setting,
    other: Setting,
    limits: Limits | None = None,
    fields: frozenset[str] = frozenset(FIELDS),
    tick: Callable[[int, int, int], None] | None = None,
) -> Compared:
    """Search pairs of states; both settings have the same bounds, operations and failing steps.

    `tick` is told depth, pairs and transitions now and then.
    """
    limits, began = limits or Limits(), time.perf_counter()
    sides = Side(one), Side(other)
    first = tuple(side.tables.state(side.setting.start) for side in sides)
    places: dict[tuple[State, ...], int] = {first: 0}
    order = [first]
    parents: list[tuple[int, Move]] = [(-1, (0, 0))]
    at, depth, end, transitions, cut = 0, 0, 1, 0, 0
    nobody = len(one.start.processes) + one.bounds.processes

    def result(difference: Difference | None, why: str = "") -> Compared:
        seconds = time.perf_counter() - began
        return Compared(len(order), transitions, cut, depth, difference, why, seconds)

    def path(place: int) -> tuple[Move, ...]:
        moves = []
        while place:
            place, move = parents[place]
            moves.append(move)
        return tuple(reversed(moves))

    while at < len(order):
        if at == end:
            depth, end = depth + 1, len(order)
        if limits.depth is not None and depth >= limits.depth:
            return result(None, f"programs of more than {limits.depth} steps were not tried")
        if limits.seconds is not None and time.perf_counter() - began > limits.seconds:
            return result(None, f"the time limit of {limits.seconds:g} s was reached")
        if tick is not None:
            tick(depth, len(order), transitions)
        pair = order[at]
        living = len(pair[0]) - 1
        for slot in (*range(living), nobody):
            mine, theirs = (
                side.enabled(state, slot) for side, state in zip(sides, pair, strict=True)
            )
            for number in sorted(mine.keys() & theirs.keys()):
                action = one.actions[number]
                if not _possible(action, living, one.bounds.processes):
                    continue
                transitions += 1
                followed = [
                    side.follow(state, slot, rows[number])
                    for side, state, rows in zip(sides, pair, (mine, theirs), strict=True)
                ]
                move = number, slot if slot < living else 0
                for name, *values in zip(
                    FIELDS,
                    *(
                        (*said, *side.shown(after))
                        for side, (after, said, _) in zip(sides, followed, strict=True)
                    ),
                    strict=True,
                ):
                    if name in fields and values[0] != values[1]:
                        moves = (*path(at), move)
                        shown = values[0], values[1]
                        depth += at < end
                        return result(Difference(moves, name, shown))
                if not all(inside for _, _, inside in followed):
                    cut += 1
                    continue
                after = tuple(state for state, _, _ in followed)
                if after not in places:
                    places[after] = len(order)
                    order.append(after)
                    parents.append((at, move))
        at += 1
    return result(None)


def _possible(action: Action, living: int, processes: int) -> bool:
    """Is there room for a child, and somebody who has the file open?"""
    if isinstance(action.op, ops.Fork):
        return living < processes
    if isinstance(action.op, ops.Zap):
        return living > 0
    return action.reach in (FILE, KERNEL) or living > 0


def scenario(one: Setting, other: Setting, found: Difference, fields: frozenset[str]) -> Scenario:
    """The program as a scenario, without files that nobody uses."""
    steps = [*one.opens, *program(one, found.moves)]

    def holds(fewer: list[Op]) -> bool:
        seen = first_difference(one, other, fewer, fields)
        return seen == (len(fewer) - 1, found.field)

    if first_difference(one, other, steps, fields) is not None:
        steps = shrunk(steps, holds)
    names = spoken(one.release), spoken(other.release)
    return Scenario(
        name=f"{one.release.name} against {other.release.name}".replace(" ", "-"),
        about=f"The last step differs in {found.field} between {names[0]} and {names[1]}.",
        tags=("difference",),
        steps=tuple(Step(op) for op in renumbered(steps)),
    )


def first_difference(
    one: Setting, other: Setting, steps: list[Op], fields: frozenset[str]
) -> tuple[int, str] | None:
    """Where a program first looks different: (step, counted from 0; field)."""
    worlds = [World(phys=Physical(mtrr=each.spec.mtrr())).start("A") for each in (one, other)]
    for number, op in enumerate(steps):
        views = []
        for side, setting in enumerate((one, other)):
            try:
                outcome = setting.kernel.perform(worlds[side], op)
            except ModelError:
                return None
            worlds[side] = outcome.world
            seen = [_mapped(process.space) for process in outcome.world.processes]
            said = _word(outcome.result), "; ".join(_log(outcome.events))
            views.append((*said, *_joined(seen, _reserved(outcome.world.phys))))
        for name, mine, theirs in zip(FIELDS, *views, strict=True):
            if name in fields and mine != theirs:
                return number, name
    return None
