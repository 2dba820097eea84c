"""VM_PAT, and tracked mappings are zapped whole or not at all.

Idea: David Hildenbrand, July 2024: forbid zapping a part of the page tables of such a
mapping, as MADV_DONTNEED is forbidden for it already; splits may stay, because these VMAs
never merge. Stored and work: as VM_PAT, one bit in `vm_flags`, a 56-byte tree entry per
tracked VMA of every process, and a page-table walk per zap, munmap and fork. Forbids: a
truncation, a revocation or a driver's zap of a part. The model's reading is the
simplest: nothing is cleared, and who asked is not told (`unmap_mapping_range()` returns
nothing); a program keeps the access that was to be taken from it. munmap, mprotect and
mremap of a part go through a split, and are allowed.

The reading with the best chance: a zap of all pages of a VMA stays, and releases as it
does in VM_PAT, with the pfn of the first page, which no smaller zap can have taken away.
"""

from __future__ import annotations

import attrs

from pfntrack.designs.cost import Cost
from pfntrack.designs.vm_pat.vm_pat import VM_PAT_COST, VmPat
from pfntrack.mm.step import Step
from pfntrack.mm.vma import Vma


@attrs.frozen
class ForbidPartialZap(VmPat):
    """The tracking of 6.12, which no zap of a part ever reaches."""

    name: str = "forbid-partial-zap"
    summary: str = "as vm-pat; a part of a tracked mapping cannot be zapped (July 2024)"
    cost: Cost = attrs.field(
        default=attrs.evolve(
            VM_PAT_COST,
            idea="David Hildenbrand, July 2024, never written",
            forbids=(
                "truncation, revocation and a driver's zap of a part of a mapping",
                *VM_PAT_COST.forbids,
            ),
        )
    )

    def may_zap(self, step: Step, vma: Vma, start: int, end: int) -> bool:
        if not self.tracked(vma) or (start, end) == (vma.start, vma.end):
            return True
        step.note("unmap_single_vma", "a part of a tracked mapping is not zapped: it stays")
        return False
