"""Runs and comparisons as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pfntrack.check.properties import PROPERTIES, Violation
from pfntrack.check.run import Run, StepRun
from pfntrack.mm.ops import Result
from pfntrack.pat.events import Event, Note
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.report.changes import changes
from pfntrack.state import State

WIDTH = 64


def result_word(result: Result) -> str:
    """`ok`, an errno name, a signal, and what else the result carries."""
    if result.signal:
        return f"SIG{result.signal}"
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


def run_text(run: Run) -> str:
    """The whole run, step by step."""
    scenario = run.scenario
    lines = [f"{scenario.name} on {run.release.name} ({run.release.design.name})"]
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
            yield f"       log: {text}"
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
    """The same scenario under several releases, side by side."""
    scenario = runs[0].scenario
    names = [f"{run.release.name} ({run.release.design.name})" for run in runs]
    lines = [scenario.name, *([scenario.about] if scenario.about else []), ""]
    told = False
    for number, steps in enumerate(zip(*(run.steps for run in runs), strict=True)):
        lines.append(f"{number + 1:3}. {steps[0].text}")
        seen = [_seen(step) for step in steps]
        if len(set(seen)) == 1:
            lines += [f"       all: {line}" for line in seen[0]]
            continue
        for name, view, step in zip(names, seen, steps, strict=True):
            lines += [f"       {name}: {line}" for line in view[:1]]
            lines += [f"       {'':{len(name)}}  {line}" for line in view[1:]]
            if not told:
                lines += [f"       {'':{len(name)}}  why: {rule}" for rule in _why(step.events)]
        if not told:
            lines.append("       ^ the first step at which they differ")
            told = True
    lines.append("")
    for name, run in zip(names, runs, strict=True):
        left = [str(r) for r in run.leaked.reservations if _leaked(run, r.start, r.end)]
        broken = [each for each in PROPERTIES if each in run.broken]
        lines.append(
            f"{name}: breaks {', '.join(broken) or 'nothing'}; "
            f"leaves {', '.join(left) or 'nothing'} behind"
        )
    if not told:
        lines.append("No step differs in result, reservations, entries or log.")
    return "\n".join(lines) + "\n"


def _seen(step: StepRun) -> tuple[str, ...]:
    """What an observer can tell after a step, in a few words."""
    held = [str(r) for r in step.state.reservations if r.place and r.place.window != "R"]
    tracked = [
        f"{process.name} [{vma.start},{vma.end})"
        for process in step.state.processes
        for vma in process.vmas
        if vma.tracked
    ]
    entries = [
        f"{process.name} {entry}"
        for process in step.state.processes
        for vma in process.vmas
        for entry in vma.entries
    ]
    lines = [f"{result_word(step.result)}; reserved: {', '.join(held) or 'none'}"]
    lines.append(f"tracked: {', '.join(tracked) or 'none'}")
    lines.append(f"mapped: {', '.join(entries) or 'none'}")
    lines += [f"log: {text}" for event in step.events if (text := event.text())]
    lines += [f"BROKEN {v.property}: {place(step.state, v)}{v.reason}" for v in step.fresh]
    return tuple(lines)
