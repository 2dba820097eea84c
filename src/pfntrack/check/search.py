"""Breadth-first search over the tables, in plain Python.

The same states, transitions, verdicts and counterexamples as the plain search
over whole worlds, for a small part of its evaluations of the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pfntrack.check.actions import FILE, FORK
from pfntrack.check.memo import Judge, Local, State, Tables
from pfntrack.check.properties import PROPERTIES
from pfntrack.check.report import Counterexample, Coverage, Found, Move
from pfntrack.check.setting import ORACLE, Setting
from pfntrack.mm import ops

_REQUESTS = (ops.Mmap, ops.Remap, ops.Ioremap, ops.Fork)


class Successors:
    """The moves of a state, in the fixed order, with what they lead to."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        actions = tables.setting.actions
        self.forks = frozenset(n for n, action in enumerate(actions) if action.reach == FORK)
        self.files = [n for n, action in enumerate(actions) if action.reach == FILE]

    def __call__(self, state: State) -> Iterator[tuple[Move, Local, State]]:
        tables, phys = self.tables, state[0]
        full = len(state) > tables.setting.bounds.processes
        found: list[tuple[Move, Local, tuple[int, ...]]] = [
            ((outcome.action, slot), outcome, (slot,))
            for slot, space in enumerate(state[1:])
            for outcome in tables.local(space, phys)
            if not (full and outcome.action in self.forks)
        ]
        found += [((outcome.action, 0), outcome, ()) for outcome in tables.kernel(phys)]
        for action in self.files:
            if (reached := tables.file(action, state)) is not None:
                found.append(((action, 0), *reached))
        found.sort(key=lambda each: each[0])
        for move, outcome, places in found:
            yield move, outcome, self._after(state, outcome, places)

    def _after(self, state: State, outcome: Local, places: tuple[int, ...]) -> State:
        """The whole state: those who were touched as they are now, the others renamed."""
        tables = self.tables
        left = list(outcome.spaces)
        spaces = []
        for slot, space in enumerate(state[1:]):
            if slot not in places:
                spaces.append(tables.renamed(outcome.names, space))
            elif left:
                spaces.append(left.pop(0))
        return outcome.phys, *spaces, *left


def explore(
    setting: Setting,
    watched: frozenset[str] = frozenset(PROPERTIES),
    *,
    stop: bool = False,
    most: int | None = None,
) -> Found:
    """As `pfntrack.check.plain.explore`, by way of the tables."""
    tables = Tables(setting, watched)
    judge, successors = Judge(tables), Successors(tables)
    asks = frozenset(n for n, a in enumerate(setting.actions) if isinstance(a.op, _REQUESTS))
    start = tables.state(setting.start)
    number = {start: 0}
    states = [start]
    parents: list[tuple[int, Move]] = [(-1, (0, 0))]
    depths = [0]
    found: dict[str, Counterexample] = {}
    tried: Counter[int] = Counter()
    effective: Counter[int] = Counter()
    cut = 0

    def path(state: int) -> tuple[Move, ...]:
        moves = []
        while state:
            state, move = parents[state]
            moves.append(move)
        return tuple(reversed(moves))

    def blame(broken: frozenset[str], moves: tuple[Move, ...]) -> None:
        for name in broken:
            found.setdefault(name, Counterexample(name, moves))

    blame(judge.state(start), ())
    at = 0
    while at < len(states) and not (stop and found) and (most is None or len(states) < most):
        state = states[at]
        for move, outcome, after in successors(state):
            if not outcome.inside:
                cut += 1
                continue
            tried[move[0]] += 1
            effective[move[0]] += after != state
            broken = outcome.broken
            if watched & ORACLE and move[0] in asks:
                broken |= judge.request(state, *move)
            if broken - found.keys():
                blame(broken, (*path(at), move))
            if after not in number:
                number[after] = len(states)
                states.append(after)
                parents.append((at, move))
                depths.append(depths[at] + 1)
                if broken := judge.state(after) - found.keys():
                    blame(broken, path(number[after]))
        at += 1
    return Found(
        states=len(states),
        transitions=tried.total(),
        cut=cut,
        depth=depths[-1],
        evaluations=tables.evaluations,
        complete=at == len(states),
        counterexamples=found,
        coverage=coverage(setting, tried, effective),
    )


def coverage(setting: Setting, tried: Counter[int], effective: Counter[int]) -> dict[str, Coverage]:
    """Counts per group of actions."""
    sums = {group: [0, 0] for group in setting.ordered}
    for number, action in enumerate(setting.actions):
        sums[action.group][0] += tried[number]
        sums[action.group][1] += effective[number]
    return {group: Coverage(*pair) for group, pair in sums.items()}
