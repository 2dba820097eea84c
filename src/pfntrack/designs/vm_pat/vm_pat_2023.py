"""VM_PAT of 6.3 to 6.14: a failing fork takes the flag off the child.

Idea: Ma Wupeng, 2023, against the warning that a failing fork provoked since
2.6.29. Stored and work: as in 4.5. The child's flag goes, and its reservation
with it is forgotten: a warning became a silent leak. A reservation that cannot
be made still leaves the flag. From 6.9 a private copy is no longer trusted
(David Hildenbrand, 2024), which is a second value of the same file.

Source: mm/memory.c (`copy_page_range`) and arch/x86/mm/pat/memtype.c. *Faithful*.
"""

from __future__ import annotations

import attrs

from pfntrack.designs.cost import Cost
from pfntrack.designs.vm_pat.vm_pat import VM_PAT_COST, VmPat
from pfntrack.designs.vm_pat.vm_pat_2015 import VmPat2015
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import VM_PAT, Vma


def _dropped(dst_mm: Mm, dst: Vma) -> Vma:
    return dst_mm.change(dst, flags=dst.flags & ~VM_PAT)


@attrs.frozen
class VmPat2023(VmPat2015):
    """The design of 6.3 to 6.8."""

    name: str = "vm-pat-2023"
    summary: str = "as vm-pat-2015; a failing fork clears the child's flag (6.3 to 6.8)"
    cost: Cost = attrs.field(default=attrs.evolve(VM_PAT_COST, idea="Ma Wupeng, 2023", forbids=()))

    def copy_failed(self, step: Step, dst_mm: Mm, dst: Vma, pfn: int) -> Vma:
        """untrack_pfn_clear(): the flag goes, the child's reservation stays."""
        return _dropped(dst_mm, dst)


@attrs.frozen
class VmPat2024(VmPat):
    """The design of 6.9 to 6.14."""

    name: str = "vm-pat-2024"
    summary: str = "as vm-pat-2023; private copies are not trusted any more (6.9 to 6.14)"
    clears_child: bool = False
    cost: Cost = attrs.field(default=attrs.evolve(VM_PAT_COST, idea="David Hildenbrand, 2024"))

    def copy_failed(self, step: Step, dst_mm: Mm, dst: Vma, pfn: int) -> Vma:
        """untrack_pfn_clear(): the flag goes, the child's reservation stays."""
        return _dropped(dst_mm, dst)
