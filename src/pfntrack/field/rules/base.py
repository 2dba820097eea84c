"""What all rules share: the case at hand, and rules as rows of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import attrs

from pfntrack.field.catalogue.diagnoses.codes import CODES
from pfntrack.field.finding import Finding
from pfntrack.field.read import ranges
from pfntrack.field.read.collect import Log
from pfntrack.field.read.context import Context
from pfntrack.field.read.facts import Fact
from pfntrack.field.read.kernelrelease import KernelRelease, parse_release
from pfntrack.field.read.replay import Replay


@attrs.frozen(slots=True)
class Case:
    """A log together with everything else that is known."""

    log: Log
    context: Context
    replay: Replay | None = None
    releases: Counter[str] = attrs.field(factory=Counter)
    poisoned: frozenset[int] = frozenset()

    @property
    def release(self) -> KernelRelease | None:
        """The kernel in question: what the user states beats what the log shows."""
        return self.context.release or self.log.release

    def window(self, code: str) -> bool | None:
        """Whether this kernel is inside the window of `code`; None when unknown."""
        window = CODES[code].window
        return window.affects(self.release) if window is not None else None


@attrs.frozen(slots=True)
class Rule:
    """One row: if `when` holds for the fact, the diagnosis is `code`, and why."""

    code: str
    when: Callable[[Fact, Case], bool]
    confidence: str
    because: str
    severity: str = ""
    harm: str = ""


def first_match(table: tuple[Rule, ...], fact: Fact, case: Case) -> Rule:
    """The first row that holds; tables run from special to general and end with `always`."""
    return next(rule for rule in table if rule.when(fact, case))


def finding(rule: Rule, facts: tuple[Fact, ...], case: Case) -> Finding:
    """The finding of a matched rule, with what the range and the machine add to it."""
    lead = facts[0]
    notes: list[str] = []
    owners: list[str] = []
    candidates: list[tuple[str, str]] = []
    missing: list[str] = []
    for fact in facts[:8]:
        if not fact.has_range:
            continue
        notes += ranges.notes(*fact.span)
        crossed = case.context.crossed(fact.span)
        if crossed:
            notes.append(crossed)
        owners += case.context.owners(fact.span)
        candidates += _pairs(fact, case)
    if lead.values.get("elided"):
        notes.append("addresses or types were cut out of the lines, so they cannot be checked")
    entry = CODES[rule.code]
    window = case.window(rule.code)
    limit = implied_limit(facts)
    if window is None and entry.window is not None and limit is not None:
        first, text = limit
        if entry.window.affects(parse_release(first)) is False:
            window = False
            notes.append(f"{text}: too old for the later defects")
    if entry.window is not None and case.release is None and window is None:
        missing.append("the kernel release")
    if lead.kind in ("conflict", "reserve_failed") and not case.context.entries:
        missing.append("the memtype list of the same boot")
    return Finding(
        rule.code,
        rule.confidence,
        (rule.because,),
        facts,
        severity=rule.severity,
        harm=rule.harm,
        notes=tuple(dict.fromkeys(notes)),
        owners=tuple(dict.fromkeys(owners)),
        candidates=tuple(dict.fromkeys(candidates)),
        missing=tuple(missing),
        affected=window,
    )


def implied_limit(facts: tuple[Fact, ...]) -> tuple[str, str] | None:
    """The newest release whose notation the lines have, and why; None if they do not tell."""
    for fact in facts:
        func = fact.text_of("func")
        if func.endswith("_pfn_vma") or any(f.endswith("_pfn_vma") for f in fact.frames):
            return "3.6", "the function name is one of kernels before 3.7"
        if fact.kind == "free_invalid" and fact.has_range and "[mem" not in fact.text:
            return "3.4", "the notation is one of kernels before 3.5"
    return None


def _pairs(fact: Fact, case: Case) -> list[tuple[str, str]]:
    """The entries of the list that explain a conflict: the leftmost and the first that differs."""
    if fact.kind != "conflict" or not case.context.entries:
        return []
    hits = case.context.entries_in(fact.span)
    if not hits:
        return []
    other = next((entry for entry in hits if entry.type != hits[0].type), None)
    return [(str(hits[0]), str(other))] if other is not None else []


def always(_: Fact, __: Case) -> bool:
    """The last row of a table."""
    return True
