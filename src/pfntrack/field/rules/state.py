"""The state of PAT and MTRRs as the boot lines tell it."""

from __future__ import annotations

from bisect import bisect_right

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
    """Findings about PAT being off or laid out by someone else; none when it is normal.

    Every boot in the file is judged by itself; the last one is the one in question.
    """
    log = case.log
    facts = log.of("pat_config", "pat_skip_mtrr", "pat_disabled")
    judged = [(part, _judged(part, case)) for part in _boots(facts, log.boots)]
    bad = [(part, rule) for part, rule in judged if rule is not None]
    if not bad:
        return []
    part, rule = bad[-1]
    made = finding(rule, tuple(part), case)
    if len(judged) == 1:
        return [made]
    last = judged[-1][1] is rule
    others = sum(each is None for _, each in judged)
    note = f"{len(judged)} boots are in the text; in {others} of them PAT is on"
    where = f"In the boot around line {part[0].line}"
    now = "" if last else "; in the last one PAT is on"
    answer = f"{where} PAT was off: {rule.because}{now}."
    return [attrs.evolve(made, notes=(*made.notes, note), answer=answer)]


def _boots(facts: list[Fact], banners: tuple[int, ...]) -> list[list[Fact]]:
    """The facts of each boot: a banner begins one, and so does what follows a table."""
    parts: list[list[Fact]] = []
    ended, boot = True, -1
    for number, fact in enumerate(facts):
        at = bisect_right(banners, fact.line)
        later = any(
            each.kind == "pat_config" and bisect_right(banners, each.line) == at
            for each in facts[number:]
        )
        # A line about PAT being off belongs to the next table, if one follows.
        if at != boot or (ended and later) or not parts:
            parts.append([])
        parts[-1].append(fact)
        ended, boot = fact.kind == "pat_config", at
    return parts


def _judged(facts: list[Fact], case: Case) -> Rule | None:
    """The rule that holds for one boot, or None when PAT is on as usual."""
    log = case.log
    layouts = {fact.text_of("slots") for fact in facts if fact.kind == "pat_config"}
    skipped = any(fact.kind == "pat_skip_mtrr" for fact in facts)
    disabled = [fact for fact in facts if fact.kind == "pat_disabled"]
    reason = _reason(disabled)
    # Xen's table is in use whatever the option says, but with the option Linux does not use it.
    if "boot option" in reason or (log.has("nopat_option") and disabled):
        return Rule("PAT_OFF_USER", always, "high", "the boot lines name the option nopat")
    if XEN_LAYOUT in layouts:
        return Rule("XEN_PV_PAT_LAYOUT", always, "high", "the table is the one that Xen sets up")
    if "CONFIG_X86_PAT" in reason or reason == "PAT support disabled.":
        return Rule("PAT_OFF_USER", always, "high", "the boot line names the choice")
    if skipped or "CONFIG_MTRR" in reason:
        xen = log.has("xen") and not layouts
        code = "XEN_PV_PAT_LAYOUT" if xen else "PAT_OFF_BECAUSE_MTRR_OFF"
        return Rule(code, always, "medium" if xen else "high", "the boot line names the MTRRs")
    if disabled:
        return Rule("PAT_OFF_CPU", always, "high", "the boot line names processor or firmware")
    if layouts == {LEGACY_LAYOUT}:
        if log.has("nopat_option"):
            return Rule("PAT_OFF_USER", always, "high", "nopat is on the kernel command line")
        if log.has("mtrr_off"):
            return Rule("PAT_OFF_BECAUSE_MTRR_OFF", always, "medium", "the MTRRs are off")
        return Rule("PAT_OFF_CPU", always, "low", "the power-on table is used; no line says why")
    return None


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
