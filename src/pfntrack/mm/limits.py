"""Limits that make a call fail with -ENOMEM before anything is changed.

Source: `security_vm_enough_memory_mm()` (mm/util.c). *Simplified*: the pages
already committed are those of the calling process.
"""

from __future__ import annotations

import errno

from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import VM_ACCOUNT

HEURISTIC, ALWAYS, NEVER = 0, 1, 2


def security_vm_enough_memory_mm(step: Step, mm: Mm, pages: int) -> int:
    """May `mm` commit `pages` more pages? 0 or -ENOMEM."""
    if failed := step.fails("security_vm_enough_memory_mm"):
        return failed
    if step.phys.overcommit == ALWAYS:
        return 0
    committed = 0
    if step.phys.overcommit == NEVER:
        committed = sum(vma.pages for vma in mm.vmas if vma.flags & VM_ACCOUNT)
    if committed + pages > step.machine.overcommit_pages:
        step.note("security_vm_enough_memory_mm", "more memory than may be committed: -ENOMEM")
        return -errno.ENOMEM
    return 0


def map_count_reached(step: Step, mm: Mm, slack: int = 0) -> bool:
    """Is the number of VMAs within `slack` of vm.max_map_count?"""
    return mm.map_count >= step.phys.max_map_count - slack
