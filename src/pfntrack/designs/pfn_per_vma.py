"""The pfn is stored in the VMA: eight bytes instead of a page-table walk.

Idea: discussed in July 2024, prototype discarded (Peter Xu). Stored: 8 bytes in
every VMA of the system, a 56-byte tree entry per tracked VMA of every process.
Work: one tree search per munmap and fork, no walk. Forbids nothing.

The reading with the best chance: release when the region is unmapped; a split
advances the pfn of the upper piece; the child reserves for itself, with the
type that the tree knows; a new full remap replaces what the VMA answered for.
The tree is that of 6.12: it knows whole mappings, and may cut at the end only.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.designs.base import Design, whole
from pfntrack.designs.cost import LOOKUP, TREE_NODE, Cost
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import Vma
from pfntrack.pat.cachemode import CacheMode


@attrs.frozen
class PfnPerVma(Design):
    """`Vma.track` is the pfn of the first page, None if the VMA is not tracked."""

    name: str = "pfn-per-vma"
    summary: str = "the pfn is kept in the VMA, released at unmap (July 2024)"
    base: str = "6.12"
    cost: Cost = attrs.field(
        default=Cost(
            idea="discussed in July 2024, prototype discarded",
            every_vma=8,
            sharer=TREE_NODE,
            fork=LOOKUP,
            unmap=LOOKUP,
        )
    )

    def pfn(self, vma: Vma) -> int:
        """The pfn of the first page of a tracked VMA."""
        return vma.track if isinstance(vma.track, int) else 0

    def mark(self, vma: Vma, pfn: int) -> Vma:
        """The same VMA, tracked."""
        return attrs.evolve(vma, track=pfn)

    def unmark(self, vma: Vma) -> Vma:
        """The same VMA, answering for nothing."""
        return attrs.evolve(vma, track=None)

    def remap(
        self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, cache: CacheMode
    ) -> tuple[int, CacheMode, Vma]:
        if not whole(vma, at, pages):
            error, cache = self.lookup_range(step, pfn, pages, cache)
            return error, cache, vma
        before = step.save()
        if self.tracked(vma):
            step.note(self.name, "a second full remap: what the VMA answered for goes first")
            self.release(step, vma.owner, self.pfn(vma), vma.pages)
        step.point("memtype_reserve", "memtype_lock")
        owner = step.new_owner()
        error, cache = self.reserve_now(step, owner, pfn, pages, cache)
        if error:
            step.undo(before)
            return -errno.EINVAL, cache, vma
        made = mm.replace(vma, attrs.evolve(self.mark(vma, pfn), owner=owner))
        return 0, cache, made

    def remap_failed(self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int) -> Vma:
        return self.untrack(step, mm, vma) if whole(vma, at, pages) else vma

    def zap(self, step: Step, mm: Mm, vma: Vma, start: int, end: int, *, region: bool) -> Vma:
        return self.untrack(step, mm, vma) if region else vma

    def split(self, step: Step, mm: Mm, lower: Vma, upper: Vma) -> int:
        """The upper piece begins at a later pfn."""
        if self.tracked(upper):
            mm.replace(upper, self.mark(upper, self.pfn(lower) + lower.pages))
        return 0

    def fork(self, step: Step, src: Vma, dst: Vma) -> Vma:
        return self.unmark(dst)

    def copy(self, step: Step, src_mm: Mm, src: Vma, dst_mm: Mm, dst: Vma) -> tuple[int, Vma, int]:
        """The child reserves for itself, with the type that the tree knows."""
        if not self.tracked(src):
            return 0, dst, 0
        pfn = self.pfn(src)
        cache = self.lookup_page(step, pfn, CacheMode.WB)
        step.point("memtype_reserve", "memtype_lock")
        owner = step.new_owner()
        error, _ = self.reserve_now(step, owner, pfn, src.pages, cache, strict=True)
        if error:
            return error, dst, 0
        return 0, dst_mm.replace(dst, attrs.evolve(self.mark(dst, pfn), owner=owner)), pfn

    def copy_failed(self, step: Step, dst_mm: Mm, dst: Vma, pfn: int) -> Vma:
        return self.untrack(step, dst_mm, dst)

    def moved(self, step: Step, mm: Mm, old: Vma) -> Vma:
        """As in VM_PAT: the whole old VMA answers for nothing, even if only a part moved."""
        return mm.replace(old, self.unmark(old))

    def untrack(self, step: Step, mm: Mm, vma: Vma) -> Vma:
        """Release what the VMA answers for, by its own size."""
        if not self.tracked(vma):
            return vma
        self.release(step, vma.owner, self.pfn(vma), vma.pages)
        return mm.replace(vma, self.unmark(vma))
