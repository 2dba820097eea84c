"""A finding: one diagnosis with the facts it rests on."""

from __future__ import annotations

from typing import TypeVar

import attrs

from pfntrack.field.codes import CODES, Code
from pfntrack.field.facts import Fact

T = TypeVar("T")
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

    @property
    def entry(self) -> Code:
        return CODES[self.code]

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
    merged: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        lead = finding.facts[0]
        comm = lead.text_of("comm") if lead.kind in ("conflict", "reserve_failed") else ""
        known = merged.get((finding.code, comm))
        if known is None:
            merged[(finding.code, comm)] = finding
            continue
        merged[(finding.code, comm)] = attrs.evolve(
            known,
            confidence=max(known.confidence, finding.confidence, key=CONFIDENCES.index),
            basis=_union(known.basis, finding.basis),
            facts=known.facts + finding.facts,
            followups=known.followups + finding.followups,
            severity=max(known.level, finding.level, key=SEVERITIES.index),
            notes=_union(known.notes, finding.notes),
            candidates=_union(known.candidates, finding.candidates),
            owners=_union(known.owners, finding.owners),
            missing=_union(known.missing, finding.missing),
        )
    return list(merged.values())


def _union(first: tuple[T, ...], second: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(first + second))
