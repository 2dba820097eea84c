"""fork(): duplicates VMAs, copies page tables, and undoes it all on failure.

Source: kernel/fork.c (5.10, 6.1, 6.12) and mm/mmap.c (7.3): `dup_mmap`;
mm/memory.c: `copy_page_range`. *Faithful* in order and in every failing step;
policies and userfaultfd are *ignored*.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.mm import pagetable
from pfntrack.mm.calls.split import vm_area_dup
from pfntrack.mm.calls.unmap import exit_mmap
from pfntrack.mm.limits import security_vm_enough_memory_mm
from pfntrack.mm.pagetable import PTRS_PER_PTE, PteRun, blocks
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step, pfnmap
from pfntrack.mm.tables import pte_alloc
from pfntrack.mm.vma import (
    VM_ACCOUNT,
    VM_DONTCOPY,
    VM_LOCKED,
    VM_SHARED,
    VM_WIPEONFORK,
    Vma,
    is_cow_mapping,
)


def fork(step: Step, parent: Mm) -> tuple[int, Mm | None]:
    """Duplicate `parent`: (0 or -ENOMEM, the child's address space)."""
    step.mmap_write_lock(parent)
    child = step.new_mm()
    if dup_mmap(step, parent, child):
        stack, step.stack = step.stack, ("mmput", "copy_process", *step.stack)
        exit_mmap(step, child)
        step.stack = stack
        # Whatever went wrong, dup_mm() tells the caller only that it did.
        return -errno.ENOMEM, None
    return 0, child


def dup_mmap(step: Step, parent: Mm, child: Mm) -> int:
    """Copy VMA by VMA; a negative errno leaves the child half made."""
    for each in parent.vmas:
        src = step.reread(parent, each)
        if src.flags & VM_DONTCOPY:
            continue
        if src.flags & VM_ACCOUNT and (
            error := security_vm_enough_memory_mm(step, child, src.pages)
        ):
            return error
        error, dst = vm_area_dup(step, src)
        if error:
            return error
        dst = step.tracking.fork(step, src, dst)
        step.i_mmap_change(src.file)
        # In a file's index the child's VMA comes right after the parent's.
        rank = (*src.rank, -step.tick())
        flags = dst.flags & ~VM_LOCKED
        dst = attrs.evolve(dst, flags=flags, indexed=None, rank=rank, forked=src.anon_vma)
        dst = child.insert(dst)
        if step.quirks.fork_opens_first:
            dst = _open(step, child, dst)
        if src.flags & VM_WIPEONFORK:
            child.change(dst, anon_vma=False, forked=False)
            continue
        error = copy_page_range(step, child, dst, parent, src)
        if not step.quirks.fork_opens_first:
            _open(step, child, child.current(dst))
        step.point("dup_mmap", "the next VMA")
        if error:
            return error
    return 0


def _open(step: Step, mm: Mm, vma: Vma) -> Vma:
    ops = step.ops(vma.file)
    return ops.open(step, mm, vma) if ops else vma


def copy_page_range(step: Step, child: Mm, dst: Vma, parent: Mm, src: Vma) -> int:
    """Copy the entries of one VMA; 0 or a negative errno."""
    step.copying_vma = src.start
    error, pfn = step.struck if step.fails("copy_page_range") else 0, 0
    if not error and pfnmap(src):
        step.point("copy_page_range", "the tracking copies what it knows")
        src, dst = step.reread(parent, src), step.reread(child, dst)
        error, dst, pfn = step.tracking.copy(step, parent, src, child, dst)
    if not error and vma_needs_copy(src):
        error = _copy_tables(step, child, parent, src)
        dst = step.reread(child, dst)
        if error and pfnmap(src):
            step.tracking.copy_failed(step, child, dst, pfn)
    step.copying_vma = None
    return error


def vma_needs_copy(src: Vma) -> bool:
    """Do its entries have to be copied? Untouched ordinary memory can fault again."""
    return src.anon_vma or not src.ordinary


def _copy_tables(step: Step, child: Mm, parent: Mm, src: Vma) -> int:
    """Copy table by table, allocating the child's."""
    cow, shared = is_cow_mapping(src.flags), bool(src.flags & VM_SHARED)

    def copied(run: PteRun) -> PteRun:
        dirty = run.dirty and run.special and not shared
        return attrs.evolve(run, write=run.write and not cow, dirty=dirty)

    def kept(run: PteRun) -> PteRun:
        # Both sides lose write permission, and neither owns a copied page alone.
        return attrs.evolve(run, write=False, dirty=run.dirty and run.special) if cow else run

    # Where the parent has neither table nor leaf there is nothing to lock or copy.
    filled = {
        b for r in pagetable.within(parent.ptes, src.start, src.end) for b in blocks(r.start, r.end)
    }
    filled |= {block for block in parent.tables if block in blocks(src.start, src.end)}
    for block in sorted(filled):
        step.point("copy_pte_range", "both page-table locks, entries copied")
        low = max(src.start, block * PTRS_PER_PTE)
        high = min(src.end, (block + 1) * PTRS_PER_PTE)
        if block in parent.tables and pte_alloc(step, child, block):
            return -errno.ENOMEM
        runs = pagetable.within(parent.ptes, low, high)
        counted = [run for run in runs if run.counted]
        if counted and (error := step.tracking.may_copy(step)):
            return error
        step.tracking.copied(step, counted)
        child.ptes = pagetable.put(child.ptes, *map(copied, runs))
        parent.ptes = pagetable.change(parent.ptes, low, high, kept)
    return 0
