"""A side table keyed by VMA: memory only for tracked ones.

Idea: discussed in July 2024. Stored: nothing in VMAs (the key is the VMA's
address; the model numbers them); a table row of 32 bytes per tracked VMA, a
56-byte tree entry per mapping. Work: one table change per VMA copy and death,
a tree change for the last; no walk. Forbids nothing.

The reading with the best chance: rows point to one shared reservation, so a
split or a child adds a row, not an entry; rows go when the region is unmapped,
before a mapping that replaces it; a new full remap replaces the VMA's row.
What a row names stays reserved whole until its last row has gone.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.designs.base import Design, whole
from pfntrack.designs.cost import LOOKUP, TREE_NODE, Cost
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step, TrackContext, unused
from pfntrack.mm.vma import Vma
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.physical import Physical


@attrs.frozen
class Row:
    """VMA number `key` holds on to reservation `id` of pages from `pfn` on."""

    key: int
    id: int
    pfn: int
    pages: int


@attrs.frozen
class SideTable(Design):
    """`Vma.track` stands for the VMA's address, by which the table is searched."""

    name: str = "side-table"
    summary: str = "a table keyed by VMA holds shared reservations (July 2024)"
    symbols: frozenset[str] = frozenset({"pfnmap_track_ctx_alloc"})
    cost: Cost = attrs.field(
        default=Cost(
            idea="discussed in July 2024",
            mapping=TREE_NODE,
            sharer=32,
            piece=32,
            split=LOOKUP,
            move=LOOKUP,
            fork=LOOKUP,
            unmap=LOOKUP,
        )
    )

    def context(self, phys: Physical, vma: Vma) -> TrackContext | None:
        rows = rows_of(phys)
        row = next((row for row in rows if row.key == vma.track), None)
        if row is None:
            return None
        return TrackContext(row.id, row.pfn, row.pages, sum(each.id == row.id for each in rows))

    def remap(
        self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, cache: CacheMode
    ) -> tuple[int, CacheMode, Vma]:
        if not whole(vma, at, pages):
            error, cache = self.lookup_range(step, pfn, pages, cache)
            return error, cache, vma
        if step.fails("pfnmap_track_ctx_alloc"):
            return -errno.ENOMEM, cache, vma
        before = step.save()
        self.free(step, vma)
        step.point("memtype_reserve", "memtype_lock")
        rows = rows_of(step.phys)
        number = unused({row.id for row in rows})
        error, cache = self.reserve_now(step, number, pfn, pages, cache)
        if error:
            step.undo(before)
            return -errno.EINVAL, cache, vma
        key = unused({row.key for row in rows})
        _store(step, (*rows, Row(key, number, pfn, pages)))
        return 0, cache, mm.change(vma, track=key)

    def remap_failed(self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int) -> Vma:
        return self._untrack(step, mm, vma) if whole(vma, at, pages) else vma

    def dup(self, step: Step, vma: Vma) -> tuple[int, Vma]:
        """A copy of the VMA gets a row of its own."""
        rows = rows_of(step.phys)
        mine = next((row for row in rows if row.key == vma.track), None)
        if mine is None:
            return 0, vma
        if step.fails("pfnmap_track_ctx_alloc"):
            return -errno.ENOMEM, vma
        key = unused({row.key for row in rows})
        _store(step, (*rows, attrs.evolve(mine, key=key)))
        return 0, attrs.evolve(vma, track=key)

    def zap(self, step: Step, mm: Mm, vma: Vma, start: int, end: int, *, region: bool) -> Vma:
        return self._untrack(step, mm, vma) if region else vma

    def free(self, step: Step, vma: Vma) -> None:
        """The VMA's row goes, and with the last row its reservation."""
        rows = rows_of(step.phys)
        mine = next((row for row in rows if row.key == vma.track), None)
        if mine is None:
            return
        left = tuple(row for row in rows if row is not mine)
        _store(step, left)
        if all(row.id != mine.id for row in left):
            step.note(self.name, "the last row of the reservation has gone")
            self.release(step, mine.id, mine.pfn, mine.pages)

    def _untrack(self, step: Step, mm: Mm, vma: Vma) -> Vma:
        self.free(step, vma)
        return mm.change(vma, track=None)


def rows_of(phys: Physical) -> tuple[Row, ...]:
    """The table; each look at it is a search."""
    return phys.tracking if isinstance(phys.tracking, tuple) else ()


def _store(step: Step, rows: tuple[Row, ...]) -> None:
    ordered = tuple(sorted(rows, key=lambda row: row.key))
    step.phys = attrs.evolve(step.phys, tracking=ordered or None)
