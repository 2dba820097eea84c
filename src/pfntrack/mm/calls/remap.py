"""Raw pfn mappings: remap_pfn_range() and fault-time insertion.

Source: mm/memory.c. *Faithful*: the three orders of tracking and flags, the
error paths, the types of entries. L1TF checks are *ignored*.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.mm import pagetable
from pfntrack.mm.calls.mprotect import vma_wants_writenotify
from pfntrack.mm.calls.unmap import zap_page_range_single
from pfntrack.mm.pagetable import PTRS_PER_PTE, PteRun, blocks
from pfntrack.mm.space import Mm
from pfntrack.mm.step import RemapOrder, Step
from pfntrack.mm.tables import pte_alloc
from pfntrack.mm.vma import (
    VM_ACCESS,
    VM_REMAP_FLAGS,
    VM_SHARED,
    VM_WRITE,
    Vma,
    is_cow_mapping,
)
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.events import Oops
from pfntrack.pat.physical import Window


def writable_prot(step: Step, vma: Vma) -> bool:
    """Does `vm_page_prot` let the CPU write? Only if shared.

    And not where the driver wants to hear of first stores, as soon as
    mmap_region() has made the final value (`vma_set_page_prot`).
    """
    shared = vma.flags & (VM_WRITE | VM_SHARED) == VM_WRITE | VM_SHARED
    return shared and (step.mapping or not vma_wants_writenotify(step, vma))


def entry(
    step: Step, vma: Vma, start: int, end: int, pfn: int, cache: CacheMode, *, counted: bool
) -> PteRun:
    """Raw entries as the driver's prot makes them."""
    write = writable_prot(step, vma)
    denied = not vma.flags & VM_ACCESS
    return PteRun(start, end, pfn, cache, write, protnone=denied, counted=counted)


def remap_pfn_range(
    step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, cache: CacheMode
) -> tuple[int, Vma]:
    """Map `pages` pfns from `pfn` at page `at`: (error, VMA)."""
    stack, step.stack = step.stack, ("remap_pfn_range", *step.stack)
    step.filled = 0
    error, vma = _ORDERS[step.quirks.remap_order](step, mm, vma, at, pfn, pages, cache)
    step.stack = stack
    if not error and (at, at + pages) == (vma.start, vma.end):
        vma = mm.change(step.reread(mm, vma), origin=pfn)
    return error, vma


def vm_iomap_memory(step: Step, mm: Mm, vma: Vma, window: Window) -> tuple[int, Vma]:
    """Map the part of `window` that the VMA's offset names, as a whole."""
    if vma.pgoff > window.pages or vma.pages > window.pages - vma.pgoff:
        return -errno.EINVAL, vma
    stack, step.stack = step.stack, ("vm_iomap_memory", *step.stack)
    pfn = window.pfn + vma.pgoff
    error, vma = remap_pfn_range(step, mm, vma, vma.start, pfn, vma.pages, vma.prot)
    step.stack = stack
    return error, vma


def _cow_track_flags(
    step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, cache: CacheMode
) -> tuple[int, Vma]:
    error, vma = _check_cow(step, mm, vma, at, pfn, pages)
    if error:
        return error, vma
    error, cache, vma = step.tracking.remap(step, mm, vma, at, pfn, pages, cache)
    if error:
        return -errno.EINVAL, vma
    vma = _set_flags(step, mm, vma)
    return _fill(step, mm, vma, at, pfn, pages, cache)


def _track_flags(
    step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, cache: CacheMode
) -> tuple[int, Vma]:
    error, cache, vma = step.tracking.remap(step, mm, vma, at, pfn, pages, cache)
    if error:
        return -errno.EINVAL, vma
    error, vma = _check_cow(step, mm, vma, at, pfn, pages)
    if error:
        return _failed(step, mm, vma, at, pfn, pages, error)
    vma = _set_flags(step, mm, vma)
    return _fill(step, mm, vma, at, pfn, pages, cache)


def _flags_track(
    step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, cache: CacheMode
) -> tuple[int, Vma]:
    error, vma = _check_cow(step, mm, vma, at, pfn, pages)
    if error:
        return error, vma
    vma = _set_flags(step, mm, vma)
    error, cache, vma = step.tracking.remap(step, mm, vma, at, pfn, pages, cache)
    if error:
        return error, vma
    return _fill(step, mm, vma, at, pfn, pages, cache)


_ORDERS = {
    RemapOrder.COW_TRACK_FLAGS: _cow_track_flags,
    RemapOrder.TRACK_FLAGS: _track_flags,
    RemapOrder.FLAGS_TRACK: _flags_track,
}


def _check_cow(step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int) -> tuple[int, Vma]:
    """A private mapping must be mapped whole; its vm_pgoff becomes the pfn.

    If the VMA is in its file's index already, the index is not told.
    """
    if not is_cow_mapping(vma.flags):
        return 0, vma
    if (at, at + pages) != (vma.start, vma.end):
        step.note("remap_pfn_range", "a part of a private mapping cannot be mapped: -EINVAL")
        return -errno.EINVAL, vma
    if pfn != vma.pgoff and not step.mapping:
        step.note("remap_pfn_range", "vm_pgoff changes behind the back of the file's index")
        known = vma.pgoff if vma.indexed is None else vma.indexed
        return 0, mm.change(vma, pgoff=pfn, indexed=known)
    return 0, mm.change(vma, pgoff=pfn)


def _set_flags(step: Step, mm: Mm, vma: Vma) -> Vma:
    step.vm_flags_set("remap_pfn_range_internal")
    vma = step.reread(mm, vma)
    return mm.change(vma, flags=vma.flags | VM_REMAP_FLAGS)


def _fill(
    step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, cache: CacheMode
) -> tuple[int, Vma]:
    """Write the entries table by table; each must be empty and its table allocated."""
    step.filled, end = 0, at + pages
    counted = step.tracking.counts(step, pfn, pages)
    for block in blocks(at, end):
        step.point("remap_pte_range", "the page-table lock, entries made")
        low = max(at, block * PTRS_PER_PTE)
        high = min(end, (block + 1) * PTRS_PER_PTE)
        if error := pte_alloc(step, mm, block):
            return _failed(step, mm, vma, at, pfn, pages, error)
        if pagetable.within(mm.ptes, low, high):
            step.note("remap_pte_range", "an entry is already present: BUG")
            step.emit(Oops("memory.c", "remap_pte_range"))
            return -errno.EFAULT, vma
        run = entry(step, vma, low, high, pfn + low - at, cache, counted=counted)
        mm.ptes = pagetable.put(mm.ptes, run)
        step.filled = high - at
    return 0, step.reread(mm, vma)


def _failed(
    step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, error: int
) -> tuple[int, Vma]:
    """Undo: zap what is mapped (but for 5.10), then tell the tracking."""
    if step.quirks.remap_zaps_on_error:
        vma = zap_page_range_single(step, mm, vma, at, at + pages)
    return error, step.tracking.remap_failed(step, mm, vma, at, pfn, pages)


def vmf_insert_pfn(step: Step, mm: Mm, vma: Vma, page: int, pfn: int, *, huge: bool = False) -> str:
    """Insert one page (or one huge leaf that begins at `page`) at fault time.

    Looks the type up and reserves nothing; an entry that exists stays.
    Returns `done` or `oom`.
    """
    if is_cow_mapping(vma.flags):
        step.emit(Oops("memory.c", "vmf_insert_pfn_prot"))
        return "SIGBUS"
    pages = PTRS_PER_PTE if huge else 1
    cache = step.tracking.insert_pages(step, vma, pfn, pages, vma.prot)
    step.point("insert_pfn", "the page-table lock, an entry made if there is none")
    if not huge and pte_alloc(step, mm, page // PTRS_PER_PTE):
        step.tracking.not_inserted(step, pfn, pages)
        return "oom"
    if not pagetable.within(mm.ptes, page, page + pages):
        counted = step.tracking.counts(step, pfn, pages)
        run = entry(step, vma, page, page + pages, pfn, cache, counted=counted)
        mm.ptes = pagetable.put(mm.ptes, _huge(run) if huge else run)
        step.tracking.inserted(step, mm, vma, page, pfn, pages, cache)
    else:
        step.tracking.not_inserted(step, pfn, pages)
    return "done"


def _huge(run: PteRun) -> PteRun:
    return attrs.evolve(run, huge=True, protnone=False)
