"""From broken properties to checks: what can be seen of a violation from outside.

A violation has one or more candidates. The first that fails on the kernel
where the property breaks is taken; what a good kernel does there is not asked
here, but by whoever judges the checks on it.
"""

from __future__ import annotations

from collections.abc import Iterator

from pfntrack.check.judged.asked import ASKED, Conversion
from pfntrack.check.judged.properties import Violation
from pfntrack.check.run import Run, StepRun
from pfntrack.mm import ops
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.events import FreeInvalid, Oops, Warn
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.repro.checks import (
    BUG,
    FREEING,
    WARNING,
    AsBefore,
    Check,
    MappedAs,
    NoLeak,
    OneType,
    OwnEntry,
    Quiet,
    Reserved,
    Succeeds,
    Unreserved,
    bytes_of,
    place_of,
    shown,
)
from pfntrack.repro.files import used_pages
from pfntrack.state import Place


def choose(
    bad: Run, good: Run, wanted: frozenset[str], others: list[Run]
) -> tuple[list[Check], list[str]]:
    """Checks for all violations of the wanted properties, and what cannot be seen.

    `bad` is the run in which they break; `good` says which types to expect.
    Checks that fail in one of the `others` without a violation are avoided.
    """
    found: dict[Check, None] = {}
    unseen = []
    tables = any(isinstance(each.op, ops.Open) and each.op.target == "driver" for each in bad.steps)
    for step in bad.steps:
        for violation in step.fresh:
            if violation.property not in wanted:
                continue
            options = list(_candidates(bad, good, step, violation))
            if not tables:
                # Without the module, page tables are the last resort.
                options.sort(key=lambda check: check.reads_tables)
            telling = [each for each in options if not each.holds(bad)]
            sound = [each for each in telling if all(not innocent(each, run) for run in others)]
            # Better one that means nothing on some kernel than none at all.
            chosen = next(iter(sound or [each for each in telling if each.holds(good)]), None)
            if chosen is not None:
                found.setdefault(chosen)
            else:
                unseen.append(f"step {step.number}: {violation.property}: {violation.reason}")
        for each in step.converted if ASKED in wanted else ():
            found.setdefault(_asked(bad, step, each))
    return _without_echoes(list(found)), unseen


def _asked(bad: Run, step: StepRun, found: Conversion) -> Check:
    """That what a step maps has the type it asked for."""
    if found.at is not None:
        pages = found.end - found.first
        return MappedAs(step.number, ASKED, found.who, found.at, pages, found.asked)
    place = place_of(bad, found.first, found.end)
    # The scenario names a window for each ioremap, so there always is a place.
    assert place is not None  # noqa: S101
    return Reserved(step.number, ASKED, place, found.asked)


def innocent(check: Check, run: Run) -> bool:
    """Does the check fail in a run that breaks nothing of the kind?

    There it says nothing: a reservation of the kernel's own may look like a leak.
    """
    laws = {check.law, *(("I1", "I4") if check.law in ("I3", "I10") else ())}
    return not check.holds(run) and not laws & shown(run)


def _without_echoes(checks: list[Check]) -> list[Check]:
    """Not what an earlier check of the same kind says about the same thing."""
    kept: list[Check] = []
    for check in checks:
        said = any(
            isinstance(check, NoLeak)
            and isinstance(each, NoLeak)
            and each.step == check.step
            and each.place == check.place
            for each in kept
        )
        if not said:
            kept.append(check)
    return kept


def _candidates(bad: Run, good: Run, step: StepRun, broken: Violation) -> Iterator[Check]:
    number, name = step.number, broken.property
    place = place_of(bad, broken.first, broken.end) if broken.end > broken.first else None
    match name:
        case "I1" if place:
            yield NoLeak(number, name, _gap(bad, step, place))
            # Elsewhere a process may still live here that could not be made.
            last = bad.steps[-1]
            yield NoLeak(last.number, name, _gap(bad, last, place))
        case "tight" if place:
            yield Unreserved(number, name, place)
        case "I2" if place:
            for kind in _types(good, number, place):
                yield Reserved(number, name, place, kind)
        case "I3":
            yield from _owner(bad, good, step, place)
        case "I4":
            yield from _quiet(step)
        case "I5" if place:
            yield OneType(number, name, place, bool(step.state.kernel_mappings))
        case "I6":
            yield Succeeds(number, name)
        case "I7" if place:
            yield from _fidelity(good, step, place)
        case "I9":
            yield AsBefore(number, name)
        case "I10":
            if step.result.ret < 0:
                yield AsBefore(number, name)
            elif place:
                yield from _consequences(bad, number, name)


def _owner(bad: Run, good: Run, step: StepRun, place: Place | None) -> Iterator[Check]:
    """Owners cannot be seen; what is gone can, and what comes of the mistake later."""
    for mapping in step.state.kernel_mappings:
        pages = place_of(bad, mapping.start >> PAGE_SHIFT, mapping.end >> PAGE_SHIFT)
        if pages:
            yield OwnEntry(step.number, "I3", pages, mapping.type)
    if place:
        for kind in _types(good, step.number, place):
            yield Reserved(step.number, "I3", place, kind)
    yield from _consequences(bad, step.number, "I3")


def _consequences(bad: Run, number: int, name: str) -> Iterator[Check]:
    """Leaks and failed releases of later steps."""
    for later in bad.steps[number - 1 :]:
        for violation in later.fresh:
            place = place_of(bad, violation.first, violation.end)
            if violation.property == "I1" and place:
                yield NoLeak(later.number, name, _gap(bad, later, place))
    for later in bad.steps[number - 1 :]:
        yield Quiet(later.number, name, FREEING)


def _quiet(step: StepRun) -> Iterator[Check]:
    for kind, line in ((FreeInvalid, FREEING), (Warn, WARNING), (Oops, BUG)):
        if any(isinstance(event, kind) for event in step.events):
            yield Quiet(step.number, "I4", line)


def _fidelity(good: Run, step: StepRun, place: Place) -> Iterator[Check]:
    """The type that a good kernel grants, in the page table or as a reservation."""
    state = good.steps[step.number - 1].state
    op = step.op
    if isinstance(op, ops.Mmap | ops.Remap):
        for process in state.processes:
            if process.name != op.p:
                continue
            for vma in process.vmas:
                for entry in vma.entries:
                    if entry.start < op.at + op.pages and op.at < entry.end:
                        pages = entry.end - entry.start
                        yield MappedAs(step.number, "I7", op.p, entry.start, pages, entry.type)
    for mapping in state.kernel_mappings:
        if isinstance(op, ops.Ioremap) and mapping.owner == op.id:
            yield Reserved(step.number, "I7", place, mapping.type)
    for kind in _types(good, step.number, place):
        yield Reserved(step.number, "I7", place, kind)


def _types(run: Run, number: int, place: Place) -> list[CacheMode]:
    """The types with which a run maps pages of `place`, or else has them reserved."""
    state = run.steps[number - 1].state
    low, high = bytes_of(run, place)
    mapped = [
        entry.type
        for process in state.processes
        for vma in process.vmas
        for entry in vma.entries
        if entry.pfn is not None
        and entry.pfn << PAGE_SHIFT < high
        and low < (entry.pfn + entry.end - entry.start) << PAGE_SHIFT
    ]
    held = [each.type for each in state.reservations if each.start < high and low < each.end]
    return list(dict.fromkeys(mapped or held))


def _gap(run: Run, step: StepRun, place: Place) -> Place:
    """`place`, or all pages of the program if nothing is mapped any more."""
    state = step.state
    held = set(state.kernel_mappings) - set(run.start.kernel_mappings)
    if held or any(process.vmas for process in state.processes):
        return place
    return Place(place.window, 0, used_pages(run.scenario)[place.window])
