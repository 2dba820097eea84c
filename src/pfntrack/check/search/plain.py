"""Plain breadth-first search over whole worlds: slow, and obviously right.

Every transition performs the operations on the whole world, and every new
state is judged as a whole. The fast search must agree with this one.
"""

from __future__ import annotations

import time

from pfntrack.check.judged.properties import PROPERTIES, judge_state
from pfntrack.check.report import Cost, Counterexample, Found, Move, coverage
from pfntrack.check.search.normal import normal
from pfntrack.check.search.setting import Setting
from pfntrack.releases import World


def explore(
    setting: Setting,
    watched: frozenset[str] = frozenset(PROPERTIES),
    *,
    deepest: int | None = None,
) -> Found:
    """Search all states that up to `deepest` moves lead to.

    The counterexample of a property is the first in breadth-first order: the
    shortest, ties broken by the order of moves.
    """
    began = time.perf_counter()
    start = setting.start
    number = {start: 0}
    worlds = [start]
    parents: list[tuple[int, Move]] = [(-1, (0, 0))]
    depths = [0]
    found: dict[str, Counterexample] = {}
    tried = [0] * len(setting.actions)
    effective = [0] * len(setting.actions)
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

    blame(judge(setting, start, watched), ())
    at = 0
    while at < len(worlds) and (deepest is None or depths[at] < deepest):
        world = worlds[at]
        for move in setting.moves(world):
            program = setting.actions[move[0]].by(move[1], len(world.processes))
            step = setting.perform(world, program, watched)
            after = normal(step.world, setting.release.design)
            if not setting.inside(after):
                cut += 1
                continue
            tried[move[0]] += 1
            effective[move[0]] += after != world
            if step.broken - found.keys():
                blame(step.broken, (*path(at), move))
            if after not in number:
                number[after] = len(worlds)
                worlds.append(after)
                parents.append((at, move))
                depths.append(depths[at] + 1)
                if broken := judge(setting, after, watched) - found.keys():
                    blame(broken, path(number[after]))
        at += 1
    complete = at == len(worlds)
    return Found(
        states=len(worlds),
        transitions=sum(tried),
        cut=cut,
        depth=depths[-1],
        complete=complete,
        counterexamples=found,
        coverage=coverage(
            setting.ordered, [action.group for action in setting.actions], tried, effective
        ),
        why="" if complete else f"programs of more than {deepest} steps were not tried",
        cost=Cost(sum(tried) + cut, len(worlds), time.perf_counter() - began),
    )


def judge(setting: Setting, world: World, watched: frozenset[str]) -> frozenset[str]:
    """Watched properties of states that are broken in `world`."""
    return watched & {violation.property for violation in judge_state(setting.kernel, world)}
