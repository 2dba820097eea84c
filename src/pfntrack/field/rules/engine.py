"""All families in order, each fact used once, the root cause first."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable

import attrs

from pfntrack.field.catalogue.diagnoses import look_alikes as texts
from pfntrack.field.catalogue.diagnoses.codes import CODES
from pfntrack.field.finding import (
    CONFIDENCES,
    SEVERITIES,
    Finding,
    across_boots,
    merge,
    unite,
)
from pfntrack.field.read.collect import Log
from pfntrack.field.read.context import Context
from pfntrack.field.read.facts import Fact
from pfntrack.field.read.replay import Replay, replay
from pfntrack.field.rules import (
    conflict,
    known,
    mapping,
    near,
    release,
    silent,
    stack,
    state,
    warning,
)
from pfntrack.field.rules.base import Case, Rule, always, finding

# Causes that explain others come before what they explain, at equal severity.
_ORDER = {code: at for at, code in enumerate(CODES)}
_ROOT = (
    "RANGE_BOGUS",
    "RANGE_CROSSES_RESOURCE",
    "KERNEL_BUG_SANITIZE_PHYS",
    "SET_MEMORY_ON_TRACKED_PMEM",
)
# Said only when nothing else is to be said at the same level.
_LAST = ("MTRR_STATE", "MTRR_CPUS_DIFFER", "MTRR_REQUEST_REFUSED", "UNCLASSIFIED_TRACE")
_FOLLOW_REACH = 400


def diagnose(log: Log, context: Context | None = None) -> tuple[tuple[Finding, ...], Replay | None]:
    """Findings of a log, most important first, and the replay of its debugpat lines.

    Boots are judged by themselves; only what the lines about PAT say is compared between them.
    """
    given = context or Context()
    stated = state.pat_state(_case(log, given, None))
    found: list[Finding] = []
    played: Replay | None = None
    for number, part in enumerate(log.parts or (log,), 1):
        case = _case(part, given, replay(part.events))
        played = case.replay or played
        made = _judged(case, stated)
        if log.parts:
            made = [attrs.evolve(f, boot=_boot(number, log)) for f in made]
        found += made
    if log.parts:
        found = across_boots(found, len(log.parts))
    found = sorted([*found, *stated], key=_rank)
    if all(f.level == "none" for f in found):
        found += silent.healthy(_case(log, given, None))
    # What every boot says about its MTRRs is worth a line only where nothing else is said.
    found = [f for f in found if f.code != "MTRR_STATE" or f.level != "none"] or found[:1]
    return tuple(found), played


def tell(
    lines: Iterable[tuple[int, str]], log: Log, context: Context | None = None
) -> tuple[Finding, ...]:
    """What the catalogue knows of the lines, where no rule found anything."""
    found = known.known(lines, _case(log, context or Context(), None))
    return tuple(sorted(found, key=_rank))


def _boot(number: int, log: Log) -> str:
    """Which boot it is, in words."""
    part = log.parts[number - 1]
    where = f", from line {part.boots[0]}" if part.boots else ", before the first banner"
    return f"boot {number} of {len(log.parts)}{where}"


def _judged(case: Case, stated: list[Finding]) -> list[Finding]:
    """The findings of one boot, without those about the state of PAT."""
    refused, used = conflict.conflicts(case)
    released, attached = release.releases(case, refused)
    refused = [
        attrs.evolve(f, followups=(*f.followups, *attached.get(at, [])))
        for at, f in enumerate(refused)
    ]
    impossible, taken = mapping.impossible(case)
    used |= taken
    mtrr_found, taken = state.mtrr(case)
    used |= taken
    mapped = mapping.mappings(case)
    warned = warning.warnings(case, used)
    causes = [*impossible, *refused, *mapped, *mapping.ram(case), *released, *warned]
    causes = _pmem_story(causes, case)
    causes += silent.downgrades(case)
    causes += _orphan_errors(case, causes)
    reserved_io = stack.io_reserve(case, used)
    causes += stack.traces(case, used)
    around = near.neighbours(case, {id(f) for made in causes for f in made.facts})
    explained = any(f.level in ("warning", "error") for f in causes)
    decided = any(f.code == "NOT_PAT" and f.variant is not texts.HUGE for f in around)
    causes += silent.silent_failures(case, explained or decided)
    causes += near.monitors(case, explained or decided)
    told = explained or any(f.level in ("warning", "error") or f.code == "NOT_PAT" for f in around)
    causes += near.without_reason(case, told)
    if not causes:
        causes += silent.wc_question(case)
    if any(f.code.startswith("PAT_OFF") for f in stated):
        around = [f for f in around if f.code != "PAT_OFF"]
    found = merge([*causes, *mtrr_found, *around, *reserved_io])
    found += merge(silent.look_alikes(case, used))
    found = sorted(found, key=_rank)
    found = _attach_followups(found, case, used)
    return _constructed(found, case)


def _case(log: Log, context: Context, played: Replay | None) -> Case:
    releases: Counter[str] = Counter()
    for fact in log.of("free_invalid"):
        releases[fact.text_of("comm")] += fact.count
    failures = log.of("memory_failure", "mce_nospec_failed")
    poisoned = frozenset(int(fact.text_of("pfn"), 16) for fact in failures)
    return Case(log, context, played, releases, poisoned)


def _rank(made: Finding) -> tuple[int, int, int, int, int]:
    first = min((fact.line for fact in made.facts), default=0)
    return (
        -SEVERITIES.index(made.level) if made.code != "SYNTHETIC_RULE_CHECK" else -len(SEVERITIES),
        0 if made.code in _ROOT else 2 if made.code in _LAST else 1,
        -CONFIDENCES.index(made.confidence),
        first,
        _ORDER[made.code],
    )


def _pmem_story(causes: list[Finding], case: Case) -> list[Finding]:
    """A poisoned page leaves lines of several kinds; they are one story."""
    mine = [f for f in causes if f.code == "SET_MEMORY_ON_TRACKED_PMEM"]
    extra = tuple(case.log.of("mce_nospec_failed"))
    if not mine:
        if not extra:
            return causes
        rule = Rule(
            "SET_MEMORY_ON_TRACKED_PMEM",
            always,
            "high",
            "the poisoned page could not be taken out of the direct map",
        )
        return [*causes, finding(rule, extra, case)]
    mine.sort(key=lambda f: -SEVERITIES.index(f.level))
    lead = unite(mine)
    lead = attrs.evolve(lead, facts=lead.facts + extra)
    return [lead, *(f for f in causes if f.code != "SET_MEMORY_ON_TRACKED_PMEM")]


def _orphan_errors(case: Case, causes: list[Finding]) -> list[Finding]:
    """ioremap errors whose reason was cut away."""
    orphans = case.log.of("ioremap_reserve_failed")
    if not orphans or any(
        f.level in ("error", "warning") or f.code == "RAM_TYPE_ALREADY_SET" for f in causes
    ):
        return _change_attr(case)
    number = orphans[0].number("errno")
    if number == -16:
        because = "-16 is a conflict of types; the line that names the range is missing or hidden"
        rule = Rule("CONFLICT_UNDERSPECIFIED", always, "medium", because)
    elif number == -22:
        because = "-22 is a bad range or one that is partly RAM; the line with the range is missing"
        rule = Rule("RANGE_BOGUS", always, "low", because)
    else:
        rule = Rule("NOT_PAT", always, "medium", "the error is not a conflict of types")
    return [finding(rule, tuple(orphans), case), *_change_attr(case)]


def _change_attr(case: Case) -> list[Finding]:
    facts = case.log.of("change_attr_failed")
    if not facts:
        return []
    rule = Rule("CONFLICT_UNDERSPECIFIED", always, "medium", "the line names the step that failed")
    wanted = facts[0].text_of("req")
    answer = (
        f"The kernel's own mapping of the range could not be made {wanted}, so the mapping that "
        "asked for it was refused; the line does not say why."
    )
    made = finding(rule, tuple(facts), case)
    return [attrs.evolve(made, answer=answer, variant=texts.CHANGE_ATTR)]


def _attach_followups(found: list[Finding], case: Case, used: set[int]) -> list[Finding]:
    """Consequences go to the nearest cause in front of them, never to a finding of their own."""
    if not found:
        return found
    told = {id(fact) for made in found for fact in made.facts}
    loose: list[Fact] = list(case.log.of("followup"))
    loose += [w for w in case.log.of("warning") if id(w) not in used]
    loose += [f for f in case.log.of("ioremap_reserve_failed") if id(f) not in told]
    extra: dict[int, list[Fact]] = {}
    causes = [
        (at, sorted(fact.line for fact in made.facts))
        for at, made in enumerate(found)
        if made.level in ("warning", "error")
        or made.code in ("RAM_TYPE_OVERRIDDEN", "RAM_TYPE_ALREADY_SET")
    ]
    for fact in sorted(loose, key=lambda f: f.line):
        best: tuple[int, int] | None = None
        for at, lines in causes:
            before = bisect_right(lines, fact.line + 2)
            distance = fact.line - lines[before - 1] if before else _FOLLOW_REACH + 1
            if distance <= _FOLLOW_REACH and (best is None or distance < best[0]):
                best = (distance, at)
        if best is not None:
            extra.setdefault(best[1], []).append(fact)
    return [
        attrs.evolve(made, followups=(*made.followups, *extra.get(at, ())))
        for at, made in enumerate(found)
    ]


def _constructed(found: list[Finding], case: Case) -> list[Finding]:
    """Lines that call themselves constructed and hold a conflict serve as a check of the rule."""
    lead = case.log.of("conflict")
    if not lead or not case.log.has("constructed"):
        return found
    rule = Rule(
        "SYNTHETIC_RULE_CHECK", always, "high", "the text says that its lines were constructed"
    )
    made = finding(rule, tuple(lead), case)
    return [*found, attrs.evolve(made, missing=())]
