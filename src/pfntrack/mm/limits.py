"""Limits that make a call fail with -ENOMEM before anything is changed.

Source: `security_vm_enough_memory_mm()` (mm/util.c). *Simplified*: only the
arenas of the modelled processes count as committed.
"""

from __future__ import annotations

import errno

from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import VM_ACCOUNT
from pfntrack.pat.context import Context
from pfntrack.pat.events import Log
from pfntrack.pat.ram import PAGE_SIZE

HEURISTIC, ALWAYS, NEVER = 0, 1, 2


def security_vm_enough_memory_mm(step: Step, mm: Mm, pages: int) -> int:
    """May `mm` commit `pages` more pages? 0 or -ENOMEM."""
    if step.fails("security_vm_enough_memory_mm"):
        return step.struck
    overcommit, commit_limit = step.ask(_overcommit)
    if overcommit == ALWAYS:
        return 0
    committed, limit = 0, step.machine.overcommit_pages
    if overcommit == NEVER:
        limit = limit // 2 if commit_limit is None else commit_limit
        spaces = step.spaces if mm in step.spaces else [*step.spaces, mm]
        committed = sum(
            vma.pages for space in spaces for vma in space.vmas if vma.flags & VM_ACCOUNT
        )
    if committed + pages > limit:
        if step.quirks.vm_enough_memory:
            task, size = step.task, pages * PAGE_SIZE
            line = step.quirks.vm_enough_memory.format(pid=task.pid, comm=task.comm, bytes=size)
            step.emit(Log(line))
        step.note("security_vm_enough_memory_mm", "more memory than may be committed: -ENOMEM")
        return -errno.ENOMEM
    return 0


def map_count_reached(step: Step, mm: Mm, slack: int = 0) -> bool:
    """Is the number of VMAs within `slack` of vm.max_map_count?"""
    return mm.map_count >= step.ask(max_map_count) - slack


def max_map_count(ctx: Context) -> int:
    """The sysctl vm.max_map_count."""
    return ctx.phys.max_map_count


def _overcommit(ctx: Context) -> tuple[int, int | None]:
    """The sysctls vm.overcommit_memory and vm.overcommit_kbytes, in pages."""
    return ctx.phys.overcommit, ctx.phys.commit_limit
