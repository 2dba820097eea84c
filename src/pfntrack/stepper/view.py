"""What a session shows, as lines with a style; every screen and every pipe shows the same."""

from __future__ import annotations

from collections.abc import Iterator

from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.run import Run, StepRun
from pfntrack.pat.events import Note
from pfntrack.report.runs.changes import changes
from pfntrack.report.runs.facts import DEBUGPAT
from pfntrack.report.runs.text import place
from pfntrack.scenario import format_op
from pfntrack.scenario.evaluate import result_word
from pfntrack.state import State
from pfntrack.stepper.session import Session

Line = tuple[str, str]
"""Style (``title``, ``now``, ``bad``, ``good``, ``dim`` or nothing) and text."""


def title(session: Session) -> str:
    """Where we are."""
    release = session.release
    name = release.title
    if release.design.name != release.name:
        name += f" ({release.design.name})"
    return f"{session.scenario.name} on {name}: {session.done} of {session.length} steps done"


def note(session: Session) -> Iterator[Line]:
    """Which kernel was asked for, if another is modelled, and why."""
    if session.release.note:
        yield "bad" if session.release.beyond else "dim", session.release.note


def program(session: Session) -> Iterator[Line]:
    """All steps; the one that was done last is marked, and those that were tried."""
    yield ("now" if not session.done else "dim"), f"{_mark(session, 0)} start"
    results = {step.number: result_word(step.result) for step in session.run.steps}
    for number, step in enumerate(session.scenario.steps, 1):
        plus = "+" if number - 1 in session.tried else " "
        text = format_op(step.op, session.scenario.machine)
        result = f": {results[number]}" if number in results else ""
        style = "now" if number == session.done else "" if number < session.done else "dim"
        yield style, f"{_mark(session, number)}{plus}{number:2}. {text}{result}"


def _mark(session: Session, number: int) -> str:
    return ">" if number == session.done else " "


def happened(session: Session) -> Iterator[Line]:
    """What the last step did: changes, the rules that decided, the log, what broke."""
    run = session.run
    if not run.steps:
        yield "dim", session.scenario.about or "nothing has been done yet"
        return
    step = run.steps[-1]
    yield "title", f"{step.number}. {step.text}: {result_word(step.result)}"
    yield from ((("", f"  {kind}: {line}")) for kind, line in changes(_before(run), step.state))
    rules = [f"{e.function}(): {e.rule}" for e in step.events if isinstance(e, Note)]
    yield from (("dim", f"  why: {rule}") for rule in dict.fromkeys(rules))
    for event in step.events:
        if text := event.text():
            debug = isinstance(event, DEBUGPAT)
            yield ("dim", f"  log (debugpat): {text}") if debug else ("bad", f"  log: {text}")
    for violation in step.fresh:
        where = place(step.state, violation.first, violation.end)
        yield "bad", f"  BROKEN {violation.property}: {where}{violation.reason}"


def _before(run: Run) -> State:
    return run.steps[-2].state if len(run.steps) > 1 else run.start


def state(session: Session) -> Iterator[Line]:
    """The state after the last step."""
    run = session.run
    now = run.steps[-1].state if run.steps else run.start
    boot = set(run.start.reservations)
    held = [each for each in now.reservations if each not in boot]
    yield "title", "reserved"
    yield from (("", f"  {each}") for each in held)
    if not held:
        yield "dim", "  nothing"
    for process in now.processes:
        yield "title", f"process {process.name}"
        for vma in process.vmas:
            yield "", f"  {vma}"
            yield from (("", f"    {entry}") for entry in vma.entries)
        if not process.vmas:
            yield "dim", "  maps nothing"
    if now.contexts:
        yield "title", "contexts"
        yield from (("", f"  {c.place or hex(c.start)}, {c.refs} held") for c in now.contexts)
    kernel = [each for each in now.kernel_mappings if each not in run.start.kernel_mappings]
    if kernel:
        yield "title", "kernel"
        yield from (("", f"  {m.owner}: [{m.start:#x},{m.end:#x}) {m.type}") for m in kernel)


def lamps(session: Session) -> Iterator[Line]:
    """One word per property: is it broken in this state, or did the last step break it."""
    steps = session.run.steps
    broken = {violation.property for violation in steps[-1].broken} if steps else set()
    ever = {v.property for step in steps for v in step.broken}
    for name in PROPERTIES:
        if name in broken:
            yield "bad", f"{name} BROKEN"
        elif name in ever:
            yield "dim", f"{name} was broken"
        else:
            yield "good", f"{name} holds"


def reasons(step: StepRun) -> list[str]:
    """Why the properties that are broken are broken, one sentence each."""
    return [
        f"{violation.property}: {where}{violation.reason}"
        for violation in step.broken
        for where in [place(step.state, violation.first, violation.end)]
    ]
