"""The state of PAT and MTRRs as the boot lines tell it."""

from __future__ import annotations

import attrs

from pfntrack.field.finding import Finding
from pfntrack.field.read.facts import Fact
from pfntrack.field.rules.base import Case, Rule, always, finding

XEN_LAYOUT = "WB WT UC- UC WC WP UC UC"
LEGACY_LAYOUT = "WB WT UC- UC WB WT UC- UC"
_MSR_CODES = {0: "UC", 1: "WC", 4: "WT", 5: "WP", 6: "WB", 7: "UC-"}


def layout_of_msr(value: int) -> str:
    """The eight slots of a PAT register value; unknown codes count as write-back."""
    return " ".join(_MSR_CODES.get(value >> (8 * slot) & 0xFF, "WB") for slot in range(8))


def _reason(facts: list[Fact]) -> str:
    return " ".join(fact.text_of("reason") for fact in facts)


def pat_state(case: Case) -> list[Finding]:
    """Findings about PAT being off or laid out by someone else; none when it is normal."""
    log = case.log
    configs, skipped, disabled = (
        log.of("pat_config"),
        log.of("pat_skip_mtrr"),
        log.of("pat_disabled"),
    )
    facts = tuple(sorted([*configs, *skipped, *disabled], key=lambda f: f.line))
    layouts = {fact.text_of("slots") for fact in configs}
    if not facts:
        return []
    if XEN_LAYOUT in layouts:
        rule = Rule("XEN_PV_PAT_LAYOUT", always, "high", "the table is the one that Xen sets up")
        return [finding(rule, facts, case)]
    reason = _reason(disabled)
    if "boot option" in reason or "CONFIG_X86_PAT" in reason or reason == "PAT support disabled.":
        rule = Rule("PAT_OFF_USER", always, "high", "the boot line names the choice")
    elif skipped or "CONFIG_MTRR" in reason:
        code = "XEN_PV_PAT_LAYOUT" if log.has("xen") and not configs else "PAT_OFF_BECAUSE_MTRR_OFF"
        rule = Rule(code, always, "high", "the boot line names the MTRRs")
    elif disabled:
        rule = Rule("PAT_OFF_CPU", always, "high", "the boot line names processor or firmware")
    elif layouts == {LEGACY_LAYOUT}:
        if log.has("nopat_option"):
            rule = Rule("PAT_OFF_USER", always, "high", "nopat is on the kernel command line")
        elif log.has("mtrr_off"):
            rule = Rule("PAT_OFF_BECAUSE_MTRR_OFF", always, "medium", "the MTRRs are off")
        else:
            rule = Rule(
                "PAT_OFF_CPU", always, "low", "the power-on table is in use, reason not shown"
            )
    else:
        return []
    return [finding(rule, facts, case)]


def mtrr(case: Case) -> tuple[list[Finding], set[int]]:
    """Findings of the MTRR code, with the lines that belong to them."""
    log = case.log
    found: list[Finding] = []
    used: set[int] = set()
    trims = log.of("mtrr_trim")
    if trims:
        mine = [w for w in log.of("warning") if "mtrr" in w.text_of("func")]
        used.update(id(w) for w in mine)
        old = log.of("pat_enabled_old")
        rule = Rule("MTRR_TRIM", always, "high", "the line itself names the amount that is lost")
        made = finding(rule, (*trims, *mine, *old), case)
        notes = [
            f"PAT is fine: its register decodes to {layout_of_msr(int(f.text_of('new'), 16))}"
            for f in old
        ]
        found.append(attrs.evolve(made, notes=(*made.notes, *notes)))
    mismatches = log.of("mtrr_mismatch")
    if mismatches:
        rule = Rule("MTRR_LEGACY_OVERLAP", always, "high", "the message comes from the MTRR code")
        found.append(finding(rule, tuple(mismatches), case))
    return found, used
