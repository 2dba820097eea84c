"""Splitting VMAs, and joining those that may be joined.

Source: mm/mmap.c (5.10, 6.1) and mm/vma.c (6.12, 7.3): `__split_vma`,
`split_vma`, `vma_merge`. *Faithful* for pfn mappings; merging of anonymous
memory is *simplified* to equal neighbours.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.mm import pagetable
from pfntrack.mm.limits import map_count_reached
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import VM_SPECIAL, Vma


def vm_area_dup(step: Step, vma: Vma) -> tuple[int, Vma]:
    """Copy a VMA object; tracking may take a reference or refuse."""
    if step.fails("vm_area_dup", vma.start):
        return -errno.ENOMEM, vma
    return step.tracking.dup(step, vma)


def __split_vma(step: Step, mm: Mm, vma: Vma, at: int, *, new_below: bool) -> int:
    """Cut `vma` in two at page `at`; the new object is the lower or the upper part.

    `vm_ops->open` sees the new object only; the old one keeps what the driver
    knows about it.
    """
    error, new = vm_area_dup(step, vma)
    if error:
        return error
    step.tracking.torn(step, pagetable.torn(mm.ptes, at, at))
    mm.ptes = pagetable.split_huge(mm.ptes, at, at)
    step.i_mmap_change(vma.file)
    vma = step.reread(mm, vma)
    lower, upper = (new, vma) if new_below else (vma, new)
    # Both are put into the file's index anew.
    rank = (step.tick(),)
    lower = attrs.evolve(lower.part(vma.start, at), rank=rank)
    upper = attrs.evolve(upper.part(at, vma.end), rank=rank)
    mm.replace(vma, lower, upper)
    if error := step.tracking.split(step, mm, lower, upper):
        step.tracking.free(step, new)
        mm.remove(upper)
        mm.replace(lower, vma)
        return error
    opened = mm.current(lower if new_below else upper)
    if ops := step.ops(vma.file):
        ops.open(step, mm, opened)
    return 0


def split_vma(step: Step, mm: Mm, vma: Vma, at: int, *, new_below: bool) -> int:
    """Split, unless the process has as many VMAs as it may have."""
    if map_count_reached(step, mm):
        step.note("split_vma", "vm.max_map_count is reached: -ENOMEM")
        return -errno.ENOMEM
    return __split_vma(step, mm, vma, at, new_below=new_below)


def vma_modify(step: Step, mm: Mm, vma: Vma, start: int, end: int) -> tuple[int, Vma]:
    """Cut out `[start, end)` for a change of flags: (error, the VMA to change).

    The first cut makes the lower part the new object, the second the upper.
    """
    if vma.start < start:
        if error := split_vma(step, mm, vma, start, new_below=True):
            return error, vma
        vma = next(each for each in mm.vmas if each.start == start)
    if vma.end > end:
        if error := split_vma(step, mm, vma, end, new_below=False):
            return error, vma
        vma = mm.current(vma)
    return 0, vma


def vma_merge(step: Step, mm: Mm, vma: Vma) -> None:
    """Join `vma`, which is new or has changed, with anonymous neighbours that are alike.

    Special VMAs never merge.
    """
    vma = mm.current(vma)
    for last in [each for each in mm.vmas if each.end == vma.start]:
        if _alike(last, vma) and is_mergeable_anon_vma(step, vma, last):
            vma = _join(mm, last, vma)
    for following in [each for each in mm.vmas if each.start == vma.end]:
        if _alike(vma, following) and is_mergeable_anon_vma(step, vma, following):
            vma = _join(mm, vma, following)


def is_mergeable_anon_vma(step: Step, vma: Vma, neighbour: Vma) -> bool:
    """May the two share one anon_vma? What a fork has cloned takes in nobody else.

    Two that have one each are taken to have the same: whether they merge then
    changes nothing that is compared.
    """
    if vma.anon_vma == neighbour.anon_vma:
        return True
    if neighbour.anon_vma:
        return not neighbour.forked
    return step.quirks.merges_into_untouched and not vma.forked


def _alike(low: Vma, high: Vma) -> bool:
    """Does `high` go on where `low` ends, in everything but their anon_vma?"""
    if high.file is not None or high.flags & VM_SPECIAL or low.pgoff + low.pages != high.pgoff:
        return False
    moved = attrs.evolve(low, start=high.start, end=high.end, pgoff=high.pgoff)
    return high == attrs.evolve(moved, anon_vma=high.anon_vma, forked=high.forked)


def _join(mm: Mm, low: Vma, high: Vma) -> Vma:
    """Put `[low.start, high.end)` in place of the two."""
    whole = attrs.evolve(
        low,
        end=high.end,
        anon_vma=low.anon_vma or high.anon_vma,
        forked=low.forked or high.forked,
    )
    mm.vmas = tuple(whole if each == low else each for each in mm.vmas if each != high)
    return whole
