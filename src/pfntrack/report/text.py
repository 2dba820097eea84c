"""Runs and comparisons as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pfntrack.check.judged.properties import PROPERTIES, Violation
from pfntrack.check.run import Run, StepRun
from pfntrack.mm.ops import Result
from pfntrack.pat.events import Added, Event, Freed, Note, Overlap
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases import Release
from pfntrack.report.changes import changes
from pfntrack.state import Reservation, State

WIDTH = 64
# Lines that a kernel prints only if booted with `debugpat`.
DEBUGPAT = (Added, Freed, Overlap)


def result_word(result: Result) -> str:
    """`ok`, an errno name, a signal, and what else the result carries."""
    if result.signal:
        return "never returns" if result.signal == "HANG" else f"SIG{result.signal}"
    if result.ret < 0:
        return result.err
    if result.value is not None:
        return f"ok, loads {result.value:#x}"
    if result.fired is not None:
        return f"ok, struck {result.fired} times"
    return "ok"


def place(state: State, violation: Violation) -> str:
    """Where a property broke, by window if possible."""
    if violation.first == violation.end:
        return ""
    start, end = violation.first << PAGE_SHIFT, violation.end << PAGE_SHIFT
    for window in state.windows:
        if window.start <= start and end <= window.end:
            first = (start - window.start) >> PAGE_SHIFT
            return f"{window.name}[{first},{first + violation.end - violation.first}): "
    return f"pfns [{violation.first:#x},{violation.end:#x}): "


def notes(releases: Iterable[Release]) -> list[str]:
    """First lines: which kernels were asked for and are not those that are modelled."""
    return [release.note for release in releases if release.note]


def run_text(run: Run) -> str:
    """The whole run, step by step."""
    scenario = run.scenario
    release = run.release
    lines = [*notes([release]), f"{scenario.name} on {release.title} ({release.design.name})"]
    if scenario.about:
        lines.append(scenario.about)
    lines.append("")
    state = run.start
    for step in run.steps:
        lines += _step(state, step)
        state = step.state
    lines += ["", *_ending(run)]
    return "\n".join(lines) + "\n"


def _step(before: State, step: StepRun) -> Iterator[str]:
    head = f"{step.number:3}. {step.text} "
    yield f"{head:.<{WIDTH}} {result_word(step.result)}"
    for kind, line in changes(before, step.state):
        yield f"       {kind + ':':<14} {line}"
    for line in _why(step.events):
        yield f"       why: {line}"
    for event in step.events:
        if text := event.text():
            debug = " (debugpat)" if isinstance(event, DEBUGPAT) else ""
            yield f"       log{debug}: {text}"
    for violation in step.fresh:
        where = place(step.state, violation)
        yield f"       BROKEN {violation.property}: {where}{violation.reason}"
    for verdict in step.verdicts:
        if not verdict.holds:
            yield f"       UNMET: {verdict}"


def _why(events: Sequence[Event]) -> list[str]:
    """The rules that decided, each once, in order."""
    rules = [f"{e.function}(): {e.rule}" for e in events if isinstance(e, Note)]
    return list(dict.fromkeys(rules))


def _ending(run: Run) -> Iterator[str]:
    for verdict in run.verdicts:
        if not verdict.holds:
            yield f"UNMET at the end: {verdict}"
    left = [str(r) for r in run.leaked.reservations if _leaked(run, r.start, r.end)]
    if left:
        yield f"left when all processes are gone: {', '.join(left)}"
    if run.broken:
        for name in PROPERTIES:
            if name in run.broken:
                yield f"broken: {name} ({PROPERTIES[name]})"
    else:
        yield "no property broke"
    claims = sum(len(step.verdicts) for step in run.steps) + len(run.verdicts)
    if claims:
        yield f"expectations: {claims - len(run.unmet)} of {claims} hold"


def _leaked(run: Run, start: int, end: int) -> bool:
    return any(v.first << PAGE_SHIFT <= start and end <= v.end << PAGE_SHIFT for v in run.leaks)


def comparison_text(runs: Sequence[Run]) -> str:
    """The same scenario under several releases, side by side.

    Releases that show the same share a line; the first step at which they
    differ is marked, and there the rules that decided are named.
    """
    scenario = runs[0].scenario
    lines = notes(run.release for run in runs)
    lines += [scenario.name, *([scenario.about] if scenario.about else []), ""]
    first = first_difference(runs)
    for number, steps in enumerate(zip(*(run.steps for run in runs), strict=True), 1):
        groups = _groups([_seen(step) for step in steps])
        mark = "   <-- the first difference" if number == first else ""
        lines.append(f"{number:3}. {steps[0].text}{mark}")
        for view, members in groups.items():
            names = "all" if len(groups) == 1 else _names([runs[member] for member in members])
            why = [f"why: {rule}" for rule in _why(steps[members[0]].events)] if mark else []
            lines += _hanging(names, [*view, *why])
    lines.append("")
    ends = _groups([(_end(run),) for run in runs])
    for (end,), members in ends.items():
        lines.append(f"{_names([runs[member] for member in members])}: {end}")
    if first is None:
        lines.append("No step differs in result, reservations, tracking, entries or log.")
    return "\n".join(lines) + "\n"


def first_difference(runs: Sequence[Run]) -> int | None:
    """Number of the first step after which an observer can tell the runs apart."""
    for number, steps in enumerate(zip(*(run.steps for run in runs), strict=True), 1):
        if len({_seen(step) for step in steps}) > 1:
            return number
    return None


def _groups(views: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], list[int]]:
    """Positions of equal views, in order of appearance."""
    found: dict[tuple[str, ...], list[int]] = {}
    for number, view in enumerate(views):
        found.setdefault(view, []).append(number)
    return found


def _names(runs: Sequence[Run]) -> str:
    """Releases with their designs: `6.1, 6.12 (vm-pat)`."""
    by_design: dict[str, list[str]] = {}
    for run in runs:
        by_design.setdefault(run.release.design.name, []).append(run.release.title)
    return ", ".join(f"{', '.join(names)} ({design})" for design, names in by_design.items())


def _hanging(name: str, lines: Sequence[str]) -> Iterator[str]:
    """A name, and its lines indented below it."""
    yield f"       {name}: {lines[0]}"
    for line in lines[1:]:
        yield f"           {line}"


def _end(run: Run) -> str:
    left = [str(r) for r in run.leaked.reservations if _leaked(run, r.start, r.end)]
    broken = [each for each in PROPERTIES if each in run.broken]
    return f"breaks {', '.join(broken) or 'nothing'}; leaves {', '.join(left) or 'nothing'} behind"


def _seen(step: StepRun) -> tuple[str, ...]:
    """What an observer can tell after a step, in a few words; what is empty is left out."""
    held = [str(r) for r in step.state.reservations if r.place and not _registers(step, r)]
    tracked = [
        f"{process.name}[{vma.start},{vma.end})"
        for process in step.state.processes
        for vma in process.vmas
        if vma.tracked
    ]
    entries = [
        f"{process.name}{entry}"
        for process in step.state.processes
        for vma in process.vmas
        for entry in vma.entries
    ]
    lines = [result_word(step.result)]
    if held:
        lines.append(f"reserved {', '.join(held)}")
    if entries:
        lines.append(f"mapped   {', '.join(entries)}")
    if tracked:
        lines.append(f"tracked  {', '.join(tracked)}")
    lines += [
        f"log      {text}"
        for event in step.events
        if not isinstance(event, DEBUGPAT) and (text := event.text())
    ]
    lines += [f"BROKEN {v.property}: {place(step.state, v)}{v.reason}" for v in step.fresh]
    return tuple(lines)


def _registers(step: StepRun, held: Reservation) -> bool:
    """Is the entry that of a kernel mapping that was there from the start?"""
    return any(
        (m.start, m.end) == (held.start, held.end) and ":" in m.owner
        for m in step.state.kernel_mappings
    )
