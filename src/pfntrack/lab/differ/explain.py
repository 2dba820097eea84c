"""What stands behind a kind of difference: designs that do what each side did, and properties.

The shortest program of the kind is recorded on both sides and replayed on the model with
every design; the properties are those that break in the model of the design that explains.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from pfntrack.check.run import run_scenario
from pfntrack.designs import DESIGNS
from pfntrack.errors import PfntrackError
from pfntrack.lab.differ.campaign import Group, Outcome
from pfntrack.lab.differ.sides import Side
from pfntrack.lab.play.conform import outcomes
from pfntrack.lab.play.lockstep import replay
from pfntrack.lab.play.programs import Plan
from pfntrack.lab.random.corpus import as_scenario
from pfntrack.releases import Release
from pfntrack.scenario import Scenario, format_scenario

_MAX_NAMES = 3


@attrs.frozen(slots=True)
class Explained:
    """A group, the designs that do what each side did, and what B breaks or mends.

    ``own`` says of each side whether the release it is modelled as is among those.
    """

    group: Group
    text: str
    designs: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    own: tuple[bool, bool] = (False, False)
    breaks: tuple[str, ...] = ()
    mends: tuple[str, ...] = ()


def explain(outcome: Outcome, groups: Sequence[Group]) -> list[Explained]:
    """Each group explained.

    Raises GuestError: a guest cannot be prepared or does not boot.
    """
    plans = [_plan(group, number) for number, group in enumerate(groups, 1)]
    sides = (outcome.one, outcome.other)
    agreeing = [_agreeing(side, plans) for side in sides]
    found = []
    for group, plan in zip(groups, plans, strict=True):
        name = plan.scenario.name
        names = [agree.get(name, ()) for agree in agreeing]
        broken = [_broken(plan.scenario, side, who) for side, who in zip(sides, names, strict=True)]
        both = broken[0] is not None and broken[1] is not None
        a, b = (each or frozenset() for each in broken)
        found.append(
            Explained(
                group,
                format_scenario(attrs.evolve(plan.scenario, name=name)),
                (names[0][:_MAX_NAMES], names[1][:_MAX_NAMES]),
                tuple(
                    side.release.design.name in who for side, who in zip(sides, names, strict=True)
                ),  # type: ignore[arg-type]
                tuple(sorted(b - a)) if both else (),
                tuple(sorted(a - b)) if both else (),
            )
        )
    return found


def _is_own(side: Side, names: Sequence[str]) -> bool:
    return side.release.design.name in names


def _plan(group: Group, number: int) -> Plan:
    scenario = as_scenario(f"difference-{number}", group.program, str(group.kind))
    base = group.plan.scenario if group.plan is not None else None
    if base is not None:
        scenario = attrs.evolve(scenario, machine=base.machine, tags=base.tags)
    append = group.plan.append if group.plan is not None else ""
    return Plan(scenario, group.program, append)


def _agreeing(side: Side, plans: Sequence[Plan]) -> dict[str, tuple[str, ...]]:
    """For each program the designs that do all that the side did; its own comes first."""
    if side.kernel is None:
        return {plan.scenario.name: (side.release.design.name,) for plan in plans}
    found = {}
    for each in outcomes(side.kernel, plans):
        if each.trace is None:
            continue
        names = [side.release.design.name, *DESIGNS]
        agree = []
        for name in dict.fromkeys(names):
            design = side.release.design if name == names[0] else DESIGNS[name]
            try:
                report = replay(each.trace, attrs.evolve(side.release, design=design))
            except PfntrackError:
                continue
            if report.agrees:
                agree.append(name)
        found[str(each.program["name"])] = tuple(agree)
    return found


def _broken(scenario: Scenario, side: Side, names: Sequence[str]) -> frozenset[str] | None:
    """What breaks in the model of the design that explains; None if none does."""
    if not names:
        return None
    own = side.release.design
    design = own if names[0] == own.name else DESIGNS[names[0]]
    release: Release = attrs.evolve(side.release, design=design)
    try:
        return frozenset(run_scenario(scenario, release).broken)
    except PfntrackError:
        return None
