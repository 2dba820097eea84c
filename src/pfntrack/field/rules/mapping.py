"""Mappings granted with another type or refused by one existing type, and impossible ranges."""

from __future__ import annotations

import attrs

from pfntrack.field.catalogue.diagnoses.look_alikes import WT_OVER_WC
from pfntrack.field.finding import Finding
from pfntrack.field.read import ranges
from pfntrack.field.read.facts import REFUSED_PAIRS, Fact
from pfntrack.field.rules.base import Case, Rule, always, finding, first_match
from pfntrack.field.rules.conflict import _DISPLAY


def _pair(fact: Fact) -> tuple[str, str]:
    wanted = fact.text_of("want") or fact.text_of("req_name") or fact.text_of("req")
    return wanted, fact.text_of("got_name") or fact.text_of("got")


def _impossible(fact: Fact, _: Case) -> bool:
    return fact.has_range and (
        ranges.is_wrapped(*fact.span)
        or ranges.is_no_bar(*fact.span)
        or ranges.covers_fixed_page(*fact.span)
    )


def _no_encoding(fact: Fact, _: Case) -> bool:
    wanted, got = _pair(fact)
    # Not a refused pair, so the kernel compared something else than what was asked for:
    # write-protected and write-through depend on the PAT slots that only full tables have.
    return wanted == "write-protected" or (
        wanted == "write-through" and (wanted, got) not in REFUSED_PAIRS
    )


def _forked(fact: Fact, case: Case) -> bool:
    pair = _pair(fact)
    if pair in REFUSED_PAIRS:
        return False
    return any("copy_process" in w.frames or "dup_mm" in w.frames for w in case.log.of("warning"))


EXPECTED_RULES: tuple[Rule, ...] = (
    Rule("RANGE_BOGUS", _impossible, "high", "the range itself is impossible"),
    Rule(
        "REQ_WP_ENCODED_AS_OTHER",
        _no_encoding,
        "medium",
        "the pair in the message is none that the kernel refuses, so the type asked for has no "
        "encoding of its own and was read back as another",
    ),
    Rule(
        "UNTRACK_FAILED_FORK",
        _forked,
        "medium",
        "only fork compares strictly: this pair is granted to every other caller",
    ),
    Rule(
        "REQ_UC_EXISTING_WB",
        lambda f, _: _pair(f) in REFUSED_PAIRS,
        "high",
        "the pair is one of the four that are refused, and one existing reservation suffices",
    ),
    Rule(
        "LIVE_DRIVER_VS_XORG",
        lambda f, _: bool(_DISPLAY.match(f.text_of("comm"))),
        "medium",
        "a graphics program meets a reservation of the live driver; kernels before 2.6.30 and the "
        "strict comparison at fork refuse every difference",
        "error",
        "mmap-failure",
    ),
    Rule(
        "CONFLICT_UNDERSPECIFIED",
        always,
        "low",
        "this pair is normally granted; only the strict comparison at fork (up to 6.15) refuses it",
    ),
)


def mappings(case: Case) -> list[Finding]:
    """Findings for mappings refused because of one existing type."""
    found = []
    for fact in case.log.of("map_pfn_expected", "ioremap_error"):
        if fact.values.get("elided"):
            rule = Rule(
                "CONFLICT_UNDERSPECIFIED", always, "medium", "the range and types are cut out"
            )
        else:
            rule = first_match(EXPECTED_RULES, fact, case)
        made = finding(rule, (fact,), case)
        if rule.code == "REQ_UC_EXISTING_WB":
            harm = "driver-failure" if fact.kind == "ioremap_error" else "mmap-EINVAL"
            if _pair(fact) == ("write-through", "write-combining"):
                made = attrs.evolve(made, variant=WT_OVER_WC)
            made = attrs.evolve(made, harm=harm, notes=(*made.notes, *_who(fact, case)))
        found.append(made)
    return found


def _who(fact: Fact, case: Case) -> list[str]:
    names = [
        r.name
        for r in case.context.resources
        if fact.has_range and ranges.overlap((r.start, r.end), fact.span)
    ]
    found = []
    if any("ACPI" in name for name in names):
        found.append("the range lies in ACPI memory, which the ACPI interpreter maps write-back")
    if fact.kind == "ioremap_error" and _pair(fact)[1] == "write-back" and _in_legacy_hole(fact):
        found.append(
            "if this is a TDX or SEV-SNP guest, it is CVE-2025-40181: the range lies below 4 GiB, "
            "where the MTRRs that the kernel makes up for such guests said write-back"
        )
    return found


def _in_legacy_hole(fact: Fact) -> bool:
    """Whether the range can lie in the PCI hole below 4 GiB."""
    return fact.has_range and fact.span[0] >= 0x8000_0000 and fact.span[1] <= 1 << 32


def ram(case: Case) -> list[Finding]:
    """Findings for RAM: overridden mappings and pages that already have a type."""
    found = []
    hang = [f for f in case.log.of("followup") if f.text_of("name") == "gpu_hang"]
    for fact in case.log.of("map_pfn_ram"):
        wanted, got = _pair(fact)
        rule = Rule(
            "RAM_TYPE_OVERRIDDEN",
            always,
            "high",
            "the line reports a success: the mapping exists, with the type of the pages",
        )
        code = Rule("REQ_WP_ENCODED_AS_OTHER", always, "medium", "RAM cannot be write-protected")
        made = finding(code if wanted == "write-protected" else rule, (fact,), case)
        if hang and any(f.line > fact.line for f in hang):
            made = attrs.evolve(
                made,
                severity="warning",
                harm="regression",
                notes=(*made.notes, "a GPU hang follows, so here the override is not harmless"),
            )
        if got != "write-back" and got:
            note = f"the pages were set to {got} by their owner; ask for that type"
            made = attrs.evolve(made, notes=(*made.notes, note))
        found.append(made)
    for fact in case.log.of("ram_type_failed"):
        rule = Rule(
            "RAM_TYPE_ALREADY_SET",
            always,
            "high",
            "the page is RAM and not write-back; equal types are refused as well",
        )
        made = finding(rule, (fact,), case)
        if any(f.number("errno") == -16 for f in case.log.of("ioremap_reserve_failed")):
            made = attrs.evolve(made, severity="error", harm="mapping-refused")
        found.append(made)
    return found


def impossible(case: Case) -> tuple[list[Finding], set[int]]:
    """Findings for ranges that cannot be: start >= end, BUG in the old code, unassigned BARs."""
    found: list[Finding] = []
    used: set[int] = set()
    warnings = case.log.of("warning")
    for fact in case.log.of("reserve_failed_warn"):
        mine = tuple(
            w
            for w in warnings
            if id(w) not in used
            and w.text_of("func") in ("reserve_memtype", "memtype_reserve")
            and abs(w.line - fact.line) <= 6
        )
        used.update(id(w) for w in mine)
        if fact.has_range and ranges.ends_at_physical_top(*fact.span):
            rule = Rule(
                "KERNEL_BUG_SANITIZE_PHYS",
                always,
                "high",
                "the printed end is all ones, i.e. zero minus one, and the start lies a power of "
                "two below the top of the address space",
            )
        else:
            rule = Rule("RANGE_BOGUS", always, "high", "the start lies at or behind the end")
        found.append(finding(rule, (fact, *mine), case))
    for fact in case.log.of("kernel_bug"):
        rule = Rule(
            "RANGE_BOGUS",
            always,
            "high" if "pat.c" in fact.text_of("file") else "medium",
            "before 3.7 an empty or wrapped range stopped the kernel (BUG_ON start >= end)",
        )
        found.append(finding(rule, (fact,), case))
    for sanity in case.log.of("resource_sanity"):
        mine = tuple(
            w
            for w in warnings
            if id(w) not in used
            and w.text_of("func") == "memtype_reserve_io"
            and 0 <= w.line - sanity.line <= 12
        )
        if not mine:
            continue
        if ranges.is_no_bar(*sanity.span) or ranges.is_wrapped(*sanity.span):
            rule = Rule("RANGE_BOGUS", always, "high", "0 to all ones is an unassigned BAR")
        elif _runs_over(sanity):
            rule = Rule(
                "RANGE_CROSSES_RESOURCE",
                always,
                "medium",
                "the range begins inside the named resource and ends behind it",
            )
        else:
            continue
        used.update(id(w) for w in mine)
        found.append(finding(rule, (sanity, *mine), case))
        used.add(id(sanity))
    return found, used


def _runs_over(sanity: Fact) -> bool:
    """Whether the request begins in the resource of the line and ends behind its end."""
    start, end = sanity.number("inner_start"), sanity.number("inner_end")
    if start is None or end is None:
        return False
    return start < sanity.span[0] < end < sanity.span[1]
