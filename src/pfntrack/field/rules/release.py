"""Failed releases: which of their causes, from the range, the kernel and the company."""

from __future__ import annotations

import attrs

from pfntrack.field.catalogue.diagnoses.look_alikes import BY_IOUNMAP, OLD_RELEASE
from pfntrack.field.finding import Finding
from pfntrack.field.read import ranges
from pfntrack.field.read.facts import Fact, hex_range
from pfntrack.field.read.kernelrelease import Window
from pfntrack.field.rules.base import Case, Rule, always, finding, first_match

MANY = 4
_IOUNMAP = "the trace beside it shows iounmap()"
LARGE = 2 << 20
_SHRINK_ERA = Window("3.7", "4.5")
_SPLIT_ERA = Window("4.5", "6.16")


def _poisoned(fact: Fact, case: Case) -> bool:
    if not fact.has_range or fact.size != ranges.PAGE:
        return False
    return fact.span[0] >> 12 in case.poisoned


def _top(fact: Fact, _: Case) -> bool:
    return fact.has_range and fact.span[1] in (1 << 52, 1 << 64) and fact.span[0] < 1 << 52


def _elided(fact: Fact, _: Case) -> bool:
    return not fact.has_range


def _never_reserved(fact: Fact, _: Case) -> bool:
    # Page 0 over and over: an error path frees pages that were never allocated.
    return fact.has_range and fact.span == (0, ranges.PAGE) and fact.count >= MANY


def _many(fact: Fact, case: Case) -> bool:
    return case.releases[fact.text_of("comm")] >= MANY


def _old_notation(fact: Fact, _: Case) -> bool:
    # The bare S-E notation was replaced in 3.5, before mappings were tracked as a whole.
    return "[mem" not in fact.text


def _replayed_wrong_owner(_: Fact, case: Case) -> bool:
    return case.replay is not None and case.replay.first_wrong is not None


def _by_iounmap(fact: Fact, case: Case) -> bool:
    """A trace beside the line shows a kernel mapping being released, not a user's."""
    for trace in case.log.of("warning", "crash", "frames"):
        names = (trace.text_of("func"), *trace.frames)
        if abs(trace.line - fact.line) <= 15 and any(
            "iounmap" in n or "unmap_iomem" in n for n in names
        ):
            return True
    return case.log.has("iounmap_frames")


RELEASE_RULES: tuple[Rule, ...] = (
    Rule(
        "KERNEL_BUG_SIGN_EXTENSION",
        lambda f, _: f.has_range and ranges.is_sign_extended(*f.span),
        "medium",
        "no physical address has its upper half all ones; the cause is inferred from that",
    ),
    Rule(
        "SET_MEMORY_ON_TRACKED_PMEM",
        _poisoned,
        "high",
        "the page is the one that the memory failure names: a release after clearing the poison",
        "info",
        "harmless",
    ),
    Rule(
        "KERNEL_BUG_AMBIGUOUS_FREE",
        _replayed_wrong_owner,
        "high",
        "replaying the debugpat lines shows a release that shortened another reservation",
    ),
    Rule(
        "KERNEL_BUG_VMA_SPLIT",
        lambda _, case: case.replay is not None and bool(case.replay.missed),
        "high",
        "replaying the debugpat lines shows a release of a piece of a reservation",
    ),
    Rule(
        "KERNEL_BUG_SANITIZE_PHYS",
        _top,
        "medium",
        "the range ends at the top of the physical address space, where the release masks the "
        "end to zero (all kernels)",
        "info",
        "leak",
    ),
    Rule(
        "UNMAP_SHAPE_DIFFERS",
        _never_reserved,
        "medium",
        "page 0 is released again and again: a driver frees pages that it never allocated",
    ),
    Rule("UNMAP_SHAPE_DIFFERS", _elided, "low", "the range is cut away"),
    Rule(
        "UNMAP_SHAPE_DIFFERS",
        _by_iounmap,
        "medium",
        f"{_IOUNMAP}: a kernel mapping is released, so no user mapping was split",
    ),
    Rule(
        "UNMAP_SHAPE_DIFFERS",
        _old_notation,
        "low",
        "a kernel before 3.5, from its notation: the releases of later kernels do not apply",
    ),
    Rule(
        "KERNEL_BUG_MREMAP_SHRINK",
        lambda _, case: case.log.has("mremap") and case.log.has("shrink"),
        "high",
        "the report says that a mapping was shrunk with mremap",
    ),
    Rule(
        "KERNEL_BUG_MREMAP_SHRINK",
        lambda _, case: _SHRINK_ERA.affects(case.release) is True,
        "high",
        "3.7 to 4.4 cannot release a part of a reservation",
    ),
    Rule(
        "UNMAP_SHAPE_DIFFERS",
        _many,
        "medium",
        "many releases of one task miss: it unmaps in another shape than it maps",
    ),
    Rule(
        "UNMAP_SHAPE_DIFFERS",
        lambda _, case: case.release is not None and _SPLIT_ERA.affects(case.release) is False,
        "medium",
        "this kernel releases whole mappings only, so a driver must be calling the release itself",
    ),
    Rule(
        "KERNEL_BUG_VMA_SPLIT",
        lambda _, case: _SPLIT_ERA.affects(case.release) is True,
        "high",
        "4.5 to 6.15 release a tail but neither a head nor a middle piece of a reservation",
    ),
    Rule(
        "KERNEL_BUG_VMA_SPLIT",
        lambda _, case: case.log.has("split") or case.log.has("mremap"),
        "high",
        "the report says that a mapping was split",
    ),
    Rule(
        "KERNEL_BUG_MREMAP_SHRINK",
        lambda f, _: f.size >= LARGE,
        "low",
        "the kernel is not known; a piece this large is more often cut off by a resize (3.7 to "
        "4.4) than by a split (4.5 to 6.15)",
    ),
    Rule(
        "KERNEL_BUG_VMA_SPLIT",
        always,
        "medium",
        "the kernel is not known; a piece of a few pages is what splitting a mapping leaves "
        "(4.5 to 6.15)",
    ),
)


def releases(case: Case, conflicts: list[Finding]) -> tuple[list[Finding], dict[int, list[Fact]]]:
    """Findings for failed releases; those that only follow a refusal go to that finding."""
    found: list[Finding] = []
    attached: dict[int, list[Fact]] = {}
    groups: dict[tuple[str, str], list[Fact]] = {}
    rules: dict[tuple[str, str], Rule] = {}
    refused = _first_refusals(conflicts)
    for fact in case.log.of("free_invalid"):
        parent = _refused_before(fact, refused)
        if parent is not None:
            attached.setdefault(parent, []).append(fact)
            continue
        rule = first_match(RELEASE_RULES, fact, case)
        key = (rule.code, fact.text_of("comm"))
        groups.setdefault(key, []).append(fact)
        rules.setdefault(key, rule)
    for key, facts in groups.items():
        if case.replay is not None and case.replay.missed:
            facts = [*facts, *case.log.of("debug_added", "debug_overlap", "debug_free")[:200]]
        made = finding(rules[key], tuple(facts), case)
        if rules[key].because.startswith(_IOUNMAP):
            where = hex_range(*facts[0].span) if facts[0].has_range else "a range"
            answer = (
                f"iounmap() released {where}, for which there is no reservation of that shape; no "
                "user mapping is involved and no data is at risk."
            )
            made = attrs.evolve(made, variant=BY_IOUNMAP, affected=None, missing=(), answer=answer)
        if made.code == "UNMAP_SHAPE_DIFFERS" and all(
            f.has_range and _old_notation(f, case) for f in facts if f.kind == "free_invalid"
        ):
            made = attrs.evolve(made, variant=OLD_RELEASE, affected=None)
        found.append(_enrich(made, case))
    return found, attached


def _first_refusals(conflicts: list[Finding]) -> dict[tuple[int, int], tuple[int, int]]:
    """For every refused range the line of its first refusal and the index of the finding."""
    first: dict[tuple[int, int], tuple[int, int]] = {}
    for at, refused in enumerate(conflicts):
        for lead in refused.facts:
            if lead.has_range and (lead.span not in first or lead.line < first[lead.span][0]):
                first[lead.span] = (lead.line, at)
    return first


def _refused_before(fact: Fact, refused: dict[tuple[int, int], tuple[int, int]]) -> int | None:
    """Index of the refusal of the same range that came first (2.6.31: released all the same)."""
    if not fact.has_range or fact.span not in refused:
        return None
    line, at = refused[fact.span]
    return at if line < fact.line else None


def _enrich(made: Finding, case: Case) -> Finding:
    notes = list(made.notes)
    alternatives: tuple[str, ...] = ()
    if case.release is None and made.confidence in ("low", "medium"):
        if made.code == "KERNEL_BUG_MREMAP_SHRINK":
            alternatives = ("KERNEL_BUG_VMA_SPLIT",)
        elif made.code == "KERNEL_BUG_VMA_SPLIT":
            alternatives = ("KERNEL_BUG_MREMAP_SHRINK",)
    if case.replay is not None and case.replay.missed:
        residue = case.replay.residue
        if residue:
            left = ", ".join(f"{hex_range(e.start, e.end)} {e.type.cattr}" for e in residue[:6])
            notes.append(f"after the last line the replayed tree still holds {left}")
        if case.replay.first_wrong is not None:
            step = case.replay.first_wrong
            notes.append(f"it went wrong on line {step.line}: {step.action} {step.note}")
    runs = _consecutive(tuple(f for f in made.facts if f.kind == "free_invalid"))
    if runs:
        notes.append(runs)
    lines = [f for f in made.facts if f.kind == "free_invalid"]
    total = sum(f.count for f in lines)
    tasks = {f.text_of("comm") for f in lines}
    if total > 1 and len(tasks) == 1:
        notes.append(f"{total} lines from {next(iter(tasks)) or 'one task'}")
    return attrs.evolve(made, notes=tuple(dict.fromkeys(notes)), alternatives=alternatives)


def _consecutive(facts: tuple[Fact, ...]) -> str:
    """Adjacent ranges told as one: the shape of the original mapping."""
    spans = sorted({f.span for f in facts if f.has_range})
    best: tuple[int, int, int] | None = None
    start, end, count = 0, -1, 0
    for span in spans:
        if span[0] == end:
            end, count = span[1], count + 1
        else:
            start, end, count = span[0], span[1], 1
        if count > 1 and (best is None or count > best[2]):
            best = (start, end, count)
    if best is None:
        return ""
    return f"{best[2]} consecutive ranges form {hex_range(best[0], best[1])}"
