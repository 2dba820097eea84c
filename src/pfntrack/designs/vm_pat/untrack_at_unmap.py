"""Untrack only when the region is unmapped: the patch of July 2024.

Idea: Peter Xu ("Only untrack the pfn range if unmap region"). Stored: as
VM_PAT, one bit and a 56-byte tree entry per tracked VMA of every process.
Work: a page-table walk and a tree search per munmap and fork; a zap costs
nothing any more. Forbids nothing. The pfn is still read from the page table,
so a zap that took the first entry leaves nothing to release by.

The patch left fork as it was in 6.10; to give the idea its best chance it gets
the fork of 2025.
"""

from __future__ import annotations

import attrs

from pfntrack.designs.cost import NOTHING, Cost
from pfntrack.designs.vm_pat.vm_pat import VM_PAT_COST, VmPat
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import Vma


@attrs.frozen
class UntrackAtUnmap(VmPat):
    """VM_PAT whose untrack call has moved from unmap_single_vma() to unmap_vmas()."""

    name: str = "untrack-at-unmap"
    summary: str = "as vm-pat, but only unmapping the region releases (July 2024)"
    cost: Cost = attrs.field(
        default=attrs.evolve(VM_PAT_COST, idea="Peter Xu, July 2024, not merged", zap=NOTHING)
    )

    def zap(self, step: Step, mm: Mm, vma: Vma, start: int, end: int, *, region: bool) -> Vma:
        return super().zap(step, mm, vma, start, end, region=True) if region else vma
