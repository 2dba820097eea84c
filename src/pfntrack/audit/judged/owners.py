"""Who holds each reservation: a multiset match of the list with those who can hold.

An ioremap area and a tracked VMA of a VM_PAT kernel hold one entry of exactly
their range. On kernels with tracking contexts an entry belongs to all VMAs that
share its context, which may be pieces of it. Identical entries cannot be told
apart, so they are dealt out in the order of processes. What is left over is
explained from the log, the readings, drivers and claims, in that order.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Sequence

import attrs

from pfntrack.audit.judged.sharing import MAX_PARTNERS, Sharing
from pfntrack.audit.read.evidence import HOLDERS, Evidence, Row
from pfntrack.audit.read.users import Untracked, User
from pfntrack.pat.intervals import Disjoint, Intervals, Range
from pfntrack.state import Confidence, KernelMapping, Reservation


class Standing(enum.Enum):
    """What a reservation's owner looks like."""

    OWNED = "owned"
    PIECES = "pieces"
    POSSIBLE = "possible"
    DRIVER = "driver"
    UNSTABLE = "unstable"
    SUSPECTED = "suspected"
    STALE = "stale"


@attrs.frozen
class Holding:
    """One reservation and its holders; `sure` is certain, likely or possible."""

    standing: Standing
    sure: str
    users: tuple[User, ...] = ()
    area: KernelMapping | None = None
    note: str = ""

    @property
    def pids(self) -> frozenset[int]:
        return frozenset(user.pid for user in self.users)


@attrs.frozen
class Ownership:
    """The answer for every reservation, and the holders that found none of their own.

    `ambiguous`: some entry has no holder, but which of several cannot be told.
    """

    holdings: tuple[Holding, ...]
    lone_users: tuple[User, ...]
    lone_areas: tuple[KernelMapping, ...]
    moving: Disjoint
    ambiguous: bool = False


def match(evidence: Evidence, people: Sequence[User]) -> Ownership:
    """Find the owners of all reservations."""
    return _Match(evidence, people).run()


class _Match:
    """One pass over the list; each step takes what the ones before left over."""

    def __init__(self, evidence: Evidence, people: Sequence[User]) -> None:
        self.evidence = evidence
        self.rows = evidence.state.reservations
        self.people = people
        self.found: list[Holding | None] = [None] * len(self.rows)
        self.untracked = Untracked(evidence)
        self.ambiguous = False
        self.moving = _moving(evidence)
        self.claims = Disjoint((start, end) for start, end, _ in evidence.state.claims)

    def run(self) -> Ownership:
        lone_areas = self._areas()
        lone_users = self._contexts() if self.evidence.contexts else self._flags()
        self._rest()
        holdings = tuple(held for held in self.found if held is not None)
        return Ownership(
            holdings, tuple(lone_users), tuple(lone_areas), self.moving, self.ambiguous
        )

    def _areas(self) -> list[KernelMapping]:
        """Ioremap areas take the entries of their range; those without one come back."""
        by_range: dict[Range, list[KernelMapping]] = defaultdict(list)
        for area in self.evidence.state.kernel_mappings:
            if not self.untracked(area.start, area.end):
                by_range[area.start, area.end].append(area)
        for held in by_range.values():
            held.reverse()
        for at, row in enumerate(self.rows):
            waiting = by_range.get((row.start, row.end))
            if waiting:
                self.found[at] = Holding(Standing.OWNED, "certain", area=waiting.pop())
        return [area for waiting in by_range.values() for area in waiting]

    def _flags(self) -> list[User]:
        """VM_PAT: one entry per tracked VMA; what does not fit exactly may be a piece."""
        by_range: dict[Range, list[User]] = defaultdict(list)
        for user in self.people:
            if user.phys is not None and user.tracked is not False:
                if user.tracked is None and user.kind == "vfio":
                    continue
                by_range[user.phys].append(user)
        for held in by_range.values():
            held.reverse()
        sure = "certain" if self.evidence.vm_pat else "likely"
        for at, row in enumerate(self.rows):
            waiting = by_range.get((row.start, row.end))
            if waiting and self.found[at] is None:
                user = waiting.pop()
                known = sure if user.tracked else "likely"
                self.found[at] = Holding(Standing.OWNED, known, (user,))
        lone = [user for waiting in by_range.values() for user in waiting]
        lost = [user for user in self.people if self._lost_but_mapped(user)]
        self._pieces([*lone, *lost])
        return lone

    def _lost_but_mapped(self, user: User) -> bool:
        """Untracked now, yet of a kind that begins tracked, and not wholly revoked."""
        if user.tracked is not False or user.phys is None or user.kind not in ("devmem", "pci"):
            return False
        if self.evidence.known("entries") is Confidence.READ:
            return any(entry.pfn is not None for entry in user.vma.entries)
        if not self.evidence.knows_claims or not self.evidence.whole("kernel_mappings"):
            # It may be revoked, and the entry an ioremap area's.
            return False
        return bool(self.claims.outside(*user.phys))

    def _pieces(self, people: Sequence[User]) -> None:
        """Give entries that no one holds exactly to the VMAs that lie in them."""
        if not people:
            return
        left = self._left_by_range()
        ranges = list(left)
        index = Intervals(ranges)
        holders: dict[Range, list[User]] = defaultdict(list)
        for user in people:
            if user.phys is None:
                continue
            for count, at in enumerate(index.overlapping(*user.phys)):
                if count >= MAX_PARTNERS:
                    break
                if len(holders[ranges[at]]) < MAX_PARTNERS:
                    holders[ranges[at]].append(user)
        for span, partners in holders.items():
            partners.sort(key=lambda user: (user.pid, user.vma.start))
            if self.evidence.vm_pat:
                seen = any(user.vma.flags for user in partners)
                held = Holding(Standing.PIECES, "likely" if seen else "possible", tuple(partners))
            else:
                held = Holding(Standing.POSSIBLE, "possible", tuple(partners), note=_NO_MODEL)
            for at in left[span]:
                self.found[at] = held

    def _left_by_range(self) -> dict[Range, list[int]]:
        left: dict[Range, list[int]] = defaultdict(list)
        for at, row in enumerate(self.rows):
            if self.found[at] is None:
                left[row.start, row.end].append(at)
        return left

    def _contexts(self) -> list[User]:
        """Contexts: read, or VMAs whose range is, or lies in, an entry that no ioremap holds."""
        if self.evidence.known("contexts") is Confidence.READ:
            return self._read_contexts()
        left = self._left_by_range()
        ranges = list(left)
        index: Intervals | None = None
        groups: dict[Range, list[User]] = defaultdict(list)
        lone = []
        for user in self.people:
            if user.phys is None or user.tracked is False:
                continue
            span: Range | None = user.phys
            if span not in left:
                index = index or Intervals(ranges)
                span = self._around(index, ranges, user.phys)
            if span is None:
                lone.append(user)
            else:
                groups[span].append(user)
        short = [span for span in left if len(groups.get(span, ())) < len(left[span])]
        spare = Sharing(left, groups, self.people) if short else None
        unclear = [span for span in short if spare is not None and not spare.settle(span)]
        for span, partners in groups.items():
            self._share(left[span], partners)
        for span in unclear:
            inside = spare.inside(span) if spare is not None else ()
            for at in left[span] if inside else ():
                if self.found[at] is None:
                    self.found[at] = Holding(Standing.OWNED, "possible", tuple(inside))
                    self.ambiguous = True
        return [user for user in lone if user.tracked]

    def _read_contexts(self) -> list[User]:
        """Each context holds one entry of its range, whatever VMAs share it."""
        left = self._left_by_range()
        sharers: dict[int, list[User]] = defaultdict(list)
        for user in self.people:
            if user.vma.context is not None:
                sharers[user.vma.context].append(user)
        lone: list[User] = []
        for context in self.evidence.state.contexts:
            entries = left.get((context.start, context.end))
            if entries:
                held = Holding(Standing.OWNED, "certain", tuple(sharers[context.id]))
                self.found[entries.pop(0)] = held
            else:
                lone += sharers[context.id]
        return lone

    def _around(self, index: Intervals, ranges: list[Range], phys: Range) -> Range | None:
        """The smallest left-over entry that contains the range."""
        best: Range | None = None
        for count, at in enumerate(index.overlapping(*phys)):
            span = ranges[at]
            if span[0] <= phys[0] and phys[1] <= span[1]:
                best = span if best is None or span[1] - span[0] < best[1] - best[0] else best
            if count > 4 * MAX_PARTNERS:
                break
        return best

    def _share(self, entries: list[int], partners: list[User]) -> None:
        """Deal `entries` of one range to the VMAs in it.

        A forked child has its parent's addresses, so VMAs at one distance from
        the physical range are taken for holders of one context.
        """
        clusters: dict[int, list[User]] = defaultdict(list)
        for user in partners:
            clusters[user.delta].append(user)
        if len(entries) == 1:
            sets, sure = [partners], "certain"
        elif len(clusters) == len(entries):
            sets, sure = list(clusters.values()), "likely"
        elif len(partners) >= len(entries):
            sets, sure = [partners] * len(entries), "possible"
        else:
            sets, sure = [[user] for user in partners], "possible"
        for at, held in zip(entries, sets, strict=False):
            self.found[at] = Holding(Standing.OWNED, sure, tuple(held))

    def _rest(self) -> None:
        """Explain entries that nobody is seen to hold."""
        evidence = self.evidence
        lines = Disjoint((line.start, line.end) for line in evidence.free_lines)
        places = _Places(evidence)
        hidden = [u for u in self.people if u.phys is None and u.tracked is not False]
        sizes = {user.size for user in hidden}
        least = min(sizes, default=0)
        unsteady = self._unsteady()
        if not (hidden or unsteady or lines or places or self.moving):
            # Nothing could tell one from the other.
            unseen = self._unseen()
            self.found = [held or unseen for held in self.found]
            return
        for at, row in enumerate(self.rows):
            if self.found[at] is not None:
                continue
            size = row.end - row.start
            fits = hidden and (size in sizes if evidence.vm_pat else size >= least)
            if at in unsteady:
                held = Holding(Standing.UNSTABLE, "possible", note="not in every reading")
            elif fits:
                held = Holding(
                    Standing.POSSIBLE,
                    "possible",
                    tuple(u for u in hidden if u.size <= size)[:MAX_PARTNERS],
                    note="mappings whose physical address is not visible could hold it",
                )
            else:
                held = self._unowned(row, lines, places)
            self.found[at] = held

    def _unsteady(self) -> set[int]:
        """Rows beyond the number that every reading has; rows with an owner count first."""
        varying = self.evidence.varying
        if not varying:
            return set()
        seen: dict[Row, int] = defaultdict(int)
        found = set()
        known = [(row.start, row.end, row.type.cattr) for row in self.rows]
        for at in sorted(range(len(known)), key=lambda at: self.found[at] is None):
            key = known[at]
            if key in varying:
                seen[key] += 1
                if seen[key] > varying[key][0]:
                    found.add(at)
        return found

    def _unowned(self, row: Reservation, lines: Disjoint, places: _Places) -> Holding:
        driver, bare, bound = places.at(row.start, row.end)
        if bare:
            return Holding(Standing.DRIVER, "likely", note=driver)
        if self.evidence.gaps & HOLDERS:
            return _UNREAD
        if self.evidence.lasting and lines.touches(row.start, row.end):
            return _STALE
        if bound:
            return Holding(Standing.DRIVER, "possible", note=driver)
        if self.moving.touches(row.start, row.end):
            return _PASSING
        return self._unseen()

    def _unseen(self) -> Holding:
        """An entry for which no holder was seen: what follows depends on how well was looked."""
        if self.evidence.gaps & HOLDERS:
            return _UNREAD
        return _LEFT if self.evidence.sees_all_holders and self.evidence.lasting else _SUSPECTED


_NO_MODEL = "mappings that lie in it; whether they share it depends on the kernel's release"
_STALE = Holding(
    Standing.STALE,
    "certain",
    note="it is there in all readings, and the log has a failed release that overlaps it",
)
_LEFT = Holding(
    Standing.STALE, "likely", note="every mapping and every ioremap area was read: none holds it"
)
_UNREAD = Holding(Standing.POSSIBLE, "possible", note="its holder may be in what could not be read")
_SUSPECTED = Holding(Standing.SUSPECTED, "possible", note="no owner seen, and no proof")
_PASSING = Holding(
    Standing.UNSTABLE, "possible", note="reservations of this device come and go meanwhile"
)
# Graphics drivers that reserve an aperture without mapping it (arch_io_reserve_memtype_wc).
_RESERVE_ONLY = frozenset({"amdgpu", "radeon", "nouveau", "ast"})


class _Places:
    """Drivers by address: bound BARs first, then claims that name something else."""

    def __init__(self, evidence: Evidence) -> None:
        self._bars = sorted(
            (bar.start, bar.end, device.driver, device.name, bar.number)
            for device in evidence.devices
            if device.driver
            for bar in device.bars
        )
        self._index = Intervals([(bar[0], bar[1]) for bar in self._bars])
        named = [r for r in evidence.resources if r.name.startswith(("namespace", "dax", "pmem"))]
        self._pmem = Disjoint((r.start, r.end) for r in named)

    def __bool__(self) -> bool:
        return bool(self._bars) or bool(self._pmem)

    def at(self, start: int, end: int) -> tuple[str, bool, bool]:
        """Words, whether such drivers reserve without mapping, whether one is bound."""
        if self._pmem.touches(start, end):
            return "persistent memory (memremap_pages)", True, True
        for at in self._index.overlapping(start, end):
            _, _, driver, name, number = self._bars[at]
            words = f"driver {driver} of {name}, BAR {number}, no mapping seen"
            return words, driver in _RESERVE_ONLY, True
        return "", False, False


def _moving(evidence: Evidence) -> Disjoint:
    """Where reservations came and went between readings: the ranges, and the BARs they lie in."""
    varying = Disjoint((start, end) for start, end, _ in evidence.varying)
    if not varying:
        return varying
    spans = [*zip(varying.starts, varying.ends, strict=True)]
    bars = [(bar.start, bar.end) for device in evidence.devices for bar in device.bars]
    return Disjoint([*spans, *(bar for bar in bars if varying.touches(*bar))])
