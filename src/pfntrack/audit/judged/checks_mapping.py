"""Findings about mappings: lost tracking, missing cover, differing types, coming forks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pfntrack.audit.judged import checks_memory as memory
from pfntrack.audit.judged.effective import differ
from pfntrack.audit.judged.finding import Finding, span_text
from pfntrack.audit.judged.owners import Holding, Ownership, Standing
from pfntrack.audit.read.evidence import Evidence
from pfntrack.audit.read.users import Untracked, User, is_cow
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.intervals import Disjoint, Intervals, Range
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.state import Confidence

MAX_ALIASES = 1000


class Cover:
    """What some reading of the list covered, and where nothing has to be covered."""

    def __init__(self, evidence: Evidence, owners: Ownership) -> None:
        rows = [(row.start, row.end) for row in evidence.state.reservations]
        rows += [(start, end) for start, end, _ in evidence.varying]
        self.union = Disjoint(rows)
        self.claims = Disjoint((start, end) for start, end, _ in evidence.state.claims)
        self.untracked = Untracked(evidence)
        self.moving = owners.moving
        self.knows_claims = evidence.knows_claims
        self.entries = evidence.known("entries") is Confidence.READ

    def mapped(self, user: User) -> list[Range]:
        """Physical ranges of the VMA that are still mapped, as far as that can be told.

        Without page tables: claiming a range for a driver revokes user
        mappings of all of it, so the claimed parts are taken as gone. Where
        claims are not known either, nothing can be told.
        """
        if self.entries:
            return [
                (entry.pfn << PAGE_SHIFT, (entry.pfn + entry.end - entry.start) << PAGE_SHIFT)
                for entry in user.vma.entries
                if entry.pfn is not None
            ]
        if user.phys is None or not self.knows_claims:
            return []
        return self.claims.outside(*user.phys)

    def gaps(self, parts: Sequence[Range]) -> list[Range]:
        """Parts that no reservation covers although one should."""
        return [
            gap
            for part in parts
            for gap in self.union.outside(*part)
            if not self.untracked(*gap) and not self.moving.touches(*gap)
        ]


def has_lost_tracking(evidence: Evidence, user: User) -> bool:
    """A kind of mapping that always begins tracked, without the flag that says so."""
    return (
        evidence.vm_pat
        and user.kind in ("devmem", "pci")
        and user.tracked is False
        and user.phys is not None
    )


def tracking(evidence: Evidence, people: Sequence[User], cover: Cover) -> Iterator[Finding]:
    """Mappings that lost VM_PAT, and mappings that nothing covers."""
    sources = evidence.sources
    mapped = "is still mapped" if cover.entries else "is beyond what was revoked, so still mapped"
    for user in people:
        if user.phys is None or cover.untracked(*user.phys):
            continue
        parts = cover.mapped(user)
        if has_lost_tracking(evidence, user):
            gaps = cover.gaps(parts)
            for start, end in gaps or parts[:1]:
                words = "and no reservation covers it" if gaps else "though still reserved"
                yield Finding(
                    "lost-tracking",
                    "error" if gaps else "warning",
                    "certain" if cover.entries else "likely",
                    f"{user} lost its tracking; {span_text(start, end)} {mapped}, {words}",
                    (f"{sources.flags}: not set", sources.claims, sources.listed),
                    (start, end),
                    user.asked.cattr if user.asked is not None else None,
                    (user.pid,),
                )
        elif user.tracked and user.kind != "vfio" and cover.knows_claims:
            whole = parts if cover.entries else [user.phys]
            for start, end in cover.gaps(whole):
                yield Finding(
                    "uncovered-mapping",
                    "error",
                    "certain" if cover.entries else "likely",
                    f"{user} maps {span_text(start, end)}, which no reservation covers",
                    (sources.maps, sources.flags, sources.listed),
                    (start, end),
                    None,
                    (user.pid,),
                )


def conversions(evidence: Evidence, people: Sequence[User], owners: Ownership) -> Iterator[Finding]:
    """Mappings of another type than they asked for: by their entries, else their reservation."""
    if evidence.known("entries") is Confidence.READ:
        for user in people:
            for where, kind in memory.granted(user):
                made = _converted(evidence, user, where, kind, "certain", "page-table entries")
                if made is not None:
                    yield made
                    break
        return
    rows = evidence.state.reservations
    source = f"{evidence.sources.listed} (type)"
    done: set[User] = set()
    for row, holding in zip(rows, owners.holdings, strict=True):
        if holding.users and holding.standing in (Standing.OWNED, Standing.PIECES):
            for user in holding.users:
                if user not in done and user.phys is not None:
                    done.add(user)
                    made = _converted(evidence, user, user.phys, row.type, holding.sure, source)
                    if made is not None:
                        yield made
    guests = [u for u in people if u.kind == "vfio" and u.phys is not None and u not in done]
    if guests:
        index = Intervals([(row.start, row.end) for row in rows])
        for user in guests:
            if user.phys is None:
                continue
            for at in index.overlapping(*user.phys):
                made = _converted(evidence, user, user.phys, rows[at].type, "likely", source)
                if made is not None:
                    yield made
                break


def _converted(
    evidence: Evidence, user: User, where: Range, granted: CacheMode, sure: str, source: str
) -> Finding | None:
    """A finding unless the type granted is the one asked for, or works like it under the MTRRs."""
    if user.asked is None:
        # /dev/mem asks for uncached-minus with O_SYNC and for write-back without.
        if user.kind != "devmem" or granted in (CacheMode.UC_MINUS, CacheMode.WB):
            return None
        asked = "uncached-minus or write-back"
    elif differ(evidence, *where, user.asked, granted):
        asked = user.asked.cattr
    else:
        return None
    return Finding(
        "silent-conversion",
        "warning",
        sure,
        f"{user} asked for {asked} and got {granted.cattr} on {span_text(*where)}",
        (evidence.sources.asked, source, evidence.sources.mtrr),
        where,
        granted.cattr,
        (user.pid,),
    )


def aliases(evidence: Evidence, people: Sequence[User], cover: Cover) -> Iterator[Finding]:
    """Overlapping uses whose types differ after the MTRRs had their say."""
    rows = evidence.state.reservations
    latest: dict[CacheMode, int] = {}
    found = 0
    single = len({row.type for row in rows}) < 2
    for at, row in enumerate(rows if not single else ()):
        for kind, other in latest.items():
            if kind is row.type or rows[other].end <= row.start or found >= MAX_ALIASES:
                continue
            start, end = row.start, min(row.end, rows[other].end)
            if differ(evidence, start, end, row.type, kind):
                found += 1
                words = f"reserved {kind.cattr} and {row.type.cattr}"
                yield _alias(evidence, start, end, words, "certain")
        if row.type not in latest or rows[latest[row.type]].end < row.end:
            latest[row.type] = at
    if cover.entries:
        yield from memory.aliases(evidence, people)
        return
    loose = [u for u in people if has_lost_tracking(evidence, u)]
    index = Intervals([(row.start, row.end) for row in rows]) if loose else None
    for user in loose:
        for part in cover.mapped(user):
            for at in index.overlapping(*part) if index else ():
                start, end = max(part[0], rows[at].start), min(part[1], rows[at].end)
                asked = user.asked
                if asked is not None and differ(evidence, start, end, asked, rows[at].type):
                    words = f"{user} maps {asked.cattr}, reserved {rows[at].type.cattr}"
                    yield _alias(evidence, start, end, words, "possible", user.pid)
                    break


def _alias(evidence: Evidence, start: int, end: int, words: str, sure: str, *pids: int) -> Finding:
    basis = (evidence.sources.listed, evidence.sources.mtrr)
    text = f"{span_text(start, end)}: {words}"
    severity = "error"
    if evidence.mtrr is None:
        severity, sure = "warning", "possible"
    return Finding("alias-mismatch", severity, sure, text, basis, (start, end), None, pids)


def forks(evidence: Evidence, people: Sequence[User]) -> Iterator[Finding]:
    """Tracked private mappings whose first page is a copy: fork cannot find the pfn."""
    seen = evidence.known("entries") is Confidence.READ
    for user in people:
        if not (evidence.vm_pat and user.tracked and is_cow(user.vma)):
            continue
        if "dc" in user.vma.flags.split():
            continue
        copied = evidence.copied.get((user.pid, user.vma.start), 0)
        if seen:
            first = user.vma.entries[:1]
            if not (first and first[0].start == user.vma.start and first[0].pfn is None):
                continue
            sure, words = "certain", "its first page is a copy in RAM: the next fork fails"
        elif copied >= user.size:
            sure, words = "certain", "all its pages are copies in RAM: the next fork fails"
        elif copied:
            sure = "possible"
            words = f"{copied >> 10} KiB of it are copies in RAM: the next fork fails if the "
            words += "first page is one of them"
        else:
            continue
        yield Finding(
            "next-fork-fails",
            "warning",
            sure,
            f"{user}: {words} (ENOMEM)",
            (evidence.sources.copied, evidence.sources.flags),
            user.phys,
            None,
            (user.pid,),
        )


def holders(holding: Holding, *, shared: bool) -> str | None:
    """The holders of a reservation in words, or None; `shared` if by one context."""
    if holding.area is not None:
        return f"ioremap {holding.area.owner}"
    if not holding.users:
        return holding.note if holding.standing is Standing.DRIVER else None
    if shared:
        return "ctx " + "; ".join(str(user) for user in holding.users)
    return " | ".join(f"vma {user}" for user in holding.users)
