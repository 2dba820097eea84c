"""Unmapping: the funnel through which every zap goes, munmap, and exit.

Source: mm/memory.c (`unmap_single_vma`, `zap_page_range_single`), mm/mmap.c and
mm/vma.c (`do_munmap`, `exit_mmap`). *Faithful* in the order of tracking, page
tables and VMA objects.
"""

from __future__ import annotations

import errno

from pfntrack.mm import ops, pagetable
from pfntrack.mm.bounds import TASK_PAGES
from pfntrack.mm.calls.split import __split_vma
from pfntrack.mm.limits import map_count_reached
from pfntrack.mm.perform import performs
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step, pfnmap
from pfntrack.mm.tables import free_pgtables
from pfntrack.mm.vma import VM_SEALED, Vma


def unmap_single_vma(
    step: Step,
    mm: Mm,
    vma: Vma,
    start: int,
    end: int,
    *,
    region: bool = False,
    even_cows: bool = True,
) -> Vma:
    """Clear the entries of `[start, end)` of one VMA, after asking the tracking.

    Without `even_cows` copied pages stay. A design that follows entries is asked for
    those that are there, batch by batch and under the lock of their page table.
    """
    stack, step.stack = step.stack, ("unmap_single_vma", *step.stack)
    tracks, follows = pfnmap(vma), step.tracking.follows_entries
    if tracks and not region and not step.tracking.may_zap(step, vma, start, end):
        step.stack = stack
        return vma
    if tracks and not follows:
        vma = step.tracking.zap(step, mm, vma, start, end, region=region)
    keep = None if even_cows else _copied
    for low, high in step.batches(start, end):
        if tracks and follows:
            for first, last in step.present(mm, low, high):
                vma = step.reread(mm, vma)
                vma = step.tracking.zap(step, mm, vma, first, last, region=region)
        if tracks and follows:
            step.tracking.cleared(step, pagetable.lost(mm.ptes, low, high))
        step.clearing(mm, low, high)
        mm.ptes = pagetable.clear(mm.ptes, low, high, keep)
    step.stack = stack
    return step.reread(mm, vma)


def _copied(run: pagetable.PteRun) -> bool:
    return not run.special


def zap_page_range_single(step: Step, mm: Mm, vma: Vma, start: int, end: int) -> Vma:
    """Clear a part of one VMA, which stays."""
    stack, step.stack = step.stack, ("zap_page_range_single", *step.stack)
    vma = unmap_single_vma(step, mm, vma, start, end)
    step.tlb_finish_mmu()
    step.stack = stack
    return step.reread(mm, vma)


def zap_vma_ptes(step: Step, mm: Mm, vma: Vma, start: int, end: int) -> Vma:
    """A driver clears `[start, end)`; refused outside the VMA and for other mappings."""
    if not pfnmap(vma) or start < vma.start or end > vma.end:
        step.note("zap_vma_ptes", "not a pfn mapping, or not inside it: nothing is done")
        return vma
    return zap_page_range_single(step, mm, vma, start, end)


def unmap_vmas(step: Step, mm: Mm, vmas: list[Vma]) -> list[Vma]:
    """Untrack and clear whole VMAs, ascending."""
    stack, step.stack = step.stack, ("unmap_vmas", *step.stack)
    done = [
        unmap_single_vma(step, mm, step.reread(mm, vma), vma.start, vma.end, region=True)
        for vma in vmas
    ]
    step.stack = stack
    return done


def remove_vmas(step: Step, vmas: list[Vma]) -> None:
    """The VMA objects die, ascending: close, then the tracking lets go."""
    for vma in vmas:
        step.point("remove_vma", "the VMA object dies")
        if ops := step.ops(vma.file):
            ops.close(step, vma)
        step.tracking.free(step, vma)


def can_modify_vma(step: Step, vma: Vma) -> bool:
    """Is the VMA not sealed?"""
    if vma.flags & VM_SEALED:
        step.note("can_modify_vma", "a VMA in the range is sealed: -EPERM")
    return not vma.flags & VM_SEALED


def gather(step: Step, mm: Mm, start: int, end: int) -> tuple[int, list[Vma]]:
    """Split at both ends of `[start, end)`: (error, the VMAs inside)."""
    hit = mm.overlapping(start, end)
    if not hit:
        return 0, []
    for vma in hit:
        low, high = max(start, vma.start), min(end, vma.end)
        if error := step.tracking.may_unmap(step, mm, vma, low, high):
            return error, []
    first = hit[0]
    if first.start < start:
        if end < first.end and map_count_reached(step, mm):
            step.note("do_munmap", "a hole makes one VMA more than vm.max_map_count: -ENOMEM")
            return -errno.ENOMEM, []
        if not can_modify_vma(step, first):
            return -errno.EPERM, []
        new_below = step.quirks.munmap_new_below
        if error := __split_vma(step, mm, first, start, new_below=new_below):
            return error, []
    # A cut made before a sealed VMA was met is not undone.
    if not all(can_modify_vma(step, vma) for vma in mm.overlapping(start, end)):
        return -errno.EPERM, []
    last = mm.find(end)
    if last is not None and last.start < end:
        new_below = not step.quirks.munmap_new_below
        if error := __split_vma(step, mm, last, end, new_below=new_below):
            return error, []
    return 0, mm.overlapping(start, end)


def detach(step: Step, mm: Mm, vmas: list[Vma]) -> list[Vma]:
    """Untrack, clear and take the VMAs out of the tree; their objects still live."""
    unmapped, gone = unmap_vmas(step, mm, vmas), []
    for vma in unmapped:
        step.i_mmap_change(vma.file)
        gone.append(step.reread(mm, vma))
        mm.remove(vma)
    if gone:
        free_pgtables(mm, gone[0].start, gone[-1].end)
        step.tlb_finish_mmu()
    return gone


def do_munmap(step: Step, mm: Mm, start: int, end: int) -> int:
    """Unmap `[start, end)`; 0 or a negative errno."""
    if end > TASK_PAGES:
        return -errno.EINVAL
    error, vmas = gather(step, mm, start, end)
    if error:
        return error
    remove_vmas(step, detach(step, mm, vmas))
    return 0


@performs(ops.Munmap)
def munmap(step: Step, mm: Mm, start: int, pages: int) -> int:
    """The system call."""
    if pages <= 0:
        return -errno.EINVAL
    step.mmap_write_lock(mm)
    return do_munmap(step, mm, start, start + pages)


def exit_mmap(step: Step, mm: Mm) -> None:
    """The address space dies: untrack and clear all VMAs, then free their objects."""
    stack, step.stack = step.stack, ("exit_mmap", *step.stack)
    step.mmap_write_lock(mm)
    unmapped, gone = unmap_vmas(step, mm, list(mm.vmas)), []
    step.tlb_finish_mmu()
    for vma in unmapped:
        step.i_mmap_change(vma.file)
        gone.append(step.reread(mm, vma))
        mm.remove(vma)
    mm.tables = frozenset()
    remove_vmas(step, gone)
    step.stack = stack
