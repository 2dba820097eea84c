"""Replaying recorded traces on the model and reporting where they agree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs

from pfntrack.errors import InputFormatError, ModelError
from pfntrack.mm.calls.fault import HANG
from pfntrack.releases.kernel import Kernel
from pfntrack.releases.release import Release
from pfntrack.releases.resolve import release_for
from pfntrack.traces.compare import Difference, compare_step
from pfntrack.traces.load import ForeignFileError, Json, Trace, load_trace
from pfntrack.traces.machine import machine_of, world_of
from pfntrack.traces.observe import Observer
from pfntrack.traces.programs import translate

# What a trace cannot show, whatever the model says.
LIMITS = (
    "process ids in log lines are not recorded apart from the line itself: masked",
    "physical addresses of allocated RAM differ from boot to boot: compared by length",
    "entries with PROT_NONE are not recorded: left out on both sides",
    "tracking contexts are recorded by address, which is used again: numbered within each step",
    "a WARN is compared by file and call chain; line numbers and folded functions differ by build",
    "after a kernel BUG the task keeps its locks and cannot be observed: that step is compared by "
    "the BUG alone, and the rest of the scenario is passed over",
    "whether the kernel has joined alike neighbours of ordinary memory is not modelled: compared "
    "as one",
    "MTRRs, the RAM map and unnamed BARs are not recorded: taken from the kind of machine, "
    "the address of an unnamed BAR from the first step that shows it",
)


@attrs.frozen
class StepReport:
    """One step: its differences, or why it could not be compared.

    `limit` names a documented limit of the recording; such a step agrees.
    """

    number: int
    op: str
    differences: tuple[Difference, ...] = ()
    not_comparable: str = ""
    limit: str = ""

    @property
    def agrees(self) -> bool:
        return not self.differences and not self.not_comparable


@attrs.frozen
class ScenarioReport:
    """One trace file."""

    name: str
    path: str
    steps: tuple[StepReport, ...]

    @property
    def agrees(self) -> bool:
        return all(step.agrees for step in self.steps)


@attrs.frozen
class KernelReport:
    """All traces of one kernel series, and the release that modelled it.

    `note` says why it is that release, where the series has none of its own.
    """

    series: str
    release: str
    scenarios: tuple[ScenarioReport, ...]
    note: str = ""

    @property
    def steps(self) -> list[StepReport]:
        return [step for scenario in self.scenarios for step in scenario.steps]

    @property
    def agrees(self) -> bool:
        return all(scenario.agrees for scenario in self.scenarios)


def trace_files(directory: Path) -> list[Path]:
    """All JSON files below `directory`, sorted."""
    if directory.is_file():
        return [directory]
    if not directory.is_dir():
        raise InputFormatError(f"{directory}: expected a directory of traces")
    found = sorted(path for path in directory.rglob("*.json") if path.is_file())
    if not found:
        raise InputFormatError(f"{directory}: no trace in it: expected *.json files of format 1")
    return found


def conform(
    directory: Path,
    kernel: str | None = None,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
    passed: Callable[[str], None] = lambda _why: None,
) -> list[KernelReport]:
    """Replay every trace below `directory`; one report per kernel series.

    A file of a directory that is no trace is passed over, and `passed` is told which
    and why. Raises InputFormatError for a damaged trace, a single file that is none,
    if there is no trace at all, and if `kernel` names a series that no trace is of.
    """
    if kernel is not None:
        release_for(kernel)
    by_series: dict[str, list[ScenarioReport]] = {}
    files = trace_files(directory)
    traces = 0
    for number, path in enumerate(files):
        progress(number, len(files))
        try:
            trace = load_trace(path)
        except ForeignFileError as error:
            if path == directory:
                raise
            passed(str(error))
            continue
        traces += 1
        if kernel is None or trace.series == kernel:
            report = replay(trace, _release(trace))
            by_series.setdefault(trace.series, []).append(report)
    if not traces:
        raise InputFormatError(f"{directory}: no trace in it: expected files of format 1")
    if kernel is not None and not by_series:
        raise InputFormatError(f"{directory}: no trace of kernel {kernel}")
    return [
        KernelReport(series, release.name, tuple(by_series[series]), release.note)
        for series in sorted(by_series, key=_version)
        for release in (release_for(series),)
    ]


def _release(trace: Trace) -> Release:
    try:
        return release_for(trace.series)
    except InputFormatError as error:
        raise InputFormatError(f"{trace.path}: kernel.series: {error}") from None


def _version(series: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", series))


def replay(trace: Trace, release: Release) -> ScenarioReport:
    """Run one trace's operations on the model and compare after every step."""
    machine = machine_of(trace)
    kernel = Kernel(release, machine)
    observer = Observer(release, machine)
    world = world_of(trace, machine)
    reports: list[StepReport] = []
    for number, step in enumerate(trace.steps):
        shown = _shown(step)
        where = f"{trace.path}: steps[{number}]"
        try:
            outcome = kernel.perform(world, translate(step["op"], where))
        except ModelError as error:
            reports.append(StepReport(number, shown, not_comparable=str(error)))
            continue
        world = outcome.world
        if outcome.result.signal == HANG.signal and _bug_recorded(step):
            reports.append(StepReport(number, shown, limit="kernel BUG"))
            rest = trace.steps[number + 1 :]
            reports += [
                StepReport(number + more, _shown(each), limit="after a kernel BUG")
                for more, each in enumerate(rest, 1)
            ]
            return ScenarioReport(trace.name, trace.path, tuple(reports))
        differences = compare_step(
            observer, world, outcome.result, outcome.events, trace.baseline, step
        )
        reports.append(StepReport(number, shown, tuple(differences)))
    leaked = observer.memtype(world, trace.baseline)[0]
    if reports and leaked != trace.end.get("leaked", leaked) and not world.processes:
        last = reports[-1]
        more = Difference("end.leaked", leaked, trace.end["leaked"])
        reports[-1] = attrs.evolve(last, differences=(*last.differences, more))
    return ScenarioReport(trace.name, trace.path, tuple(reports))


def _shown(step: Json) -> str:
    return " ".join(f"{key}={value}" for key, value in step["op"].items())


def _bug_recorded(step: Json) -> bool:
    """What never comes back shows as an oops, or as a task or guest that does not answer."""
    oops = any(each.get("ev") == "oops" for each in step["events"])
    return oops or step["result"].get("signal") in ("HANG", "LOST")


def disagreeing(reports: Iterable[KernelReport]) -> list[StepReport]:
    """All steps that do not agree."""
    return [step for report in reports for step in report.steps if not step.agrees]
