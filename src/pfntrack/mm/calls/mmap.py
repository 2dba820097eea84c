"""mmap() of files and of anonymous memory, over whatever is there.

Source: mm/mmap.c and mm/vma.c (`mmap_region`). *Faithful* in the order of
removing old mappings, calling the driver and freeing old VMA objects; address
choice is *ignored* (every mapping is MAP_FIXED).
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.mm.bounds import TASK_PAGES
from pfntrack.mm.calls.split import vma_merge
from pfntrack.mm.calls.unmap import detach, gather, remove_vmas, unmap_vmas
from pfntrack.mm.limits import max_map_count, security_vm_enough_memory_mm
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.tables import free_pgtables
from pfntrack.mm.vma import (
    VM_ACCOUNT,
    VM_EXEC,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_SHARED,
    VM_SOFTDIRTY,
    VM_WRITE,
    File,
    Vma,
    calc_prot,
)


def vm_flags(file: File | None, prot: str, *, shared: bool) -> tuple[int, int]:
    """Flags of a new mapping: (error, flags) (`do_mmap`)."""
    flags = calc_prot(prot) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_SOFTDIRTY
    if shared:
        flags |= VM_SHARED | VM_MAYSHARE
        if file is not None and file.readonly:
            if flags & VM_WRITE:
                return -errno.EACCES, 0
            flags &= ~(VM_MAYWRITE | VM_SHARED)
    elif flags & VM_WRITE:
        flags |= VM_ACCOUNT
    if file is not None and file.noexec:
        if flags & VM_EXEC:
            return -errno.EPERM, 0
        flags &= ~VM_MAYEXEC
    return 0, flags


def mmap(
    step: Step,
    mm: Mm,
    at: int,
    pages: int,
    file: File | None,
    pgoff: int,
    prot: str,
    *,
    shared: bool,
) -> int:
    """Map `pages` pages at page `at`; 0 or a negative errno."""
    if pages <= 0:
        return -errno.EINVAL
    step.mmap_write_lock(mm)
    if mm.map_count > step.ask(max_map_count):
        return -errno.ENOMEM
    if at + pages > TASK_PAGES:
        step.note("get_unmapped_area", "the range ends behind user space: -ENOMEM")
        return -errno.ENOMEM
    error, flags = vm_flags(file, prot, shared=shared)
    if error:
        return error
    ops = step.ops(file)
    if ops is not None and not ops.has_mmap:
        return -errno.ENODEV
    return mmap_region(step, mm, Vma(at, at + pages, flags, pgoff, file=file))


def mmap_region(step: Step, mm: Mm, vma: Vma) -> int:
    """Make room, let the driver map, and free what was there before or after it."""
    error, old = gather(step, mm, vma.start, vma.end)
    if error:
        return error
    old = detach(step, mm, old)
    prepared = step.quirks.devmem_prepares and vma.file is not None and vma.file.kind == "devmem"
    frees_last = step.quirks.mmap_frees_last and not prepared
    if not frees_last:
        remove_vmas(step, old)
    if vma.flags & VM_ACCOUNT:
        error = security_vm_enough_memory_mm(step, mm, vma.pages)
    if not error:
        vma = attrs.evolve(vma, rank=(step.tick(),))
        if prepared:
            step.i_mmap_change(vma.file)
        else:
            step.unlisted(mm, vma)
        error = call_mmap(step, mm, mm.insert(vma))
    if frees_last:
        remove_vmas(step, old)
    if not error:
        vma_merge(step, mm, mm.current(vma))
    return error


def call_mmap(step: Step, mm: Mm, vma: Vma) -> int:
    """Call the driver; if it fails, unmap what it has mapped and drop the VMA."""
    ops = step.ops(vma.file)
    if ops is None:
        return 0
    # /dev/mem maps after the VMA has been linked where it "prepares".
    step.mapping = not (step.quirks.devmem_prepares and vma.file and vma.file.kind == "devmem")
    error, _ = ops.mmap(step, mm, vma)
    step.mapping = False
    if error:
        vma = unmap_vmas(step, mm, [mm.current(vma)])[0]
        step.tlb_finish_mmu()
    step.i_mmap_change(vma.file)
    step.listed(mm, vma)
    if error:
        vma = step.reread(mm, vma)
        mm.remove(vma)
        free_pgtables(mm, vma.start, vma.end)
        step.tracking.free(step, vma)
    return error
