"""The library and random programs on both sides, and every kind of difference, shrunk.

A difference ends its program, but not the campaign: later programs go on. Each kind is kept
with the shortest program that shows it.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from pfntrack.errors import GuestError, InputFormatError
from pfntrack.lab.differ.kinds import Found, Kind, first_difference
from pfntrack.lab.differ.sides import ModelPlayer, Side
from pfntrack.lab.images.build import boot_files
from pfntrack.lab.play.conform import fitting, outcomes
from pfntrack.lab.play.lockstep import Setting, setting
from pfntrack.lab.play.player import GuestPlayer, Player
from pfntrack.lab.play.programs import Plan
from pfntrack.lab.random.generate import Maker
from pfntrack.lab.random.shrink import shrink
from pfntrack.lab.random.walk import Walk, follow
from pfntrack.mm import ops
from pfntrack.mm.ops import Op

_LENGTHS = (30, 60, 110)
_TRIES = 80
Trace = Mapping[str, Any]
Steps = list[Mapping[str, Any]]
Tell = Callable[[str], None]


@attrs.define(slots=True)
class Group:
    """One kind: the shortest program that shows it, and in how many programs it was met."""

    kind: Kind
    found: Found
    program: tuple[Op, ...]
    plan: Plan | None = None
    scenarios: list[str] = attrs.field(factory=list)
    random: int = 0

    @property
    def count(self) -> int:
        """In how many programs it was met."""
        return len(self.scenarios) + self.random


@attrs.define(slots=True)
class Outcome:
    """A whole comparison: what was played, and the kinds of difference."""

    one: Side
    other: Side
    scenarios: int = 0
    skipped: dict[str, str] = attrs.field(factory=dict)
    programs: int = 0
    steps: int = 0
    groups: dict[Kind, Group] = attrs.field(factory=dict)

    def add(self, program: Sequence[Op], found: Found, plan: Plan | None = None) -> bool:
        """Count a difference; True if it is the first of its kind."""
        short = tuple(program[: found.number + 1])
        group = self.groups.get(found.kind)
        new = group is None
        if group is None:
            group = self.groups[found.kind] = Group(found.kind, found, short, plan)
        elif len(short) < len(group.program):
            group.found, group.program, group.plan = found, short, plan
        if plan is not None:
            group.scenarios.append(plan.scenario.name)
        else:
            group.random += 1
        return new


# -------------------------------------------------------------------- library


def play_library(outcome: Outcome, plans: Sequence[Plan], jobs: int, tell: Tell) -> None:
    """Every scenario that both sides can play.

    Raises GuestError: a guest cannot be prepared or does not boot.
    """
    for side in (outcome.one, outcome.other):
        if side.kernel is not None:
            plans = fitting(side.kernel, plans)
    outcome.skipped |= {p.scenario.name: "; ".join(p.reasons) for p in plans if p.reasons}
    playable = {each.scenario.name: each for each in plans if not each.reasons}
    first, second = traces(outcome, list(playable.values()), jobs, tell)
    for name, plan in playable.items():
        one, other = first.get(name), second.get(name)
        if one is None or other is None:
            continue
        outcome.scenarios += 1
        outcome.steps += len(plan.steps)
        if found := first_difference(plan.steps, one, other):
            outcome.add(plan.steps, found, plan)


def traces(
    outcome: Outcome, plans: Sequence[Plan], jobs: int, tell: Tell
) -> tuple[dict[str, Steps], dict[str, Steps]]:
    """The recorded steps of both sides, by the plans' names.

    Raises GuestError: a guest cannot be prepared or does not boot.
    Raises InputFormatError: neither side is a kernel.
    """
    whole = {
        side.name: _recorded(side, plans, jobs, tell)
        for side in (outcome.one, outcome.other)
        if side.kernel is not None
    }
    if not whole:
        raise InputFormatError("neither side is a kernel: 'pfntrack compare' compares models")
    known = next(iter(whole.values()))
    found = []
    for side in (outcome.one, outcome.other):
        if side.kernel is not None:
            found.append({name: list(trace["steps"]) for name, trace in whole[side.name].items()})
        else:
            steps = {plan.scenario.name: plan.steps for plan in plans}
            found.append({n: _by_model(side, t, steps[n]) for n, t in known.items()})
    return found[0], found[1]


def _recorded(side: Side, plans: Sequence[Plan], jobs: int, tell: Tell) -> dict[str, Trace]:
    assert side.kernel is not None  # noqa: S101 - asked for kernels only
    found: dict[str, Trace] = {}
    for number, each in enumerate(outcomes(side.kernel, plans, jobs=jobs), 1):
        tell(f"{side.name}: {number}/{len(plans)} scenarios")
        if each.trace is not None:
            found[str(each.program["name"])] = each.trace
    tell("")
    return found


def _by_model(side: Side, trace: Trace, steps: Sequence[Op]) -> Steps:
    return list(ModelPlayer(side.release, setting(trace)).play(steps))


# --------------------------------------------------------------------- random


def play_random(outcome: Outcome, steps: int, seed: int, tell: Tell) -> None:
    """Random programs until so many steps were played on both sides.

    Raises GuestError: a guest cannot be prepared or does not boot.
    """
    with contextlib.ExitStack() as stack:
        pair = _Pair(outcome, *_players(outcome, stack))
        done = 0
        while done < steps:
            walk = pair.draw(seed, outcome.programs)
            outcome.programs += 1
            if walk is None or not walk.steps:
                continue
            played, found = pair.play(walk)
            done += played
            outcome.steps += played
            tell(
                f"{done}/{steps} steps in {outcome.programs} programs, "
                f"{len(outcome.groups)} kinds of difference"
            )
            if found is not None and outcome.add(walk.steps, found):
                pair.shrink(found)
        tell("")


def _players(outcome: Outcome, stack: contextlib.ExitStack) -> tuple[Player, Player]:
    made: list[Player | None] = []
    for side in (outcome.one, outcome.other):
        if side.kernel is None:
            made.append(None)
        else:
            made.append(stack.enter_context(GuestPlayer(boot_files(side.kernel))))
    where = next(player.setting for player in made if player is not None)
    one, other = (
        player or ModelPlayer(side.release, where)
        for side, player in zip((outcome.one, outcome.other), made, strict=True)
    )
    return one, other


@attrs.define(slots=True)
class _Pair:
    """Both players, and whether they are as they were after boot."""

    outcome: Outcome
    one: Player
    other: Player
    _fresh: bool = False

    @property
    def _setting(self) -> Setting:
        return self.one.setting

    def _ready(self) -> None:
        if not self._fresh:
            self.one.fresh()
            self.other.fresh()
            self._fresh = True

    def draw(self, seed: int, number: int) -> Walk | None:
        """A program that both models find legal, as far as they do."""
        rng = random.Random(f"differ/{seed}/{number}")  # noqa: S311 - not for secrets
        self._ready()
        where = self._setting
        walk = Walk(where.kernel(self.outcome.one.release), where.start)
        Maker(rng, walk).extend(rng.choice(_LENGTHS))
        return self._legal(walk.steps)

    def _legal(self, steps: Sequence[Op]) -> Walk | None:
        """The program up to where one of the models refuses it (a kernel BUG, say)."""
        where = self._setting
        walks = []
        for side in (self.outcome.one, self.outcome.other):
            walk = Walk(where.kernel(side.release), where.start)
            for op in steps:
                # A failing function of one kernel need not exist in the other.
                if (isinstance(op, ops.Fail) and self._differ) or not walk.step(op):
                    break
            walks.append(walk)
        shorter = min(walks, key=lambda walk: len(walk.done))
        return follow(where.kernel(self.outcome.one.release), where.start, shorter.steps)

    @property
    def _differ(self) -> bool:
        one, other = self.outcome.one.release, self.outcome.other.release
        return one.design != other.design

    def play(self, walk: Walk) -> tuple[int, Found | None]:
        """Play on both: how many steps were compared, and the first difference."""
        self._ready()
        a, lost_a = _played(self.one, walk.steps)
        b, lost_b = _played(self.other, walk.steps)
        found = first_difference(walk.steps, a, b)
        start, end = self._setting.start.phys, walk.world.phys
        left = attrs.evolve(end, written=start.written) != start or walk.world.processes
        self._fresh = found is None and not left and not lost_a and not lost_b
        return (found.number + 1 if found else len(walk.steps)), found

    def shrink(self, first: Found) -> None:
        """A shorter program of the same kind, into the outcome."""
        group = self.outcome.groups[first.kind]

        def shows(steps: Sequence[Op]) -> int | None:
            walk = self._legal(steps)
            if walk is None or len(walk.steps) < len(steps):
                return None
            _, found = self.play(walk)
            if found is None or found.kind != first.kind:
                return None
            if found.number + 1 < len(group.program) or group.program == tuple(steps):
                group.found, group.program = found, tuple(steps[: found.number + 1])
            return found.number + 1

        shrink(group.program, shows, tries=_TRIES)


def _played(player: Player, steps: Sequence[Op]) -> tuple[Steps, bool]:
    """The steps that came back, and whether the guest was lost before the end."""
    found: Steps = []
    recorded = player.play(steps)
    try:
        found.extend(recorded)
    except GuestError:
        return found, True
    return found, False


def kinds(outcome: Outcome) -> list[Group]:
    """What differs; what shows at the same operation stands together, the most frequent first."""
    groups = list(outcome.groups.values())
    met: dict[str, int] = {}
    for group in groups:
        met[group.kind.at] = met.get(group.kind.at, 0) + group.count
    order = {at: rank for rank, at in enumerate(sorted(met, key=lambda at: (-met[at], at)))}
    return sorted(groups, key=lambda g: (order[g.kind.at], -g.count, str(g.kind)))
