"""Plain breadth-first search over whole worlds: slow, and obviously right.

Every transition performs the operations on the whole world, and every new
state is judged as a whole. The fast search must agree with this one.
"""

from __future__ import annotations

from collections import Counter

from pfntrack.check.normal import normal
from pfntrack.check.properties import PROPERTIES, judge_state
from pfntrack.check.report import Counterexample, Coverage, Found, Move
from pfntrack.check.setting import Setting
from pfntrack.releases import World


def explore(
    setting: Setting,
    watched: frozenset[str] = frozenset(PROPERTIES),
    *,
    stop: bool = False,
    most: int | None = None,
) -> Found:
    """Search all states; with `stop`, until a watched property breaks.

    `most` limits the number of states. The counterexample of each property is
    the first in breadth-first order: the shortest, ties broken by the order
    of actions.
    """
    start = setting.start
    number = {start: 0}
    worlds = [start]
    parents: list[tuple[int, Move]] = [(-1, (0, 0))]
    depths = [0]
    found: dict[str, Counterexample] = {}
    tried: Counter[str] = Counter()
    effective: Counter[str] = Counter()
    transitions = cut = 0

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
    while at < len(worlds) and not (stop and found) and (most is None or len(worlds) < most):
        world = worlds[at]
        for move in setting.moves(world):
            action = setting.actions[move[0]]
            program = action.by(move[1], len(world.processes))
            step = setting.perform(world, program, watched)
            after = normal(step.world, setting.release.design)
            if not setting.inside(after):
                cut += 1
                continue
            transitions += 1
            tried[action.group] += 1
            effective[action.group] += after != world
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
    return Found(
        states=len(worlds),
        transitions=transitions,
        cut=cut,
        depth=depths[-1],
        evaluations=transitions + cut,
        complete=at == len(worlds),
        counterexamples=found,
        coverage={g: Coverage(tried[g], effective[g]) for g in setting.ordered},
    )


def judge(setting: Setting, world: World, watched: frozenset[str]) -> frozenset[str]:
    """Watched properties of states that are broken in `world`."""
    return watched & {violation.property for violation in judge_state(setting.kernel, world)}
