"""A reference-counted tree without overlaps: the idea of September 2024.

Idea: Nam Cao, in reply to his own patch; never written. Stored: 8 bytes in
every VMA (the pfn), and one 64-byte counted tree node per run of pages that the
same number of mappings hold. Work: a search of the tree and a change of counts
per remap, fork and munmap; nothing for splits and zaps; no walk. Forbids
nothing.

The reading with the best chance: the pfn is stored in the VMA (the idea was
about the tree and left the page-table walk alone), counts follow VMAs, and a
release happens when the region is unmapped.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.designs.base import reservable, whole
from pfntrack.designs.cost import LOOKUP, Cost
from pfntrack.designs.counted.runs import COUNTED, drop, hold, run_at
from pfntrack.designs.pfn_per_vma import PfnPerVma
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step, TrackContext
from pfntrack.mm.vma import Vma
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.memtype import lookup_memtype
from pfntrack.pat.physical import Physical
from pfntrack.pat.ram import PAGE_SHIFT

NODE = 64


@attrs.frozen
class CountedTree(PfnPerVma):
    """`Vma.track` is the pfn of the first page; the runs hold the counts."""

    name: str = "counted-tree"
    summary: str = "a tree of counted runs without overlaps (September 2024)"
    cost: Cost = attrs.field(
        default=Cost(
            idea="Nam Cao, September 2024, never written",
            every_vma=8,
            mapping=NODE,
            fork=LOOKUP,
            unmap=LOOKUP,
        )
    )

    def context(self, phys: Physical, vma: Vma) -> TrackContext | None:
        return run_at(phys, self.pfn(vma)) if self.tracked(vma) else None

    def remap(
        self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, cache: CacheMode
    ) -> tuple[int, CacheMode, Vma]:
        if not whole(vma, at, pages):
            error, cache = self.lookup_range(step, pfn, pages, cache)
            return error, cache, vma
        step.point("memtype_reserve", "memtype_lock")
        before = step.save()
        self._drop(step, vma)
        error, cache = self.reserve_now(step, COUNTED, pfn, pages, cache)
        if error:
            step.undo(before)
            return -errno.EINVAL, cache, vma
        if not reservable(step, pfn, pages):
            return 0, cache, mm.change(vma, track=None)
        hold(step, pfn, pages, cache)
        return 0, cache, mm.change(vma, track=pfn)

    def copy(self, step: Step, src_mm: Mm, src: Vma, dst_mm: Mm, dst: Vma) -> tuple[int, Vma, int]:
        """The child holds what its parent holds: counts, no reservation."""
        if not self.tracked(src):
            return 0, dst, 0
        pfn = self.pfn(src)
        hold(step, pfn, src.pages, step.ask(lookup_memtype, pfn << PAGE_SHIFT))
        return 0, dst_mm.change(dst, track=pfn), pfn

    def carried(self, step: Step, mm: Mm, old: Vma, new: Vma, at: int) -> None:
        """The part that moved is held twice until its old place is unmapped."""
        if self.tracked(old):
            pfn = self.pfn(old) + at - old.start
            hold(step, pfn, new.pages, step.ask(lookup_memtype, pfn << PAGE_SHIFT))
            mm.change(new, track=pfn)

    def dup(self, step: Step, vma: Vma) -> tuple[int, Vma]:
        """A copy holds nothing until it is known what the copy is for."""
        return 0, attrs.evolve(vma, track=None)

    def split(self, step: Step, mm: Mm, lower: Vma, upper: Vma) -> int:
        """Both pieces together hold what the VMA held."""
        kept = lower if self.tracked(lower) else upper
        if self.tracked(kept):
            pfn = self.pfn(kept)
            mm.change(lower, track=pfn)
            mm.change(upper, track=pfn + lower.pages)
        return 0

    def moved(self, step: Step, mm: Mm, old: Vma) -> Vma:
        return old

    def untrack(self, step: Step, mm: Mm, vma: Vma) -> Vma:
        self._drop(step, vma)
        return mm.change(vma, track=None)

    def _drop(self, step: Step, vma: Vma) -> None:
        if self.tracked(vma):
            drop(step, self.pfn(vma), vma.pages)
