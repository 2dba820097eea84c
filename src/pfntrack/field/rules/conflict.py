"""Refused reservations: "conflicting memory types", "memtype_reserve failed", ioremap -16."""

from __future__ import annotations

import re

import attrs

from pfntrack.field.finding import Finding
from pfntrack.field.read import ranges
from pfntrack.field.read.facts import Fact, hex_range
from pfntrack.field.rules.base import Case, Rule, always, finding, first_match

# Threads of virtual machine monitors; the kernel names a vcpu thread "CPU <n>/KVM".
_MONITOR = re.compile(r"^CPU \d{1,4}/KVM$|^qemu|^kvm$|^cloud-hyperviso|^crosvm|^vcpu|^firecracker")
# Programs that put pictures on a screen and map the card or its framebuffer themselves.
_DISPLAY = re.compile(
    r"^(?:X|Xorg|Xorg\.\w+|Xwayland|Xvfb|plymouthd?|usplash|splashy|fbi|fbterm|fbset|bootsplash"
    r"|radeontool|vbetool|s3switch|intel_reg.*|nvclock|glxinfo|gdm\S*|kdm|lightdm|sddm)$"
)
_FRAMEBUFFER_ONLY = re.compile(r"^(?:plymouthd?|usplash|splashy|fbi|fbterm|fbset|bootsplash)$")


def _absurd(fact: Fact, _: Case) -> bool:
    if not fact.has_range:
        return False
    span = fact.span
    return (
        ranges.is_wrapped(*span)
        or ranges.is_no_bar(*span)
        or ranges.covers_fixed_page(*span)
        or span[0] >= 1 << 52
    )


def _single_page_of_pmem(fact: Fact, case: Case) -> bool:
    # Reservations are whole pages, so one page cannot lie in two of different types: the
    # only caller that conflicts on one page is set_memory_*(), which passes no slack.
    if fact.has_range and fact.size == ranges.PAGE and not _elided(fact, case):
        types = {fact.text_of("type_a"), fact.text_of("type_b"), fact.text_of("track")}
        return bool(types & {"uncached-minus", "write-back"}) or case.log.has("pmem")
    return False


def _elided(fact: Fact, _: Case) -> bool:
    return bool(fact.values.get("elided")) or not fact.has_range


def _crosses(fact: Fact, case: Case) -> bool:
    if not fact.has_range:
        return False
    if case.context.crossed(fact.span):
        return True
    for bar in case.log.of("bar"):
        if bar.has_range and bar.span[0] <= fact.span[0] < bar.span[1] < fact.span[1]:
            return True
    return ranges.fits_no_window(*fact.span)


def _passthrough(fact: Fact, case: Case) -> bool:
    comm = fact.text_of("comm")
    return bool(_MONITOR.match(comm)) or (case.log.has("vfio") and not _DISPLAY.match(comm))


def _framebuffer(fact: Fact, _: Case) -> bool:
    # A BAR is a power of two and aligned to its size; the length of a framebuffer is not.
    comm = fact.text_of("comm")
    if _FRAMEBUFFER_ONLY.match(comm):
        return True
    return bool(_DISPLAY.match(comm)) and fact.has_range and not ranges.is_window_shaped(*fact.span)


def _display(fact: Fact, _: Case) -> bool:
    return bool(_DISPLAY.match(fact.text_of("comm")))


CONFLICT_RULES: tuple[Rule, ...] = (
    Rule(
        "RANGE_BOGUS", _absurd, "high", "the range itself is impossible", "error", "driver-failure"
    ),
    Rule(
        "SET_MEMORY_ON_TRACKED_PMEM",
        _single_page_of_pmem,
        "high",
        "a single page conflicts, which only set_memory_*() on tracked non-RAM can cause",
    ),
    Rule("RANGE_CROSSES_RESOURCE", _crosses, "high", "the range does not fit into one window"),
    Rule(
        "STALE_OR_LIVE_GPU_RESERVATION",
        _passthrough,
        "high",
        "a virtual machine maps a passed-through device over existing reservations",
    ),
    Rule(
        "CONFLICT_UNDERSPECIFIED",
        _elided,
        "high",
        "addresses are missing from the lines, so neither the range nor its owners can be checked",
    ),
    Rule(
        "LIVE_DRIVER_VS_FBDEV",
        _framebuffer,
        "high",
        "a display program maps a range that has the length of a framebuffer, not of a BAR",
        "error",
        "mmap-failure",
    ),
    Rule(
        "LIVE_DRIVER_VS_XORG",
        _display,
        "high",
        "a graphics program maps a whole aperture that has the shape of a BAR",
        "error",
        "mmap-failure",
    ),
    Rule(
        "CONFLICT_UNDERSPECIFIED",
        lambda fact, _: not fact.text_of("comm"),
        "medium",
        "the line that names the task and the two types is missing",
    ),
    Rule(
        "RANGE_SPANS_MIXED_OWNERS",
        always,
        "high",
        "the message itself proves two overlapping reservations of different types",
        "error",
        "driver-failure",
    ),
)


def conflicts(case: Case) -> tuple[list[Finding], set[int]]:
    """Findings for refused reservations, and the ids of the facts they used up."""
    log = case.log
    used: set[int] = set()
    found: list[Finding] = []
    leads = log.of("conflict")
    second = _SecondLines(log.of("reserve_failed"))
    fragments = log.of("conflict_fragment")
    for lead in leads:
        rule = first_match(CONFLICT_RULES, lead, case)
        facts = (lead, *second.take(lead))
        used.update(id(fact) for fact in facts)
        made = finding(rule, facts, case)
        found.append(_enrich(made, case))
    for failed in log.of("reserve_failed"):
        if id(failed) in used:
            continue
        close = [f for f in fragments[:100] if id(f) not in used and abs(failed.line - f.line) <= 3]
        rule = first_match(CONFLICT_RULES, _with_types(failed, close), case)
        facts = (failed, *close)
        used.update(id(fact) for fact in facts)
        found.append(_enrich(finding(rule, facts, case), case))
    for fragment in fragments:
        if id(fragment) not in used:
            used.add(id(fragment))
            rule = first_match(CONFLICT_RULES, fragment, case)
            found.append(finding(rule, (fragment,), case))
    return found, used


def _with_types(failed: Fact, fragments: list[Fact]) -> Fact:
    if not fragments:
        return failed
    values = {**failed.values, **fragments[0].values}
    return attrs.evolve(failed, values=values)


class _SecondLines:
    """The lines that the kernel prints second for a refusal, found by range or by nearness."""

    def __init__(self, facts: list[Fact]) -> None:
        self._same: dict[tuple[int, int], list[Fact]] = {}
        self._vague: dict[int, Fact] = {}
        for fact in facts:
            if fact.has_range:
                self._same.setdefault(fact.span, []).append(fact)
            else:
                self._vague[fact.line] = fact

    def take(self, lead: Fact) -> list[Fact]:
        """Those that belong to `lead`; each is handed out once."""
        found = self._same.pop(lead.span, []) if lead.has_range else []
        for line in range(lead.line, lead.line + 5):
            if line in self._vague:
                found.append(self._vague.pop(line))
        return found


def _enrich(made: Finding, case: Case) -> Finding:
    lead = made.facts[0]
    notes = list(made.notes)
    if made.code == "STALE_OR_LIVE_GPU_RESERVATION":
        verdict, why = case.context.live(lead.span) if lead.has_range else ("unknown", "no range")
        notes.append(f"live or stale: {verdict}: {why}")
    if lead.kind == "conflict" and lead.has_range and case.context.entries and not made.candidates:
        notes.append(
            f"the list given has no two entries of different types in {hex_range(*lead.span)}: "
            "it is from another moment"
        )
    comm = lead.text_of("comm")
    if re.match(r"^(?:\(?udev-worker\)?|systemd-udevd|udevd|modprobe|insmod|kworker)", comm):
        notes.append(f"the task {comm} only loads modules here; it is not the culprit")
    return attrs.evolve(made, notes=tuple(notes))
