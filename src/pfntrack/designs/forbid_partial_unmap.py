"""Tracked mappings cannot be cut: unmapping or changing a part is refused.

Idea: discussed in July 2024. Stored: 8 bytes in every VMA (the pfn, as in
`pfn_per_vma`), a 56-byte tree entry per tracked VMA of every process. Work: one
tree search per munmap and fork, no walk. Forbids munmap, mmap over, mprotect,
madvise and mremap of a part of a tracked VMA.

The reading with the best chance: the refusal comes from where
`vm_ops->may_split` is asked, so nothing has changed when it comes; and the pfn
is stored, so that zaps do no harm.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.designs.cost import LOOKUP, TREE_NODE, Cost
from pfntrack.designs.pfn_per_vma import PfnPerVma
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import Vma


@attrs.frozen
class ForbidPartialUnmap(PfnPerVma):
    """Tracked VMAs live and die whole."""

    name: str = "forbid-partial-unmap"
    summary: str = "a tracked mapping cannot be split or unmapped in part (July 2024)"
    cost: Cost = attrs.field(
        default=Cost(
            idea="discussed in July 2024",
            every_vma=8,
            sharer=TREE_NODE,
            fork=LOOKUP,
            unmap=LOOKUP,
            forbids=("munmap, MAP_FIXED, mprotect, madvise and mremap of a part of a mapping",),
        )
    )

    def split(self, step: Step, mm: Mm, lower: Vma, upper: Vma) -> int:
        if not self.tracked(lower) and not self.tracked(upper):
            return 0
        step.note("may_split", "a tracked mapping cannot be split: -EINVAL")
        return -errno.EINVAL

    def may_unmap(self, step: Step, mm: Mm, vma: Vma, start: int, end: int) -> int:
        if not self.tracked(vma) or (start, end) == (vma.start, vma.end):
            return 0
        step.note("may_split", "a part of a tracked mapping cannot be unmapped: -EINVAL")
        return -errno.EINVAL
