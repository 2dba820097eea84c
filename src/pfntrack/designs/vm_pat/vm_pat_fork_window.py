"""The window of 6.12.23 to 6.12.30 (and 6.15-rc): every copy of a VMA loses the flag.

Idea: the first form of the 2025 fork fix (dc84bc2aba85): clear VM_PAT in
vm_area_dup(), because fork calls it. So do splits and mremap, whose copies then
answer for nothing. Stored and work: as vm-pat. Corrected by e9f180d7cfde,
which clears the flag in dup_mmap() alone.

Source: kernel/fork.c (`vm_area_dup`). *Faithful*.
"""

from __future__ import annotations

import attrs

from pfntrack.designs.cost import Cost
from pfntrack.designs.vm_pat.vm_pat import VM_PAT_COST, VmPat
from pfntrack.mm.step import Step, pfnmap
from pfntrack.mm.vma import VM_PAT, Vma


@attrs.frozen
class VmPatForkWindow(VmPat):
    """The design of 6.12.23."""

    name: str = "vm-pat-fork-window"
    summary: str = "as vm-pat, but splits and moves lose the flag too (6.12.23 to 6.12.30)"
    cost: Cost = attrs.field(
        default=attrs.evolve(VM_PAT_COST, idea="first form of the 2025 fork fix")
    )

    def dup(self, step: Step, vma: Vma) -> tuple[int, Vma]:
        """vm_area_dup() cannot tell what the copy is for."""
        if not pfnmap(vma):
            return 0, vma
        return 0, attrs.evolve(vma, flags=vma.flags & ~VM_PAT)
