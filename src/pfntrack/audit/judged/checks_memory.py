"""Findings that rest on page tables and contexts, so on kernel memory alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import attrs

from pfntrack.audit.judged.effective import differ
from pfntrack.audit.judged.finding import Finding, span_text
from pfntrack.audit.read.evidence import Evidence
from pfntrack.audit.read.users import Untracked, User
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.intervals import Range
from pfntrack.pat.ram import PAGE_SHIFT

MAX_ALIASES = 1000


@attrs.frozen
class Use:
    """Physical memory in use with a type: mapped by `user`, by the kernel, or reserved."""

    start: int
    end: int
    type: CacheMode
    words: str
    user: User | None = None


def uses(evidence: Evidence, people: Iterable[User]) -> list[Use]:
    """Present page-table entries of device memory, of processes and of ioremap areas."""
    untracked = Untracked(evidence)
    found = []
    for user in people:
        for entry in user.vma.entries:
            if entry.pfn is not None:
                start, pages = entry.pfn << PAGE_SHIFT, entry.end - entry.start
                end = start + (pages << PAGE_SHIFT)
                if not untracked(start, end):
                    words = f"{user} maps {entry.type.cattr}"
                    found.append(Use(start, end, entry.type, words, user))
    for area in evidence.state.kernel_mappings:
        if area.mapped and not untracked(area.start, area.end):
            words = f"ioremap {area.owner} maps {area.type.cattr}"
            found.append(Use(area.start, area.end, area.type, words))
    return found


def aliases(evidence: Evidence, people: Sequence[User]) -> Iterator[Finding]:
    """Overlapping mappings of different effective types, and mappings unlike their reservation."""
    mapped = uses(evidence, people)
    told: set[Use] = set()
    for one, other in _clashes(evidence, mapped):
        told |= {one, other}
        yield _alias(evidence, one, other)
    rows = [
        Use(row.start, row.end, row.type, f"reserved {row.type.cattr}")
        for row in evidence.state.reservations
    ]
    left = [use for use in mapped if use not in told]
    for one, other in _clashes(evidence, left + rows):
        if (one.words[:8] == "reserved") is not (other.words[:8] == "reserved"):
            yield _alias(evidence, one, other)


def _clashes(evidence: Evidence, found: list[Use]) -> Iterator[tuple[Use, Use]]:
    """For each use, one earlier use of each other type that it overlaps."""
    latest: dict[CacheMode, Use] = {}
    count = 0
    for use in sorted(found, key=lambda use: (use.start, use.end)):
        for kind, other in latest.items():
            if kind is use.type or other.end <= use.start or count >= MAX_ALIASES:
                continue
            if differ(evidence, use.start, min(use.end, other.end), use.type, kind):
                count += 1
                yield other, use
        known = latest.get(use.type)
        if known is None or known.end < use.end:
            latest[use.type] = use


def _alias(evidence: Evidence, one: Use, other: Use) -> Finding:
    start, end = max(one.start, other.start), min(one.end, other.end)
    sources = evidence.sources
    pids = sorted({use.user.pid for use in (one, other) if use.user is not None})
    return Finding(
        "alias-mismatch",
        "warning" if evidence.mtrr is None else "error",
        "possible" if evidence.mtrr is None else "certain",
        f"{span_text(start, end)}: {one.words}; {other.words}",
        ("page-table entries", sources.listed, sources.mtrr),
        (start, end),
        None,
        tuple(pids),
    )


def counts(evidence: Evidence, people: Sequence[User]) -> Iterator[Finding]:
    """Contexts whose count is not the number of mappings that hold them.

    Too high, the range stays reserved for good; too low, it is released while
    still mapped.
    """
    if evidence.gaps & {"processes", "entries"}:
        return
    holders: Counter[int] = Counter()
    for user in people:
        if user.vma.context is not None:
            holders[user.vma.context] += 1
    for context in evidence.state.contexts:
        found = holders[context.id]
        if context.refs == found or not evidence.still:
            continue
        then = "stays reserved for good" if context.refs > found else "is released too early"
        yield Finding(
            "context-count",
            "error",
            "likely",
            f"{span_text(context.start, context.end)}: the context counts {context.refs} holders, "
            f"{found} mappings hold it: the range {then}",
            ("pfnmap_track_ctx.kref", evidence.sources.maps),
            (context.start, context.end),
        )


def copies(people: Sequence[User]) -> Iterator[Finding]:
    """Private copies in RAM that are mapped with the device's type."""
    for user in people:
        odd: dict[CacheMode, int] = {}
        for entry in user.vma.entries:
            if entry.pfn is None and entry.type is not CacheMode.WB:
                odd[entry.type] = odd.get(entry.type, 0) + entry.end - entry.start
        for kind, pages in odd.items():
            yield Finding(
                "copy-not-write-back",
                "info",
                "certain",
                f"{user}: {pages} copied page{'s' if pages != 1 else ''} in RAM "
                f"{'are' if pages != 1 else 'is'} mapped {kind.cattr}, while the kernel uses "
                "the same RAM write-back",
                ("page-table entries",),
                user.phys,
                kind.cattr,
                (user.pid,),
            )


def granted(user: User) -> list[tuple[Range, CacheMode]]:
    """The types that a mapping really has, by physical range."""
    return [
        (
            (entry.pfn << PAGE_SHIFT, (entry.pfn + entry.end - entry.start) << PAGE_SHIFT),
            entry.type,
        )
        for entry in user.vma.entries
        if entry.pfn is not None
    ]
