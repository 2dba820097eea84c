"""VM_PAT: a flag per VMA, the pfn read back from the page table (3.7 to 6.15).

Idea: Konstantin Khlebnikov and Suresh Siddha, 2012; shrink and move rules of
4.5; the fork and CoW fixes of 2024 and 2025. Stored: one bit in `vm_flags`, one
56-byte tree entry per tracked VMA of every process. Work: a page-table walk
and a tree search per zap, munmap and fork of a tracked VMA.

Source: arch/x86/mm/pat/memtype.c (5.10.223, 6.1.192, 6.12.117). *Faithful*.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.designs.base import Design, whole
from pfntrack.designs.cost import TREE_NODE, Cost, Work
from pfntrack.mm import pagetable
from pfntrack.mm.points import Lock
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step, pfnmap
from pfntrack.mm.vma import VM_PAT, Vma, is_cow_mapping
from pfntrack.pat.cachemode import CacheMode

_WALK = Work(walks=1, tree=1)
VM_PAT_COST = Cost(
    idea="Suresh Siddha and Konstantin Khlebnikov, 2012; fork and CoW mended in 2024 and 2025",
    sharer=TREE_NODE,
    zap=_WALK,
    fork=_WALK,
    unmap=_WALK,
    forbids=("fork of a private mapping whose first page was written",),
)


@attrs.frozen
class VmPat(Design):
    """The design of 6.1.192 and 6.12.117, and by its switches of 5.10.

    `clears_child`: dup_mmap takes the flag off the child's VMA, and
    track_pfn_copy sets it only when the child has its reservation.
    `walks_huge`: get_pat_info() understands huge leaves.
    """

    name: str = "vm-pat"
    summary: str = "flag per VMA, pfn read back from the page table (6.1, 6.12)"
    symbols: frozenset[str] = frozenset({"track_pfn_remap", "track_pfn_copy"})
    cost: Cost = VM_PAT_COST
    base: str = "6.12"
    clears_child: bool = True
    walks_huge: bool = True

    def tracked(self, vma: Vma) -> bool:
        return bool(vma.flags & VM_PAT)

    def remap(
        self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, cache: CacheMode
    ) -> tuple[int, CacheMode, Vma]:
        """track_pfn_remap(): reserve if the whole VMA is covered, else look up."""
        if step.fails("track_pfn_remap", vma.start):
            return step.struck, cache, vma
        step.call("track_pfn_remap", vma=_span(vma), pfn=pfn, addr=at, pages=pages)
        if whole(vma, at, pages):
            step.point("memtype_reserve", "memtype_lock")
            owner = step.new_owner()
            error, cache = self.reserve_now(step, owner, pfn, pages, cache)
            if not error:
                step.vm_flags_set("track_pfn_remap")
                step.note("track_pfn_remap", "the call covers the whole VMA: reserved, VM_PAT set")
                vma = step.reread(mm, vma)
                vma = mm.change(vma, flags=vma.flags | VM_PAT, owner=owner)
        else:
            step.note("track_pfn_remap", "a part of the VMA: nothing is reserved, types looked up")
            error, cache = self.lookup_range(step, pfn, pages, cache)
        step.call("track_pfn_remap_ret", ret=error)
        return error, cache, vma

    def remap_failed(self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int) -> Vma:
        return self.untrack_pfn(step, mm, vma, pfn, pages)

    def zap(self, step: Step, mm: Mm, vma: Vma, start: int, end: int, *, region: bool) -> Vma:
        """Any zap of any part releases the range of the whole VMA."""
        if self.tracked(vma) and (start, end) != _span(vma):
            step.note("unmap_single_vma", "a part is zapped, but the whole VMA is untracked")
        return self.untrack_pfn(step, mm, vma)

    def fork(self, step: Step, src: Vma, dst: Vma) -> Vma:
        if self.clears_child and pfnmap(src):
            step.call("untrack_pfn_clear", vma=_span(dst))
            return attrs.evolve(dst, flags=dst.flags & ~VM_PAT)
        return dst

    def copy(self, step: Step, src_mm: Mm, src: Vma, dst_mm: Mm, dst: Vma) -> tuple[int, Vma, int]:
        """track_pfn_copy(): a second reservation, of the type in the first entry."""
        if step.fails("track_pfn_copy", src.start):
            return step.struck, dst, 0
        step.call("track_pfn_copy", vma=_span(src))
        step.point("track_pfn_copy", "VM_PAT of the parent is tested")
        src, error, pfn = step.reread(src_mm, src), 0, 0
        if self.tracked(src):
            error, pfn, cache = self.get_pat_info(step, src_mm, src, "track_pfn_copy", prot=True)
            if not error:
                step.point("memtype_reserve", "memtype_lock")
                owner = step.new_owner()
                error, _ = self.reserve_now(step, owner, pfn, src.pages, cache, strict=True)
            if not error:
                step.note("track_pfn_copy", "the child gets a reservation of its own")
                step.point("track_pfn_copy", "VM_PAT of the child is set")
                dst = step.reread(dst_mm, dst)
                dst = dst_mm.change(dst, flags=dst.flags | VM_PAT, owner=owner)
        step.call("track_pfn_copy_ret", ret=error)
        return error, dst, pfn

    def copy_failed(self, step: Step, dst_mm: Mm, dst: Vma, pfn: int) -> Vma:
        """untrack_pfn_copy(): give the child's reservation back; not in 5.10."""
        if not self.clears_child:
            return dst
        step.call("untrack_pfn_copy", vma=_span(dst), pfn=pfn)
        return self.untrack_pfn(step, dst_mm, dst, pfn, dst.pages)

    def moved(self, step: Step, mm: Mm, old: Vma) -> Vma:
        """untrack_pfn_clear(): the flag goes from the whole old VMA."""
        name = "untrack_pfn_clear" if self.clears_child else "untrack_pfn_moved"
        step.call(name, vma=_span(old))
        if self.tracked(old):
            step.note(name, "VM_PAT is taken off the whole old VMA, even if only a part moved")
        return mm.change(old, flags=old.flags & ~VM_PAT)

    def get_pat_info(
        self, step: Step, mm: Mm, vma: Vma, caller: str, *, prot: bool
    ) -> tuple[int, int, CacheMode]:
        """The pfn (and type) of the first page: (error, pfn, type).

        From the first entry if it is present and raw; for a private mapping
        from vm_pgoff, unless the type is wanted too; else a WARN.
        """
        step.point("get_pat_info", "the page-table lock, the first entry is read")
        if step.quirks.follow_asserts_lock and step.mmap_lock is Lock.NONE:
            step.note("follow_pte", "mmap_lock is not held: a truncation has none")
            step.warn_once("follow_pte", "rwsem.h", "follow_pte", "get_pat_info", caller)
        run = pagetable.lookup(mm.ptes, vma.start)
        if run is not None and run.pfn is not None and (self.walks_huge or not run.huge):
            return 0, run.pfn, run.cache
        if is_cow_mapping(vma.flags):
            if prot:
                step.note("get_pat_info", "the first page is a copy or gone: -EINVAL")
                return -errno.EINVAL, 0, CacheMode.WB
            step.note("get_pat_info", "the first page is a copy or gone: pfn from vm_pgoff")
            return 0, vma.pgoff, CacheMode.WB
        step.note("get_pat_info", "VM_PAT is set, but no entry tells the pfn")
        # Inlined into its two callers (not in 5.10), it warns once in each.
        site = caller if self.clears_child else "get_pat_info"
        step.warn_once(site, "memtype.c", "get_pat_info", caller)
        return -errno.EINVAL, 0, CacheMode.WB

    def untrack_pfn(self, step: Step, mm: Mm, vma: Vma, pfn: int = 0, pages: int = 0) -> Vma:
        """Release and clear VM_PAT; pfn 0 and pages 0 mean the whole VMA."""
        step.call("untrack_pfn", vma=_span(vma), pfn=pfn, pages=pages)
        step.point("untrack_pfn", "VM_PAT is tested")
        vma = step.reread(mm, vma)
        if not self.tracked(vma):
            return vma
        # With a size, it is an error path that claims to hold the lock for writing.
        locked = bool(pages)
        if not pages:
            error, pfn, _ = self.get_pat_info(step, mm, vma, "untrack_pfn", prot=False)
            if error:
                return vma
            pages = vma.pages
        self.release(step, vma.owner, pfn, pages)
        step.point("untrack_pfn", "VM_PAT is cleared")
        vma = step.reread(mm, vma)
        if locked:
            step.vm_flags_set("untrack_pfn")
        return mm.change(vma, flags=vma.flags & ~VM_PAT)


VM_PAT_5_10 = VmPat(
    name="vm-pat-5.10",
    summary="as vm-pat, but fork copies the flag before the reservation (5.10)",
    clears_child=False,
    walks_huge=False,
)


def _span(vma: Vma) -> tuple[int, int]:
    return vma.start, vma.end
