"""mlock() and mseal().

Source: mm/mlock.c, mm/mseal.c. *Faithful* for pfn mappings, which mlock
passes over; locking other memory only sets the flag.
"""

from __future__ import annotations

import errno

from pfntrack.mm import ops
from pfntrack.mm.calls.split import vma_merge, vma_modify
from pfntrack.mm.perform import performs
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import VM_LOCKED, VM_SEALED, VM_SPECIAL


@performs(ops.Mlock)
def mlock(step: Step, mm: Mm, start: int, pages: int, *, unlock: bool = False) -> int:
    """Lock or unlock; special VMAs are skipped with success."""
    if error := _covered(mm, start, start + pages):
        return error
    return _set(step, mm, start, start + pages, VM_LOCKED, clear=unlock, skip=VM_SPECIAL)


@performs(ops.Mseal)
def mseal(step: Step, mm: Mm, start: int, pages: int) -> int:
    """Forbid unmapping, moving and reprotecting."""
    if not step.quirks.has_mseal:
        return -errno.ENOSYS
    if error := _covered(mm, start, start + pages):
        return error
    return _set(step, mm, start, start + pages, VM_SEALED, clear=False, skip=0)


def _covered(mm: Mm, start: int, end: int) -> int:
    done = start
    for vma in mm.overlapping(start, end):
        if vma.start > done:
            break
        done = vma.end
    return 0 if done >= end else -errno.ENOMEM


def _set(step: Step, mm: Mm, start: int, end: int, flag: int, *, clear: bool, skip: int) -> int:
    step.mmap_write_lock(mm)
    for vma in mm.overlapping(start, end):
        flags = vma.flags & ~flag if clear else vma.flags | flag
        if vma.flags & skip or flags == vma.flags:
            continue
        error, part = vma_modify(step, mm, vma, max(vma.start, start), min(vma.end, end))
        if error:
            return error
        vma_merge(step, mm, mm.change(part, flags=flags))
    return 0
