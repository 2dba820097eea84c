"""Races of scenarios: where a scenario overlaps operations, and schedules as scenarios."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from pfntrack.check.race.found import Finding, Race, race
from pfntrack.check.run import first_world
from pfntrack.errors import ModelError, NoSuchProcessError, ScenarioError
from pfntrack.mm import ops
from pfntrack.mm.overlap import Overlap
from pfntrack.releases.kernel import Kernel
from pfntrack.releases.release import Release
from pfntrack.releases.world import World
from pfntrack.scenario.model import Scenario, Step


@attrs.frozen
class Raced:
    """One overlap of a scenario under one release: the number of its step, and what was found."""

    scenario: Scenario
    release: Release
    number: int
    race: Race


def race_scenario(scenario: Scenario, release: Release, *, limit: int = 100_000) -> list[Raced]:
    """All overlaps of a scenario, each with the steps before it as they are written.

    Raises ScenarioError: no two operations overlap, or a step cannot be done.
    """
    if not any(isinstance(step.op, Overlap) for step in scenario.steps):
        raise ScenarioError(f"{scenario.name}: no operations overlap; join two with ||")
    kernel = Kernel(release, scenario.machine.machine(), explain=False)
    world, found = first_world(scenario.machine), []
    for number, step in enumerate(scenario.steps, 1):
        try:
            if isinstance(step.op, Overlap):
                rest = [each.op for each in scenario.steps[number:]]
                made = race(kernel, world, step.op, rest, limit=limit)
                found.append(Raced(scenario, release, number, made))
            world = _next(kernel, world, step.op)
        except ModelError as error:
            where = f"{scenario.name}: line {step.line}" if step.line else scenario.name
            raise ScenarioError(f"{where}: {error}") from error
    return found


def _next(kernel: Kernel, world: World, op: ops.Op) -> World:
    try:
        return kernel.perform(world, op).world
    except NoSuchProcessError:
        return world  # its fork failed on this release


def turns(schedule: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """A list of calls as turns of several parts each."""
    found: list[tuple[int, int]] = []
    for call in schedule:
        if found and found[-1][0] == call:
            found[-1] = call, found[-1][1] + 1
        else:
            found.append((call, 1))
    return tuple(found)


def shortened(finding: Finding) -> tuple[tuple[int, int], ...]:
    """The turns of a finding; what only finishes the calls, left one first, is left out."""
    whole = turns(finding.whole)
    while whole and len(whole) > 1 and whole[-1][0] == 1 and _decided(finding, whole[:-1]):
        whole = whole[:-1]
    last = whole[-1]
    return (*whole[:-1], (last[0], 0))


def _decided(finding: Finding, turns_: tuple[tuple[int, int], ...]) -> bool:
    return sum(parts for _, parts in turns_) >= len(finding.schedule)


def as_scenario(raced: Raced, finding: Finding) -> Scenario:
    """The scenario with the schedule that shows a finding, without its claims."""
    steps = []
    for number, step in enumerate(raced.scenario.steps, 1):
        op = step.op
        if number == raced.number and isinstance(op, Overlap):
            op = attrs.evolve(op, schedule=shortened(finding))
        steps.append(Step(op))
    name = f"{raced.scenario.name}-{finding.property}".lower()
    about = f"{finding.property} on {raced.release.title}: {finding.violation.reason}"
    return attrs.evolve(raced.scenario, name=name, about=about, steps=tuple(steps), final=())
