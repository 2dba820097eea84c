"""The driver is asked for the pfn: a hook in `vm_operations_struct`.

Idea: discussed in July 2024. Stored: one bit in `vm_flags`, a 56-byte tree
entry per tracked VMA of every process; nothing in other VMAs. Work: one tree
search per munmap and fork, no walk. Forbids nothing, but every driver that
maps pfns must implement the hook, and answer for any piece at any time.

The reading with the best chance: release when the region is unmapped, and
drivers that compute the pfn from `vm_pgoff`, as most do at mmap; for private
mappings `vm_pgoff` is the pfn itself. What a driver remaps later to other
pages it would have to remember; the drivers of the model do not.
"""

from __future__ import annotations

import attrs

from pfntrack.designs.cost import LOOKUP, TREE_NODE, Cost
from pfntrack.designs.pfn_per_vma import PfnPerVma
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import VM_PAT, Vma, is_cow_mapping


@attrs.frozen
class DriverHook(PfnPerVma):
    """A flag says that the VMA is tracked; `vm_ops->pfn()` says by which pfn."""

    name: str = "driver-hook"
    summary: str = "a vm_operations hook tells the pfn at unmap (July 2024)"
    cost: Cost = attrs.field(
        default=Cost(
            idea="discussed in July 2024",
            sharer=TREE_NODE,
            fork=LOOKUP,
            unmap=LOOKUP,
            drivers="implement vm_ops->pfn() in each driver that maps pfns, for any piece of a VMA",
        )
    )

    def tracked(self, vma: Vma) -> bool:
        return bool(vma.flags & VM_PAT)

    def pfn(self, vma: Vma) -> int:
        """What the driver answers: `vm_pgoff`, counted from the start of its window."""
        if is_cow_mapping(vma.flags) or vma.file is None or vma.file.kind != "driver":
            return vma.pgoff
        return vma.pgoff + (vma.file.window.pfn if vma.file.window else 0)

    def mark(self, vma: Vma, pfn: int) -> Vma:
        return attrs.evolve(vma, flags=vma.flags | VM_PAT)

    def unmark(self, vma: Vma) -> Vma:
        return attrs.evolve(vma, flags=vma.flags & ~VM_PAT)

    def split(self, step: Step, mm: Mm, lower: Vma, upper: Vma) -> int:
        """Nothing to keep: `vm_pgoff` has advanced."""
        return 0
