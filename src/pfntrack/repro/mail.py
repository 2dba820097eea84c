"""A bug report as plain text for a mailing list: at most 75 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from pfntrack.check.judged.asked import ASKED
from pfntrack.edges.text import harmless
from pfntrack.repro.checks import step_of
from pfntrack.repro.known import codes, commits, reports
from pfntrack.repro.plan import Reproducer
from pfntrack.repro.source import BUILD, needs_module
from pfntrack.repro.told import Told
from pfntrack.repro.trial import FAIL, PASS, Trial
from pfntrack.scenario.seen import seen

COLUMNS = 75


def mail(repro: Reproducer, file: str, tried: Sequence[Trial] = ()) -> str:
    """The report; `file` is the C program, `tried` are its runs on real kernels."""
    return harmless("\n".join(_lines(repro, file, tried)) + "\n")


def _lines(repro: Reproducer, file: str, tried: Sequence[Trial]) -> Iterator[str]:
    told = Told(repro)
    yield from _wrapped(_subject(repro), "Subject: ", " ")
    yield ""
    about = repro.scenario.about
    if about:
        yield from _wrapped(about)
        yield ""
    yield from _wrapped(_kernel(repro, tried), "Kernel:     ", " " * 12)
    devmem = " CONFIG_DEVMEM=y" if _uses_devmem(repro) else ""
    yield f"Config:     CONFIG_X86_PAT=y CONFIG_DEBUG_FS=y{devmem}"
    with_module = ", with the test module pfnlab" if needs_module(repro) else ""
    yield from _wrapped(f"{file}{with_module}", "Reproducer: ", " " * 12)
    yield f"Build:      {BUILD}"
    yield from ["", "Steps", "-----"]
    for step in repro.bad.steps:
        yield from _wrapped(step.text, f"{step.number:>3}. ", "     ")
    yield ""
    yield from (_plain(line) for line in told.windows())
    yield from _wrapped("Ranges are pages without their end: [0,2) is pages 0 and 1.")
    yield from ["", "Observed", "--------"]
    for sentence in told.violations():
        yield from _wrapped(sentence, "- ", "  ")
    for sentence in told.converted():
        yield from _wrapped(f"{sentence}, which no property forbids", "- ", "  ")
    log = list(_log(repro))
    if log:
        yield ""
        yield "Kernel log, by the model (name and number of the task are made up):"
        for line in log:
            yield from _wrapped(line, "  ", "    ")
    yield from ["", "Expected", "--------"]
    for number, check in enumerate(repro.checks, 1):
        text = f"step {check.step}: {check.claim}"
        yield from _wrapped(text, f"{number}. ", "   ")
    yield from ["", "Kernels", "-------"]
    for trial in tried:
        yield from _wrapped(_measured(trial), "- ", "  ")
        for line in _failures(trial):
            yield from _wrapped(line, "    ", "      ")
    yield from _wrapped(told.affected())
    if told.newest():
        yield from _wrapped(told.newest())
    known = list(_known(repro))
    if known:
        yield from ["", "Known", "-----", *known]
    yield from ["", "-- ", *_wrapped(f"Made with: {told.command()}")]


_SUBJECTS = {
    "I1": "reservation leaks",
    "I2": "mapping loses its reservation",
    "I3": "reservation of another owner is released",
    "I4": "kernel complains about its own bookkeeping",
    "I5": "one page mapped with two memory types",
    "I6": "call is refused without a reason",
    "I7": "another memory type than asked for is granted",
    "I9": "failed call changes reservations",
    "I10": "child of fork is not tracked like its parent",
    ASKED: "another memory type than asked for is granted",
    "tight": "more stays reserved than is mapped",
}


def _subject(repro: Reproducer) -> str:
    first = repro.checks[0]
    text = step_of(repro.bad, first.step).text
    kind = "" if first.law == ASKED else "[BUG] "
    return f"{kind}x86/mm/pat: {_SUBJECTS[first.law]} ({repro.release.name}, after '{text}')"


def _kernel(repro: Reproducer, tried: Sequence[Trial]) -> str:
    measured = [trial.release for trial in tried if trial.status == FAIL]
    if measured:
        return ", ".join(measured)
    return repro.release.note or f"{repro.release.name} (modelled on {repro.release.kernels})"


def _uses_devmem(repro: Reproducer) -> bool:
    return any("/dev/mem" in step.text for step in repro.bad.steps)


def _measured(trial: Trial) -> str:
    numbers = ", ".join(map(str, trial.failed))
    words = {FAIL: f"fails in test {numbers}", PASS: "passes"}
    return f"{trial.release}: {words.get(trial.status, trial.status)} (run)"


def _failures(trial: Trial) -> Iterator[str]:
    """The tests that failed, and what the program found there instead."""
    failed = False
    for line in trial.output.splitlines():
        failed = line.startswith("not ok") or (failed and line.startswith("#   "))
        if failed:
            yield line


def _log(repro: Reproducer) -> Iterator[str]:
    """The lines that a user would see; debugpat's and the steps in order are left out."""
    checked = {check.step for check in repro.checks}
    for step in repro.bad.steps:
        if step.number > max(checked):
            break
        said = seen(repro.bad.start, step.state, step.result, step.events).log
        lines = [text for event in step.events if (text := event.text())]
        if said:
            yield from (line for line in lines if "memtype_" not in line.split("]")[0])


def _known(repro: Reproducer) -> Iterator[str]:
    for code in codes(repro):
        yield from _wrapped(f"{code.title} ({code.code})")
        head, references = commits(code)
        for reference in references:
            yield from _wrapped(reference, f"{head}: ", "  ")
        for report in reports(code):
            yield from _wrapped(report, "See: ", "  ")


def _plain(line: str) -> str:
    return line[:COLUMNS]


def _wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    return textwrap.wrap(
        text, COLUMNS, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )
