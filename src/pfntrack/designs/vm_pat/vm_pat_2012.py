"""VM_PAT of 3.7 to 4.4: the first form, which releases exact ranges only.

Idea: Suresh Siddha and Konstantin Khlebnikov, 2012. Stored: one bit in
`vm_flags`, a 56-byte tree entry per tracked VMA of every process. Work: a
page-table walk and a tree search per zap, munmap and fork. Forbids nothing.
Any change of a mapping's size loses its reservation, since the release knows
the new size and the tree the old one; mremap leaves the flag on both sides.

Source: arch/x86/mm/pat.c (3.7). The exact match is a property of the release
(`PatQuirks.end_match`), not of the design.
"""

from __future__ import annotations

import attrs

from pfntrack.designs.cost import Cost
from pfntrack.designs.vm_pat.vm_pat import VM_PAT_COST
from pfntrack.designs.vm_pat.vm_pat_2015 import VmPat2015
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import Vma


@attrs.frozen
class VmPat2012(VmPat2015):
    """The design of 3.7."""

    name: str = "vm-pat-2012"
    summary: str = "flag per VMA; only exact ranges are released (3.7 to 4.4)"
    cost: Cost = attrs.field(
        default=attrs.evolve(
            VM_PAT_COST, idea="Suresh Siddha and Konstantin Khlebnikov, 2012", forbids=()
        )
    )

    def moved(self, step: Step, mm: Mm, old: Vma) -> Vma:
        """Nobody thought of mremap: the emptied VMA keeps its flag."""
        return old
