"""Does the model agree with a kernel?  Scenarios are played and compared step by step."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from pfntrack.designs import DESIGNS
from pfntrack.errors import InputFormatError, PfntrackError
from pfntrack.lab.images.config import DEV_MEM, DRIVER, VFIO
from pfntrack.lab.images.kernels import Kernel
from pfntrack.lab.observe.traces import read_programs
from pfntrack.lab.play.lockstep import replay
from pfntrack.lab.play.ops import needs_module
from pfntrack.lab.play.programs import Plan, plan
from pfntrack.lab.play.record import Outcome, record
from pfntrack.lab.play.recorder import needs_vfio
from pfntrack.releases import RELEASES, Release, release_with
from pfntrack.scenario import Scenario, Step, find, library, load
from pfntrack.scenario.loader import SUFFIX
from pfntrack.traces.conform import KernelReport, ScenarioReport, StepReport
from pfntrack.traces.programs import translate

LIBRARY = "library"


@attrs.frozen(slots=True)
class Verdict:
    """How one scenario came out: its report, or why there is none.

    ``skipped`` says why no guest can play it, ``lost`` what happened to the
    guest, ``explained`` which other releases or designs do what the kernel did
    where the model first differs.
    """

    name: str
    report: ScenarioReport | None = None
    skipped: str = ""
    lost: str = ""
    explained: tuple[str, ...] = ()
    trace: Mapping[str, Any] | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def first(self) -> StepReport | None:
        """The first step that does not agree."""
        steps = self.report.steps if self.report else ()
        return next((step for step in steps if not step.agrees), None)

    @property
    def agrees(self) -> bool:
        """Was everything compared, and equal?"""
        return self.report is not None and self.report.agrees


def gather(names: Sequence[str]) -> list[Plan]:
    """Plans of scenarios (files, names), programs and traces; of the library without a name.

    Raises InputFormatError or ScenarioError: a file is none of these.
    """
    plans: list[Plan] = []
    for name in names or (LIBRARY,):
        if name == LIBRARY:
            plans += [plan(load(file)) for file in library().values()]
        elif name.endswith(".json"):
            plans += [_from_program(program, name) for program in read_programs(Path(name))]
        elif Path(name).is_dir():
            plans += [plan(load(file)) for file in sorted(Path(name).glob(f"*{SUFFIX}"))]
        else:
            plans.append(plan(find(name)))
    known = [each.scenario.name for each in plans]
    if doubled := sorted({name for name in known if known.count(name) > 1}):
        raise InputFormatError(f"more than one scenario is called {doubled[0]}")
    return plans


def _from_program(program: Mapping[str, Any], where: str) -> Plan:
    name = str(program["name"])
    steps = tuple(translate(op, f"{where}: {name}") for op in program["steps"])
    scenario = Scenario(name, str(program.get("about", "")), tuple(program.get("tags", ())))
    return Plan(attrs.evolve(scenario, steps=tuple(Step(op) for op in steps)), steps)


def fitting(kernel: Kernel, plans: Sequence[Plan]) -> list[Plan]:
    """The plans; those that need what the kernel lacks say so in their reasons."""
    lost = {lack.need.what: str(lack) for lack in kernel.lacks}
    lost = {what: why for what, why in lost.items() if what in (VFIO, DEV_MEM, DRIVER)}
    if not kernel.has_driver:
        lost.setdefault(DRIVER, "there is no driver module for this kernel")
    return [
        # What no guest can play need not be said in its words.
        each
        if each.reasons
        else attrs.evolve(each, reasons=tuple(lost[what] for what in _uses(each) if what in lost))
        for each in plans
    ]


def _uses(each: Plan) -> Iterator[str]:
    """What a program needs of the kernel beyond the essential."""
    steps = each.program["steps"]
    if needs_vfio(each.program):
        yield VFIO
    if any(op["op"] == "open" and op.get("target") == "devmem" for op in steps):
        yield DEV_MEM
    if any(needs_module(op) for op in steps):
        yield DRIVER


def outcomes(kernel: Kernel, plans: Sequence[Plan], *, jobs: int = 1) -> Iterator[Outcome]:
    """Record what can be played; scenarios with a boot option of their own get their own guest.

    Raises GuestError: the kernel cannot be prepared or does not boot.
    """
    playable = [each for each in plans if not each.reasons]
    for append, group in itertools.groupby(
        sorted(playable, key=lambda each: each.append), key=lambda each: each.append
    ):
        programs = [each.program for each in group]
        yield from record(kernel, programs, jobs=jobs, append=append)


def conform(
    kernel: Kernel, plans: Sequence[Plan], release: Release, *, jobs: int = 1
) -> Iterator[Verdict]:
    """Play scenarios on a kernel and compare each with a release of the model.

    Raises GuestError: the kernel cannot be prepared or does not boot.
    """
    for each in plans:
        if each.reasons:
            yield Verdict(each.scenario.name, skipped="; ".join(each.reasons))
    for outcome in outcomes(kernel, plans, jobs=jobs):
        yield judge(outcome, release)


def judge(outcome: Outcome, release: Release) -> Verdict:
    """One outcome against the model."""
    name = str(outcome.program["name"])
    if outcome.trace is None:
        return Verdict(name, lost=outcome.error)
    report = replay(outcome.trace, release)
    verdict = Verdict(name, report, trace=outcome.trace)
    if (first := verdict.first) is None:
        # A kernel that dies as the model says is no loss.
        return verdict
    return attrs.evolve(verdict, explained=tuple(explain(outcome.trace, first.number, release)))


def explain(trace: Mapping[str, Any], number: int, release: Release) -> Iterator[str]:
    """Other releases, then other designs, that agree with the trace up to step ``number``."""
    for name in (*RELEASES, *DESIGNS):
        other = RELEASES.get(name) or release_with(name)
        if other in (release, *(RELEASES.values() if name in DESIGNS else ())):
            continue
        try:
            steps = replay(trace, other).steps
        except PfntrackError:
            continue
        if all(step.agrees for step in steps[: number + 1]):
            yield name


def kernel_report(series: str, release: Release, verdicts: Sequence[Verdict]) -> KernelReport:
    """The verdicts as the report that recorded traces get, too."""
    reports = [each.report for each in verdicts if each.report is not None]
    ordered = tuple(sorted(reports, key=lambda each: each.name))
    return KernelReport(series, release.name, ordered, release.note)
