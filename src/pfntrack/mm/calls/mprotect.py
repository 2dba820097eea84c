"""mprotect(): splits VMAs and changes permissions, never types.

Source: mm/mprotect.c. *Faithful* for pfn mappings: cache bits stay, PROT_NONE
entries stay present for the kernel, and write permission comes back as the
driver's `page_mkwrite` and the dirty bit decide.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.mm import ops, pagetable
from pfntrack.mm.calls.split import vma_merge, vma_modify
from pfntrack.mm.limits import security_vm_enough_memory_mm
from pfntrack.mm.pagetable import PteRun
from pfntrack.mm.perform import performs
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import (
    VM_ACCESS,
    VM_ACCOUNT,
    VM_SEALED,
    VM_SHARED,
    VM_WRITE,
    Vma,
    calc_prot,
)


def vma_wants_writenotify(step: Step, vma: Vma) -> bool:
    """Are shared pages mapped read-only so that the driver sees the first write?"""
    ops = step.ops(vma.file)
    return vma.flags & (VM_WRITE | VM_SHARED) == VM_WRITE | VM_SHARED and bool(
        ops and ops.page_mkwrite
    )


@performs(ops.Mprotect)
def mprotect(step: Step, mm: Mm, start: int, pages: int, prot: str) -> int:
    """The system call; 0 or a negative errno."""
    step.mmap_write_lock(mm)
    end = start + pages
    hit = mm.overlapping(start, end)
    if not hit or hit[0].start > start:
        return -errno.ENOMEM
    done = start
    for vma in hit:
        if vma.start > done:
            return -errno.ENOMEM
        flags = (vma.flags & ~VM_ACCESS) | calc_prot(prot)
        # Each permission asked for needs its MAY bit, four places up.
        if flags & ~(flags >> 4) & VM_ACCESS:
            step.note("mprotect", "the file was not opened or mounted for this: -EACCES")
            return -errno.EACCES
        low, high = max(vma.start, start), min(vma.end, end)
        if error := mprotect_fixup(step, mm, vma, low, high, flags):
            return error
        done = high
    return 0 if done >= end else -errno.ENOMEM


def mprotect_fixup(step: Step, mm: Mm, vma: Vma, start: int, end: int, flags: int) -> int:
    """Give `[start, end)` of one VMA new flags."""
    if vma.flags & VM_SEALED:
        return -errno.EPERM
    if flags == vma.flags:
        return 0
    if flags & (VM_WRITE | VM_ACCOUNT | VM_SHARED) == VM_WRITE:
        if error := security_vm_enough_memory_mm(step, mm, end - start):
            return error
        flags |= VM_ACCOUNT
    elif step.quirks.mprotect_unaccounts and not flags & VM_WRITE and _untouched(vma):
        flags &= ~VM_ACCOUNT
    error, vma = vma_modify(step, mm, vma, start, end)
    if error:
        return error
    vma = mm.change(vma, flags=flags)
    change_protection(step, mm, vma)
    vma_merge(step, mm, vma)
    return 0


def _untouched(vma: Vma) -> bool:
    """Ordinary memory that nobody has written to yet."""
    return vma.ordinary and not vma.anon_vma


def change_protection(step: Step, mm: Mm, vma: Vma) -> None:
    """Bring the entries of `vma` in line with its flags."""
    notify = vma_wants_writenotify(step, vma)
    shared_write = vma.flags & (VM_WRITE | VM_SHARED) == VM_WRITE | VM_SHARED

    def alter(run: PteRun) -> PteRun:
        if shared_write:
            write = not notify or run.dirty
        else:
            mine = not run.special and run.dirty and step.quirks.upgrades_exclusive
            write = bool(vma.flags & VM_WRITE) and mine
        return attrs.evolve(run, write=write, protnone=not vma.flags & VM_ACCESS)

    mm.ptes = pagetable.change(mm.ptes, vma.start, vma.end, alter)
