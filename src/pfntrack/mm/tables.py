"""Page-table pages: allocation, which can fail, and their release.

Source: mm/memory.c (`__pte_alloc`, `free_pgtables`). *Simplified*: only the
lowest level is counted; upper levels always exist.
"""

from __future__ import annotations

import errno

from pfntrack.mm.pagetable import PTRS_PER_PTE, blocks
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step


def pte_alloc(step: Step, mm: Mm, block: int) -> int:
    """Make sure that table number `block` exists; 0 or a negative errno."""
    if block in mm.tables:
        return 0
    if step.fails("__pte_alloc"):
        step.note("__pte_alloc", "no page for the page table of pages {}", block * PTRS_PER_PTE)
        return -errno.ENOMEM
    mm.tables |= {block}
    return 0


def free_pgtables(mm: Mm, start: int, end: int) -> None:
    """Free the tables of `[start, end)` that no remaining VMA needs."""
    # The tables that there are, not those that the range has room for.
    touched = blocks(start, end)
    mm.tables -= {
        block
        for block in mm.tables
        if block in touched and not any(block in blocks(v.start, v.end) for v in mm.vmas)
    }
