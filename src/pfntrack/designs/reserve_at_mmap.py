"""The driver's mmap reserves the whole range; faults insert and only look up.

Idea: the thread of July 2024. Peter Xu, on the 17th: a driver that inserts at faults
calls the tracking by hand in its mmap. David Hildenbrand, on the 19th: merge mmap and
tracking, so that such a VMA belongs to one pfn range, which is fixed, and pages of
it can be faulted in lazily. Stored: as in 6.16, 8 bytes in every VMA, one context and one
tree entry per mapping. Work: one reference per VMA copy; a lookup per page that is
inserted, as in every kernel; no page-table walk. Forbids: pages of another range in a VMA
that has one (a remap of them is refused; an insertion would be, the model lets it
look up). Needs: each driver that inserts at faults or maps in parts says in its mmap
what it is going to map.

The reading with the best chance: a remap of pages inside the range is no second
reservation and always allowed, with the type that is reserved; nothing is reserved for
RAM (`context-ram`); what is replaced releases after the flush and before the new
mapping is made (`context-list-early`).
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.designs.context_list import ContextList, numbers
from pfntrack.designs.cost import TREE_NODE, Cost
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import Vma
from pfntrack.pat.cachemode import CacheMode


@attrs.frozen
class ReserveAtMmap(ContextList):
    """`Vma.track` holds the number of the VMA's one context, as a tuple."""

    name: str = "reserve-at-mmap"
    summary: str = "the driver's mmap reserves the range, faults only look up (July 2024)"
    cost: Cost = attrs.field(
        default=Cost(
            idea="Peter Xu and David Hildenbrand, July 2024, never written",
            every_vma=8,
            mapping=32 + TREE_NODE,
            forbids=("pages of two ranges, or of two types, in one VMA",),
            drivers="say in mmap which pages will be inserted or mapped in parts",
        )
    )
    many: bool = False
    early: bool = True

    def promised(self, step: Step, mm: Mm, vma: Vma, pfn: int, cache: CacheMode) -> tuple[int, Vma]:
        """The driver's mmap names the range that the whole VMA will map."""
        if numbers(vma):
            return 0, vma
        error, _, vma = super().remap(step, mm, vma, vma.start, pfn, vma.pages, cache)
        return error, vma if error else mm.change(vma, origin=pfn)

    def remap(
        self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, cache: CacheMode
    ) -> tuple[int, CacheMode, Vma]:
        """Inside the range of the VMA the type is looked up; outside nothing is mapped."""
        mine = self.context(step.phys, vma)
        if mine is None:
            return super().remap(step, mm, vma, at, pfn, pages, cache)
        if not mine.pfn <= pfn <= pfn + pages <= mine.pfn + mine.pages:
            step.note("remap_pfn_range_track", "not in the range of the VMA: -EINVAL")
            return -errno.EINVAL, cache, vma
        error, cache = self._setup_cachemode(step, pfn, pages, cache)
        return error, cache, vma

    def remap_failed(self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int) -> Vma:
        """The range is the VMA's, whatever becomes of the remap; a failing mmap ends both."""
        return vma
