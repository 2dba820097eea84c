"""Split the reservation with the VMA: the patch of August 2024.

Idea: Nam Cao ("Support splitting of virtual memory areas"). Stored: as VM_PAT,
one bit and a 56-byte tree entry per tracked VMA of every process, and one more
entry for each piece. Work: as VM_PAT a page-table walk and a tree search per
zap, munmap and fork; both also for each split, which asks the architecture in
`__split_vma` and can fail. Forbids nothing new.

The patch is read as it was sent: on the 6.10 code, so any zap still releases
the whole VMA. It gets the fork of 2025.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.designs.base import reservable
from pfntrack.designs.cost import TREE_NODE, Cost, Work
from pfntrack.designs.vm_pat.vm_pat import VM_PAT_COST, VmPat
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import Vma
from pfntrack.pat.memtype_interval import insert
from pfntrack.pat.ram import PAGE_SHIFT


@attrs.frozen
class SplitReservation(VmPat):
    """VM_PAT with track_pfn_split() in `__split_vma`."""

    name: str = "split-reservation"
    summary: str = "as vm-pat, and a split of the VMA splits its entry (August 2024)"
    cost: Cost = attrs.field(
        default=attrs.evolve(
            VM_PAT_COST,
            idea="Nam Cao, August 2024, not merged",
            piece=TREE_NODE,
            split=Work(walks=1, tree=1),
        )
    )

    def split(self, step: Step, mm: Mm, lower: Vma, upper: Vma) -> int:
        """track_pfn_split(): the entry of the whole VMA becomes two."""
        if not self.tracked(lower):
            return 0
        error, pfn, _ = self.get_pat_info(step, mm, lower, "track_pfn_split", prot=False)
        pages = lower.pages + upper.pages
        if error or not reservable(step, pfn, pages):
            return error
        return self._memtype_split(step, lower.owner, pfn, lower.pages, pages)

    @staticmethod
    def _memtype_split(step: Step, owner: int, pfn: int, cut: int, pages: int) -> int:
        """Cut the entry of exactly this range; alike ones trade places, so ours is taken."""
        start, end = pfn << PAGE_SHIFT, (pfn + pages) << PAGE_SHIFT
        tree = step.phys.tree
        alike = [each for each in tree if (each.start, each.end) == (start, end)]
        if not alike:
            step.note("memtype_split", "no entry is exactly this range: -EINVAL")
            return -errno.EINVAL
        entry = next((each for each in alike if each.owner == owner), alike[0])
        at = tree.index(entry)
        middle = (pfn + cut) << PAGE_SHIFT
        tree = insert((*tree[:at], *tree[at + 1 :]), attrs.evolve(entry, end=middle))
        tree = insert(tree, attrs.evolve(entry, start=middle))
        step.phys = attrs.evolve(step.phys, tree=tree)
        return 0
