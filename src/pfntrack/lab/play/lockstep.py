"""The model beside a guest: the same start, the same operation, the same sight.

A guest's machine and its reservations after boot make the model's first
state; from there each recorded step is compared with what the model did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from pfntrack.errors import ModelError, NoSuchProcessError
from pfntrack.lab.guests.guest import Guest
from pfntrack.mm.calls.fault import HANG
from pfntrack.mm.ops import Op, Result
from pfntrack.pat.events import Event
from pfntrack.pat.physical import Machine
from pfntrack.releases import Kernel, Release, World
from pfntrack.traces.compare import Difference, compare_step
from pfntrack.traces.conform import ScenarioReport, StepReport
from pfntrack.traces.load import Trace
from pfntrack.traces.machine import machine_of, world_of
from pfntrack.traces.observe import Observer
from pfntrack.traces.programs import translate

Json = dict[str, Any]
NOPAT = "nopat"


@attrs.frozen(slots=True)
class Done:
    """What the model did at one step."""

    op: Op
    world: World
    result: Result
    events: tuple[Event, ...]

    @property
    def bug(self) -> bool:
        """Does the task never come back from it? It dies in the kernel, or faults for ever."""
        return self.result.signal == HANG.signal


@attrs.frozen(slots=True)
class Setting:
    """A machine and the state in which programs on it begin."""

    machine: Machine
    start: World
    baseline: list[list[Any]]

    def kernel(self, release: Release) -> Kernel:
        """A release on this machine."""
        return Kernel(release, self.machine)


def setting(trace: Mapping[str, Any], name: str = "trace") -> Setting:
    """The setting that a trace was recorded in."""
    series = str(trace["kernel"]["series"])
    known = Trace(
        name, series, name, trace["machine"], trace["baseline"], trace["steps"], trace["end"]
    )
    machine = machine_of(known)
    if NOPAT in str(trace["kernel"].get("append", "")).split():
        machine = attrs.evolve(machine, pat=None)
    world = world_of(known, machine)
    return Setting(machine, world if world.processes else world.start("A"), known.baseline)


def guest_setting(guest: Guest) -> Setting:
    """The setting of programs on a guest."""
    return setting(
        {
            "kernel": {"series": guest.files.series, "append": guest.append},
            "machine": {
                "bars": {bar.window.name: bar.as_json() for bar in guest.bars},
                "qemu": guest.machine_arguments,
            },
            "baseline": guest.baseline,
            "steps": [],
            "end": {},
        }
    )


def perform(kernel: Kernel, world: World, op: Op) -> Done:
    """One step of the model.

    A process whose fork failed on this release can do nothing: ESRCH, as the
    guest says.

    Raises ModelError: no program could do this here.
    """
    try:
        outcome = kernel.perform(world, op)
    except NoSuchProcessError:
        return Done(op, world, Result(-1, "ESRCH"), ())
    return Done(op, outcome.world, outcome.result, outcome.events)


def differences(
    where: Setting, release: Release, done: Done, step: Mapping[str, Any]
) -> list[Difference]:
    """How a recorded step differs from the model's."""
    observer = Observer(release, where.machine)
    return compare_step(observer, done.world, done.result, done.events, where.baseline, dict(step))


def _bug_recorded(step: Mapping[str, Any]) -> bool:
    oops = any(each.get("ev") == "oops" for each in step["events"])
    return oops or step["result"].get("signal") in ("HANG", "LOST")


def replay(trace: Mapping[str, Any], release: Release, path: str = "") -> ScenarioReport:
    """A trace against a release of the model, step by step."""
    name = str(trace["scenario"]["name"])
    where = setting(trace, path or name)
    kernel, world = where.kernel(release), where.start
    reports: list[StepReport] = []
    for number, step in enumerate(trace["steps"]):
        shown = " ".join(f"{key}={value}" for key, value in step["op"].items())
        try:
            done = perform(kernel, world, translate(step["op"], f"{name}: steps[{number}]"))
        except ModelError as error:
            reports.append(StepReport(number, shown, not_comparable=str(error)))
            continue
        world = done.world
        if done.bug and _bug_recorded(step):
            left = range(number, len(trace["steps"]))
            reports += [StepReport(each, shown, limit="kernel BUG") for each in left]
            return ScenarioReport(name, path, tuple(reports))
        found = differences(where, release, done, step)
        reports.append(StepReport(number, shown, tuple(found)))
    return ScenarioReport(name, path, _with_end(reports, trace, where, release, world))


def _with_end(
    reports: Sequence[StepReport],
    trace: Mapping[str, Any],
    where: Setting,
    release: Release,
    world: World,
) -> tuple[StepReport, ...]:
    """The reports, the last one also about what is left when everybody has gone."""
    leaked = Observer(release, where.machine).memtype(world, where.baseline)[0]
    recorded = trace["end"].get("leaked", leaked)
    if not reports or leaked == recorded or world.processes:
        return tuple(reports)
    more = Difference("end.leaked", leaked, recorded)
    last = attrs.evolve(reports[-1], differences=(*reports[-1].differences, more))
    return (*reports[:-1], last)
