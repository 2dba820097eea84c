"""Failures without a kernel message, questions, and things that only look like PAT."""

from __future__ import annotations

import re

import attrs

from pfntrack.field.catalogue.diagnoses.look_alikes import (
    BAD_LENGTH,
    INSIDE,
    NO_MMAP,
    SPANS,
    STRICT,
)
from pfntrack.field.finding import Finding
from pfntrack.field.read.context import Entry
from pfntrack.field.read.facts import Fact, Value, hex_range, human_size
from pfntrack.field.read.kernelrelease import Window
from pfntrack.field.read.ranges import overlap
from pfntrack.field.rules.base import Case, Rule, always, finding
from pfntrack.field.rules.stack import inside, sentence

_SECOND_REMAP = Window("6.16", None)
# Drivers known to remap one mapping several times, by the words their reports use.
_SECOND_REMAP_DRIVERS = {"hfi1": ("hfi1", "RcvEgr", "psm2", "rcvegr", "Omni-Path")}


def silent_failures(case: Case, refused: bool) -> list[Finding]:
    """mmap or remap failed and no message of the memory-type code explains it."""
    log = case.log
    found = []
    driver = [f for f in log.of("driver_msg") if f.number("err") in (-22, -16)]
    if driver and not refused:
        later = _SECOND_REMAP.affects(case.release)
        if later is None and _known_to_remap(driver[0]):
            because = "a remap of a driver that remaps one mapping several times failed with EINVAL"
            rule = Rule("TRACKCTX_SECOND_REMAP", always, "low", because)
        elif later is True and "track_pfn" not in driver[0].text:
            because = "a remap failed with EINVAL and without a message on 6.16 or later"
            rule = Rule("TRACKCTX_SECOND_REMAP", always, "medium", because)
        else:
            rule = Rule(
                "PARTIAL_REMAP_LOOKUP_MIXED",
                always,
                "medium",
                "a remap failed with EINVAL without a message: only the page-wise lookup of a "
                "partial remap refuses silently",
            )
        found.append(finding(rule, tuple(driver), case))
    bisected = tuple(log.of("bisected"))
    if bisected and not refused and not found:
        because = "a bisection ended at the commit since which a second full remap is refused"
        rule = Rule("TRACKCTX_SECOND_REMAP", always, "medium", because)
        found.append(finding(rule, bisected, case))
    errors = [
        f
        for f in log.of("user_error")
        if f.text_of("errno") in ("EINVAL", "EAGAIN", "EBUSY")
        or (f.text_of("errno") in ("EPERM", "ENODEV") and _device_file(f, case))
    ]
    if errors and not refused and not found:
        found.append(_user_error(errors, case))
    return found


def _known_to_remap(fact: Fact) -> str:
    """The driver known to remap one mapping several times whose words the fact has, or empty."""
    for name, words in _SECOND_REMAP_DRIVERS.items():
        if any(word in fact.text for word in words):
            return name
    return ""


def _device_file(fact: Fact, case: Case) -> bool:
    """Whether the mapping that failed was one of device memory."""
    words = r"/dev/mem|resource\d|\b[Bb][Aa][Rr] ?\d|\bdevice at\b|pcimem"
    return case.log.has("sysfs_resource") or bool(re.search(words, fact.text))


def _user_error(errors: list[Fact], case: Case) -> Finding:
    values: dict[str, Value] = dict(errors[0].values)
    if case.release is not None:
        values["kernel"] = str(case.release)
    for fact in errors:
        if driver := _known_to_remap(fact):
            values["driver"] = driver
    lead = attrs.evolve(errors[0], values=values)
    facts = (lead, *errors[1:])
    verdict = _SECOND_REMAP.affects(case.release)
    if all(fact.text_of("bad_argument") for fact in errors):
        rule = Rule("NOT_PAT", always, "high", "the arguments of the call are in the line")
        answer = (
            f"Not memory types: mmap() was called with {lead.text_of('bad_argument')}, which is "
            "EINVAL by itself."
        )
        return attrs.evolve(finding(rule, facts, case), answer=answer, variant=BAD_LENGTH)
    text = " ".join(fact.text for fact in errors)
    if all(fact.text_of("errno") == "ENODEV" for fact in errors):
        rule = Rule("NOT_PAT", always, "medium", "the error is ENODEV")
        answer = (
            "Not memory types: the file cannot be mapped at all (ENODEV), as the resource file of "
            "an I/O port BAR."
        )
        return attrs.evolve(finding(rule, facts, case), answer=answer, variant=NO_MMAP)
    if lead.text_of("errno") == "EPERM":
        rule = Rule("NOT_PAT", always, "medium", "mapping device memory was not permitted (EPERM)")
        answer = (
            "Strict devmem (or a locked-down kernel) refused the mapping: a driver claims the "
            "range (boot with iomem=relaxed or unbind the driver), or it is RAM (never allowed)."
        )
        return attrs.evolve(finding(rule, facts, case), answer=answer, variant=STRICT)
    if (
        case.log.has("strict_devmem")
        or case.log.has("sysfs_resource")
        or re.search(r"/dev/mem|resource\d", text)
    ):
        rule = Rule(
            "NOT_PAT",
            always,
            "medium",
            "/dev/mem or a sysfs resource file is mapped, and no x86/PAT line is in the text",
        )
        answer = (
            "Most likely strict devmem: a bound driver claims the BAR, so mapping /dev/mem or its "
            "sysfs resource file is refused; boot with iomem=relaxed or unbind the driver."
        )
        notes = (
            "to be sure: no driver bound to the device (lspci -k) or no x86/PAT line in the whole "
            "log at info level speaks against a conflict of memory types",
        )
        made = finding(rule, facts, case)
        return attrs.evolve(made, answer=answer, variant=STRICT, notes=(*notes, *made.notes))
    if verdict is True and "driver" in values:
        rule = Rule(
            "TRACKCTX_SECOND_REMAP",
            always,
            "high",
            "EINVAL from mmap without a kernel message on 6.16 or later, with a driver known to "
            "remap one mapping several times",
        )
        return finding(rule, facts, case)
    rule = Rule("MMAP_FAILED_SILENTLY", always, "low", "the text holds the error and nothing else")
    first = (
        "a second full remap of one mapping (refused since 6.16), strict devmem"
        if verdict is True
        else "strict devmem"
    )
    answer = (
        f"mmap() failed with {lead.text_of('errno')} and the text does not say why: the log at "
        f"info level decides between {first}, a wrong length or offset, and a conflict of types."
    )
    other = ("TRACKCTX_SECOND_REMAP",) if verdict is not False else ()
    return attrs.evolve(
        finding(rule, facts, case),
        answer=answer,
        alternatives=(*other, "PARTIAL_REMAP_LOOKUP_MIXED"),
        missing=(
            "the whole kernel log at info level",
            "or, where it can be repeated, a recording: pfntrack record -- PROGRAM, "
            "then pfntrack replay",
        ),
    )


def downgrades(case: Case) -> list[Finding]:
    """Write-combining that silently became uncached-minus, from a list diff or a replay."""
    entries = case.log.of("list_entry")
    gone = [
        f for f in entries if f.values.get("diff") == "-" and f.text_of("type") == "write-combining"
    ]
    came = [f for f in entries if f.values.get("diff") == "+"]
    found = []
    for old in gone:
        new = next(
            (f for f in came if f.span == old.span and f.text_of("type") != "write-combining"), None
        )
        if new is None:
            continue
        kind = new.text_of("type")
        touching = [
            f
            for f in entries
            if f.text_of("type") == kind
            and f.values.get("diff") != "+"
            and (f.span[0] == old.span[1] or f.span[1] == old.span[0])
        ]
        rule = Rule(
            "SILENT_DOWNGRADE_ADJACENT",
            always,
            "high" if touching else "medium",
            "the same range was write-combining before and is not any more"
            + (", and a neighbour of the new type touches it" if touching else ""),
        )
        found.append(finding(rule, (old, new, *touching[:2]), case))
    if not found and case.replay is not None and case.replay.silent_neighbour:
        rule = Rule(
            "SILENT_DOWNGRADE_ADJACENT",
            always,
            "high",
            "replaying the debugpat lines: the type came from an entry that touches "
            "but does not overlap",
        )
        found.append(finding(rule, case.replay.silent_neighbour, case))
    granted = [
        f
        for f in case.log.of("debug_added")
        if f.text_of("req") == "write-combining" and f.text_of("type") == "uncached-minus"
    ]
    if not found and granted:
        rule = Rule(
            "CHECK_WC_OF_BAR",
            always,
            "high",
            "write-combining was asked and uncached-minus granted, silently, because of an "
            "overlapping reservation",
        )
        found.append(finding(rule, tuple(granted), case))
    return found


def wc_question(case: Case) -> list[Finding]:
    """Is the BAR write-combining? Answered half-open from the rows in the log or the list given."""
    log = case.log
    rows = log.of("list_entry")
    entries = [Entry(*f.span, f.text_of("type")) for f in rows] + list(case.context.entries)
    asked = {f.start for f in log.of("asked") if f.start is not None}
    bars = [f for f in log.of("bar") if f.has_range and f.values.get("prefetchable") is not False]
    named = [f for f in bars if not asked or f.start in asked]
    if not (asked or any("prefetchable" in f.values for f in bars)) or not (entries or asked):
        return []
    spans = [f.span for f in named] or [(start, start + 1) for start in sorted(asked)]
    notes = []
    for span in spans[:4]:
        hits = [e for e in entries if overlap((e.start, e.end), span)]
        beside = [e for e in entries if e.end == span[0]]
        place = f"the BAR {hex_range(*span)} ({human_size(span[1] - span[0])})"
        if span[1] - span[0] == 1:
            place = f"the address 0x{span[0]:x}"
        if hits:
            kinds = sorted({e.type for e in hits})
            notes.append(f"{place} is reserved {', '.join(kinds)}: {hits[0]}")
        else:
            notes.append(
                f"{place} has no reservation in the rows shown: it is not mapped now, "
                "or uncached-minus by default"
            )
        if beside:
            notes.append(f"the row {beside[0]} ends where {place} begins: it is the neighbour's")
    rule = Rule("CHECK_WC_OF_BAR", always, "high", "the memtype list was searched for a BAR")
    facts = (*named, *rows[:20], *log.of("asked"))
    if not facts:
        return []
    made = finding(rule, facts, case)
    return [attrs.evolve(made, notes=(*notes, *made.notes), answer=_wc_answer(spans[0], entries))]


def _wc_answer(span: tuple[int, int], entries: list[Entry]) -> str:
    """Whether the range is write-combining, as far as the rows tell."""
    hits = [e for e in entries if overlap((e.start, e.end), span)]
    kinds = sorted({e.type for e in hits})
    name = f"0x{span[0]:x}"
    if kinds == ["write-combining"]:
        return f"{name} is write-combining."
    if len(kinds) == 1:
        return f"{name} is {kinds[0]}, not write-combining."
    if kinds:
        return f"{name} has parts of several types: {', '.join(kinds)}."
    beside = any(e.end == span[0] for e in entries)
    return (
        f"{name} has no row in the list"
        + (" (the row that ends there is its neighbour's)" if beside else "")
        + ": nothing maps it at that moment, or its pages are inserted at fault and need no row; "
        "that neither proves nor excludes write-combining."
    )


def look_alikes(case: Case, used: set[int]) -> list[Finding]:
    """Lines of the resource check: not memory types, and mostly harmless."""
    found = []
    for fact in case.log.of("resource_sanity"):
        if id(fact) in used:
            continue
        rule = Rule("NOT_PAT", always, "high", "the check of resources, before memory types matter")
        variant = INSIDE if inside(fact) else SPANS
        made = finding(rule, (fact,), case)
        found.append(attrs.evolve(made, answer=sentence(fact, case), variant=variant))
    return found


def healthy(case: Case) -> list[Finding]:
    """The positive statement when PAT lines or rows are present and nothing is wrong."""
    log = case.log
    facts = [
        *log.of("pat_config", "pat_enabled_old"),
        *log.of("list_entry")[:50],
        *log.of("debug_added", "debug_free")[:50],
    ]
    if not facts:
        return []
    rule = Rule("HEALTHY", always, "high", "only normal boot lines or consistent rows were found")
    return [finding(rule, tuple(facts), case)]
