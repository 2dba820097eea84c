"""A mapcount for raw pfns: the entry is the piece.

Idea: this project, after a review of `ours`. Pages of a folio are counted where
entries are made, copied and cleared; this counts raw pages at the same places. A software
bit marks an entry that was counted (`PteRun.counted`; x86-64 has had one free since
pte_devmap() went), so an entry says itself whether it must be given back: nothing is
kept per process or VMA, and nothing has to follow a split, a move or the end of a VMA.

Stored: nothing in VMAs, nothing in processes; 64 bytes per run of pages that are
mapped equally often. Work: one change of the runs when entries are made, zapped, copied
by a store or by a fork; nothing for a split and a move; never a page-table walk.
Forbids nothing.

Get: under memtype_lock the type is decided and the pages are counted in one
operation, before the entry is made; an insertion that finds an entry gives back. Put: what
a zap clears is queued and given back after the TLB was flushed; a store's copy and a
torn huge leaf are flushed where they are cleared. A remap gets its range before the
entries, and gives back what it has not written when it fails.

A part and an inserted page get the type that is reserved; where nothing is, the one
that the VMA asks for (`vm_page_prot`), and not UC- (that is B43). A zap forgets the type,
unlike `ours`: only a driver that remapped with another type than its VMA's can tell.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable

import attrs

from pfntrack.designs.base import Design, reservable, whole
from pfntrack.designs.cost import LOOKUP, Cost
from pfntrack.designs.counted.runs import COUNTED, drop, hold, types_of
from pfntrack.mm.pagetable import PteRun
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import Vma
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.memtype import pat_x_mtrr_type
from pfntrack.pat.ram import PAGE_SHIFT


@attrs.frozen
class Mapcount(Design):
    """`PteRun.counted` marks entries that hold a count, `Physical.tracking` has the runs."""

    name: str = "mapcount"
    summary: str = "raw pages are counted like folios, a bit in the entry says so (this project)"
    symbols: frozenset[str] = frozenset({"pfnmap_track_ctx_alloc"})
    cost: Cost = attrs.field(
        default=Cost(
            idea="this project", mapping=64, cow=LOOKUP, zap=LOOKUP, fork=LOOKUP, unmap=LOOKUP
        )
    )
    follows_entries: bool = True

    def counts(self, step: Step, pfn: int, pages: int) -> bool:
        return reservable(step, pfn, pages)

    def remap(
        self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, cache: CacheMode
    ) -> tuple[int, CacheMode, Vma]:
        """Get the range: a whole VMA asks for its type, a part takes what is reserved."""
        if step.fails("pfnmap_track_ctx_alloc"):
            return -errno.ENOMEM, cache, vma
        if whole(vma, at, pages):
            error, cache = self.reserve(step, COUNTED, pfn, pages, cache)
            if not error and reservable(step, pfn, pages):
                hold(step, pfn, pages, cache)
        else:
            error, cache = self._get(step, pfn, pages, cache)
        return error, cache, step.reread(mm, vma)

    def remap_failed(self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int) -> Vma:
        """What was written went with its entries; the rest of the range is given back."""
        if reservable(step, pfn, pages) and step.filled < pages:
            drop(step, pfn + step.filled, pages - step.filled)
        return vma

    def insert_pages(
        self, step: Step, vma: Vma, pfn: int, pages: int, cache: CacheMode
    ) -> CacheMode:
        return self._get(step, pfn, pages, cache)[1]

    def not_inserted(self, step: Step, pfn: int, pages: int) -> None:
        if reservable(step, pfn, pages):
            step.point("memtype_put", "memtype_lock")
            drop(step, pfn, pages)

    def cleared(self, step: Step, runs: Iterable[PteRun]) -> None:
        """Given back after the flush."""
        step.dying += [(run.pfn or 0, run.end - run.start) for run in runs]

    def flushed(self, step: Step) -> None:
        while step.dying:
            pfn, pages = step.dying.pop(0)
            step.point("memtype_put", "memtype_lock")
            drop(step, pfn, pages)

    def torn(self, step: Step, runs: Iterable[PteRun]) -> None:
        self._put(step, runs)

    def replaced(self, step: Step, run: PteRun) -> None:
        if run.counted:
            self._put(step, (run,))

    def may_copy(self, step: Step) -> int:
        return -errno.ENOMEM if step.fails("pfnmap_track_ctx_alloc") else 0

    def copied(self, step: Step, runs: Iterable[PteRun]) -> None:
        """The child's entries hold as well, under both page-table locks."""
        for run in runs:
            hold(step, run.pfn or 0, run.end - run.start, run.cache)

    def _put(self, step: Step, runs: Iterable[PteRun]) -> None:
        for run in runs:
            drop(step, run.pfn or 0, run.end - run.start)

    def _get(self, step: Step, pfn: int, pages: int, cache: CacheMode) -> tuple[int, CacheMode]:
        """Decide the type and count, as one operation under memtype_lock."""
        if not reservable(step, pfn, pages):
            return self.lookup_range(step, pfn, pages, cache)
        start, end = pfn << PAGE_SHIFT, (pfn + pages) << PAGE_SHIFT
        step.point("memtype_get", "memtype_lock, the type is decided and the pages counted")
        kinds = set(step.ask(types_of, start, end))
        if len(kinds) > 1:
            step.note("memtype_get", "the part meets entries of two types: -EINVAL")
            return -errno.EINVAL, cache
        cache = kinds.pop() if kinds else step.ask(pat_x_mtrr_type, start, end, cache)
        hold(step, pfn, pages, cache)
        return 0, cache
