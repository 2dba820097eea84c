"""VM_PAT of 4.5 to 6.2: an entry may be cut at its end, and mremap moves the flag.

Idea: Toshi Kani, 2015 and 2016, on the design of 2012. Stored: one bit in
`vm_flags`, a 56-byte tree entry per tracked VMA of every process. Work: a
page-table walk and a tree search per zap, munmap and fork. Forbids nothing,
but trusts whatever the first page-table entry holds: a private copy is taken
for the device's page, until 6.9.

Source: arch/x86/mm/pat.c (4.5). *Simplified*: the pfn of a private copy is one
fixed page of RAM.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.designs.cost import Cost
from pfntrack.designs.vm_pat.vm_pat import VM_PAT_COST, VmPat
from pfntrack.mm import pagetable
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import Vma
from pfntrack.pat.cachemode import CacheMode

# Where the model's private copies pretend to lie.
SOME_RAM_PFN = 0x2000


@attrs.frozen
class VmPat2015(VmPat):
    """The design of 4.5."""

    name: str = "vm-pat-2015"
    summary: str = "flag per VMA; entries can shrink at the end (4.5 to 6.2)"
    clears_child: bool = False
    walks_huge: bool = False
    cost: Cost = attrs.field(
        default=attrs.evolve(VM_PAT_COST, idea="Toshi Kani, 2015: shrink and move", forbids=())
    )

    def get_pat_info(
        self, step: Step, mm: Mm, vma: Vma, caller: str, *, prot: bool
    ) -> tuple[int, int, CacheMode]:
        """follow_phys() on the first page: any present entry will do, even a copy's."""
        step.point("follow_phys", "the page-table lock, the first entry is read")
        run = pagetable.lookup(mm.ptes, vma.start)
        if run is None:
            step.note(caller, "VM_PAT is set, but no entry tells the pfn")
            step.warn_once(caller, "pat.c", caller)
            return -errno.EINVAL, 0, CacheMode.WB
        if run.pfn is None:
            step.note(caller, "the first page is a private copy, taken for the device's page")
            return 0, SOME_RAM_PFN, run.cache
        return 0, run.pfn, run.cache
