"""A finding: one diagnosis with the facts it rests on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import attrs

from pfntrack.field.catalogue.diagnoses.codes import CODES, Code
from pfntrack.field.read.facts import Fact

T = TypeVar("T")
MAX_NOTES = 40
SEVERITIES = ("none", "info", "warning", "error")
CONFIDENCES = ("low", "medium", "high")


@attrs.frozen(slots=True)
class Finding:
    """What happened, how sure that is, and why."""

    code: str
    confidence: str
    basis: tuple[str, ...]
    facts: tuple[Fact, ...]
    followups: tuple[Fact, ...] = ()
    severity: str = ""
    harm: str = ""
    notes: tuple[str, ...] = ()
    candidates: tuple[tuple[str, str], ...] = ()
    owners: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    affected: bool | None = None
    alternatives: tuple[str, ...] = ()
    answer: str = ""
    variant: Code | None = None
    boot: str = ""

    @property
    def entry(self) -> Code:
        """What the catalogue says about the code, or the more special text of this case."""
        return self.variant if self.variant is not None else CODES[self.code]

    @property
    def level(self) -> str:
        return self.severity or self.entry.severity

    @property
    def impact(self) -> str:
        return self.harm or self.entry.harm

    @property
    def count(self) -> int:
        """How many log lines the facts stand for."""
        return sum(fact.count for fact in self.facts)

    @property
    def rate(self) -> float | None:
        """Lines per second over the time they span, if that says anything."""
        times = [t for f in self.facts for t in (f.time, f.last_time) if t is not None]
        if self.count < 3 or not times or max(times) <= min(times):
            return None
        return self.count / (max(times) - min(times))


def merge(findings: list[Finding]) -> list[Finding]:
    """Findings of the same code become one; refusals only if the same task met them."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        lead = finding.facts[0]
        comm = lead.text_of("comm") if lead.kind in ("conflict", "reserve_failed") else ""
        title = finding.variant.title if finding.variant is not None else ""
        groups.setdefault((finding.code, comm + title), []).append(finding)
    return [group[0] if len(group) == 1 else unite(group) for group in groups.values()]


def across_boots(findings: list[Finding], boots: int) -> list[Finding]:
    """What several boots have in common is said once, of the last one; it names the boots.

    Each was judged on the lines of its own boot, and only equal verdicts are put together.
    """
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for made in reversed(findings):
        title = made.variant.title if made.variant is not None else ""
        comm = made.facts[0].text_of("comm")
        groups.setdefault((made.code, title, comm, made.affected, made.level), []).append(made)
    found = []
    for group in groups.values():
        made = group[0]
        if len(group) == boots:
            made = attrs.evolve(unite(group), boot="")
        elif len(group) > 1:
            made = attrs.evolve(unite(group), boot=f"{len(group)} of {boots} boots")
        if len(group) > 1:
            names = "; ".join(each.boot for each in reversed(group))
            made = attrs.evolve(made, notes=(f"seen in {names}", *made.notes)[:MAX_NOTES])
        found.append(made)
    return found


def unite(group: list[Finding]) -> Finding:
    """Findings of one code as one: everything they say, the most serious level, the best proof."""
    return attrs.evolve(
        group[0],
        confidence=max((f.confidence for f in group), key=CONFIDENCES.index),
        severity=max((f.level for f in group), key=SEVERITIES.index),
        basis=_union(f.basis for f in group),
        facts=tuple(fact for f in group for fact in f.facts),
        followups=tuple(fact for f in group for fact in f.followups),
        notes=_union(f.notes for f in group)[:MAX_NOTES],
        candidates=_union(f.candidates for f in group)[:MAX_NOTES],
        owners=_union(f.owners for f in group)[:MAX_NOTES],
        missing=_union(f.missing for f in group),
    )


def _union(parts: Iterable[tuple[T, ...]]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(item for part in parts for item in part))
