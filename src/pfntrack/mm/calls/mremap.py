"""mremap(): shrink, refuse to grow, move whole or in part.

Source: mm/mremap.c (5.10, 6.1, 6.12: `mremap_to`, `vma_to_resize`, `move_vma`;
7.3: `check_prep_vma`, `remap_move`). *Faithful* for pfn mappings: order of
checks and unmapping, the copy, the untracking of the old VMA. Growing other
memory is *ignored* (refused with -ENOMEM). Moving a page-table page as a whole
instead of its entries is kept where both ends are whole tables.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.mm import pagetable
from pfntrack.mm.bounds import TASK_PAGES
from pfntrack.mm.calls.split import vm_area_dup
from pfntrack.mm.calls.unmap import do_munmap
from pfntrack.mm.limits import map_count_reached
from pfntrack.mm.ops import Mremap
from pfntrack.mm.pagetable import PTRS_PER_PTE, PteRun
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step, pfnmap
from pfntrack.mm.tables import pte_alloc
from pfntrack.mm.vma import (
    VM_ACCOUNT,
    VM_DONTEXPAND,
    VM_MAYSHARE,
    VM_PFNMAP,
    VM_SEALED,
    Vma,
)
from pfntrack.pat.events import Log


def mremap(step: Step, mm: Mm, op: Mremap) -> tuple[int, int]:
    """The system call: (error, page at which the mapping now begins)."""
    step.mmap_write_lock(mm)
    maymove = op.maymove or op.fixed
    if op.new <= 0 or (op.fixed and op.to is None):
        return -errno.EINVAL, 0
    if op.to is not None and op.to + op.new > TASK_PAGES:
        return -errno.EINVAL, 0
    if op.dontunmap and (not maymove or op.old != op.new):
        return -errno.EINVAL, 0
    blindly = step.quirks.mremap_looks_late and not (op.fixed or op.dontunmap)
    if blindly and op.old >= op.new:
        error = do_munmap(step, mm, op.at + op.new, op.at + op.old) if op.old > op.new else 0
        return error, op.at
    if step.quirks.mremap_checks_first and op.fixed and _overlaps(op):
        return -errno.EINVAL, 0
    if step.quirks.mremap_checks_first and op.fixed and op.to is not None:
        if map_count_reached(step, mm, slack=5):
            return -errno.ENOMEM, 0
        if op.old == op.new and not op.dontunmap:
            return remap_move(step, mm, op, op.to)
        return _mremap_to_checked(step, mm, op, op.to)
    if step.quirks.mremap_looks_late and op.fixed and op.to is not None:
        return _mremap_to(step, mm, op, op.to)
    vma = mm.find(op.at)
    if vma is None:
        return -errno.EFAULT, 0
    if vma.flags & VM_SEALED:
        return -errno.EPERM, 0
    if op.fixed and op.to is not None:
        return _mremap_to(step, mm, op, op.to)
    if op.dontunmap:
        error = vma_to_resize(step, vma, op.at, op.old, op.new, dontunmap=True)
        return error or -errno.ENOMEM, 0
    if op.old > op.new:
        error = do_munmap(step, mm, op.at + op.new, op.at + op.old)
        return error, op.at
    if op.old == op.new:
        return 0, op.at
    error = vma_to_resize(step, vma, op.at, op.old, op.new)
    return error or -errno.ENOMEM, 0


def _overlaps(op: Mremap) -> bool:
    """Does the target touch the source?"""
    return op.to is not None and op.at < op.to + op.new and op.to < op.at + op.old


def vma_to_resize(
    step: Step, vma: Vma, at: int, old: int, new: int, *, dontunmap: bool = False
) -> int:
    """May this VMA be resized or moved like that? 0 or a negative errno."""
    if not old and not vma.flags & VM_MAYSHARE:
        step.emit(
            Log(
                f"{step.task.comm} ({step.task.pid}): attempted to duplicate a private mapping "
                "with mremap.  This is not supported."
            )
        )
        return -errno.EINVAL
    if dontunmap and vma.flags & (VM_DONTEXPAND | VM_PFNMAP):
        step.note("vma_to_resize", "MREMAP_DONTUNMAP is not for pfn mappings: -EINVAL")
        return -errno.EINVAL
    if old > vma.end - at:
        return -errno.EFAULT
    if old == new:
        return 0
    if new > old and vma.flags & (VM_DONTEXPAND | VM_PFNMAP):
        step.note("vma_to_resize", "a pfn mapping cannot grow: -EFAULT")
        return -errno.EFAULT
    return 0


def _mremap_to(step: Step, mm: Mm, op: Mremap, to: int) -> tuple[int, int]:
    """MREMAP_FIXED to 6.16: the target is gone before most checks are made."""
    if _overlaps(op):
        return -errno.EINVAL, 0
    if map_count_reached(step, mm, slack=5):
        return -errno.ENOMEM, 0
    if error := do_munmap(step, mm, to, to + op.new):
        return error, 0
    old = op.old
    if old > op.new:
        if error := do_munmap(step, mm, op.at + op.new, op.at + old):
            return error, 0
        old = op.new
    vma = mm.find(op.at)
    if vma is None:
        return -errno.EFAULT, 0
    if error := vma_to_resize(step, vma, op.at, old, op.new, dontunmap=op.dontunmap):
        return error, 0
    return move_vma(step, mm, vma, op.at, old, to), to


def _mremap_to_checked(step: Step, mm: Mm, op: Mremap, to: int) -> tuple[int, int]:
    """MREMAP_FIXED of 7.x: all checks of the mapping come before the target is unmapped."""
    vma = mm.find(op.at)
    if vma is None:
        return -errno.EFAULT, 0
    if vma.flags & VM_SEALED:
        return -errno.EPERM, 0
    # What a shrinking move cuts off may belong to several mappings.
    old = min(op.old, op.new)
    if error := vma_to_resize(step, vma, op.at, old, op.new, dontunmap=op.dontunmap):
        return error, 0
    if error := do_munmap(step, mm, to, to + op.new):
        return error, 0
    vma = mm.find(op.at)
    if vma is None:
        return -errno.EFAULT, 0
    if op.old > op.new:
        if error := do_munmap(step, mm, op.at + op.new, op.at + op.old):
            return error, 0
        vma = mm.find(op.at)
        assert vma is not None  # noqa: S101 - only its tail was cut off
    return move_vma(step, mm, vma, op.at, old, to), to


def remap_move(step: Step, mm: Mm, op: Mremap, to: int) -> tuple[int, int]:
    """7.x: a move that keeps the size takes all mappings of the range, one after the other.

    Gaps between them stay as wide; there must be none at the start. What was
    moved before a step failed stays moved.
    """
    end, done = op.at + op.old, op.at
    while done < end and (found := mm.overlapping(done, end)):
        vma = found[0]
        if done == op.at and vma.start > op.at:
            step.note("remap_move", "nothing is mapped at the start of the range: -EFAULT")
            return -errno.EFAULT, 0
        low, done = max(vma.start, op.at), min(vma.end, end)
        part = attrs.evolve(op, at=low, old=done - low, new=done - low)
        error, _ = _mremap_to_checked(step, mm, part, to + low - op.at)
        if error:
            return error, 0
    return (0, to) if done > op.at else (-errno.EFAULT, 0)


def move_vma(step: Step, mm: Mm, vma: Vma, at: int, pages: int, to: int) -> int:
    """Move `[at, at + pages)` of `vma` to the free pages at `to`."""
    if error := step.tracking.may_unmap(step, mm, vma, at, at + pages):
        return error  # where vm_ops->may_split is asked
    if map_count_reached(step, mm, slack=3):
        return -errno.ENOMEM
    error, new = vm_area_dup(step, vma)
    if error:
        return -errno.ENOMEM
    step.i_mmap_change(vma.file)
    new = attrs.evolve(new.part(at, at + pages), indexed=None, rank=(step.tick(),))
    new = mm.insert(attrs.evolve(new, start=to, end=to + pages))
    if ops := step.ops(vma.file):
        stack, step.stack = step.stack, ("copy_vma", "move_vma", *step.stack)
        new = ops.open(step, mm, new)
        step.stack = stack
    gone, result = mm.current(vma), 0
    start = at
    if move_page_tables(step, mm, at, to, pages):
        move_page_tables(step, mm, to, at, pages, back=True)
        gone, start, result = mm.current(new), to, -errno.ENOMEM
    elif pfnmap(gone):
        step.point("move_vma", "the tracking follows the entries")
        step.tracking.carried(step, mm, mm.current(gone), mm.current(new), at)
    if pfnmap(gone):
        step.point("move_vma", "the tracking leaves the old VMA")
        step.tracking.moved(step, mm, mm.current(gone))
    if do_munmap(step, mm, start, start + pages):
        step.note("move_vma", "the source cannot be split: it stays, empty, and nobody is told")
        for left in mm.overlapping(gone.start, gone.end):
            mm.change(left, flags=left.flags & ~VM_ACCOUNT)
    return result


def move_page_tables(
    step: Step, mm: Mm, at: int, to: int, pages: int, *, back: bool = False
) -> int:
    """Move entries table by table; 0, or the error of a failed allocation.

    Moving `back` cannot fail: the tables are still there.
    """
    if step.fails("move_page_tables", at):
        return -errno.ENOMEM
    done = 0
    if step.quirks.mremap_realigns and not back:
        done = -_realigned(mm, at, to, pages)
    while done < pages:
        step.point("move_ptes", "both page-table locks, entries moved and flushed")
        source, target = at + done, to + done
        extent = min(
            pages - done,
            PTRS_PER_PTE - source % PTRS_PER_PTE,
            PTRS_PER_PTE - target % PTRS_PER_PTE,
        )
        old, new = source // PTRS_PER_PTE, target // PTRS_PER_PTE
        whole = extent == PTRS_PER_PTE
        runs = pagetable.within(mm.ptes, source, source + extent)
        huge = any(run.huge for run in runs)
        if old in mm.tables and whole and new not in mm.tables and not back:
            mm.tables = mm.tables - {old} | {new}
        elif old in mm.tables and not back and (error := pte_alloc(step, mm, new)):
            return error
        if huge and not whole:
            step.tracking.torn(step, pagetable.torn(mm.ptes, source, source + extent))
            mm.ptes = pagetable.split_huge(mm.ptes, source, source + extent)
            runs = pagetable.within(mm.ptes, source, source + extent)
        mm.ptes = pagetable.clear(mm.ptes, source, source + extent)
        mm.ptes = pagetable.put(mm.ptes, *(_shifted(run, target - source) for run in runs))
        done += extent
    return 0


def _realigned(mm: Mm, at: int, to: int, pages: int) -> int:
    """By how many pages the move may begin earlier, at a table's start, to move it whole.

    Both ends must lie alike in their tables, begin their VMAs, have nothing
    mapped below in the table, and the move must reach the table's end.
    """
    inside = at % PTRS_PER_PTE
    if not inside or inside != to % PTRS_PER_PTE or pages < PTRS_PER_PTE - inside:
        return 0
    for start in (at, to):
        vma = mm.find(start)
        if vma is None or vma.start != start or mm.overlapping(start - inside, start):
            return 0
    return inside


def _shifted(run: PteRun, distance: int) -> PteRun:
    return attrs.evolve(run, start=run.start + distance, end=run.end + distance)
