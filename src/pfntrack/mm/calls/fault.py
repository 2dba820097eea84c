"""Loads and stores: page faults, copy-on-write, and the signals they end in.

Source: mm/memory.c (`do_fault`, `do_wp_page`, `wp_page_copy`),
arch/x86/mm/fault.c. *Simplified*: a page's contents are one stamp, stored to
or not. A copied page takes the cache bits of `vm_page_prot`, as in the kernel.
"""

from __future__ import annotations

import attrs

from pfntrack.mm import pagetable
from pfntrack.mm.ops import Result
from pfntrack.mm.pagetable import PTRS_PER_PTE, PteRun
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.tables import pte_alloc
from pfntrack.mm.vma import VM_ACCESS, VM_READ, VM_SHARED, VM_WRITE, Vma
from pfntrack.pat.events import Log

STAMP = 0x5A5A5A5A
_RETRY = "Huh VM_FAULT_OOM leaked out to the #PF handler. Retrying PF"
SIGBUS, SIGSEGV = Result(ret=-1, signal="BUS"), Result(ret=-1, signal="SEGV")
HANG = Result(ret=-1, signal="HANG")


def read(step: Step, mm: Mm, page: int) -> Result:
    """Load from `page`: the value, or a signal."""
    if signal := _access(step, mm, page, VM_READ):
        return signal
    run = pagetable.lookup(mm.ptes, page)
    assert run is not None  # noqa: S101 - an access that raised no signal is present
    if run.pfn is None:
        return Result(value=STAMP if run.stamped else 0)
    if any(w.registers and w.pfn <= run.pfn < w.pfn + w.pages for w in step.machine.windows):
        return Result()  # a register of the device: nobody knows
    return Result(value=loaded(step, run.pfn))


def loaded(step: Step, pfn: int) -> int:
    """What a load from the device page `pfn` gives.

    A function that decodes no memory does not answer: zeros in QEMU, as a rule
    all ones on hardware.
    """
    return STAMP if decodes(step, pfn) and pfn in step.phys.written else 0


def decodes(step: Step, pfn: int) -> bool:
    """Does the function behind `pfn` listen?"""
    off = step.phys.undecoded
    return not off or not any(
        w.bdf in off and w.pfn <= pfn < w.pfn + w.pages for w in step.machine.windows
    )


def write(step: Step, mm: Mm, page: int) -> Result:
    """Store to `page`: success or a signal."""
    if signal := _access(step, mm, page, VM_WRITE):
        return signal
    run = pagetable.lookup(mm.ptes, page)
    if run is not None and run.pfn is not None and decodes(step, run.pfn):
        step.phys = attrs.evolve(step.phys, written=step.phys.written | {run.pfn})
    mm.ptes = pagetable.change(
        mm.ptes,
        page,
        page + 1,
        lambda each: attrs.evolve(each, dirty=True, stamped=not each.special),
    )
    return Result()


def _access(step: Step, mm: Mm, page: int, need: int) -> Result | None:
    """Fault until the access goes through, or return the signal it ends in."""
    vma = mm.find(page)
    if vma is None or not vma.flags & need:
        return SIGSEGV
    for _ in range(3):
        run = pagetable.lookup(mm.ptes, page)
        if run is not None and (need == VM_READ or run.write):
            return None
        step.mmap_read_lock(mm)
        vma = mm.find(page)
        if vma is None or not vma.flags & need:
            return SIGSEGV
        run = pagetable.lookup(mm.ptes, page)
        outcome = (
            do_wp_page(step, mm, vma, run)
            if run
            else do_fault(step, mm, vma, page, write=need == VM_WRITE)
        )
        if outcome == "SIGBUS":
            return SIGBUS
        if outcome == "oom" and step.quirks.says_fault_oom:
            step.emit(Log(_RETRY))
        step.mmap_read_unlock(mm)
    step.note("do_user_addr_fault", "handled, it is said, and still no entry: it faults for ever")
    return HANG


def do_fault(step: Step, mm: Mm, vma: Vma, page: int, *, write: bool) -> str:
    """No entry: anonymous memory is allocated, else the driver decides.

    A load finds the zero page, which is nobody's own: the first store copies it.
    """
    ops = step.ops(vma.file)
    if ops is not None:
        outcome = ops.fault(step, mm, vma, page)
        if outcome == "SIGBUS":
            step.note("do_fault", "no entry, and the driver does not provide one: SIGBUS")
        return outcome
    if pte_alloc(step, mm, page // PTRS_PER_PTE):
        return "oom"
    if write:
        vma = mm.change(vma, anon_vma=True)
    denied = not vma.flags & VM_ACCESS  # only a debugger gets here
    fresh = PteRun(page, page + 1, None, vma.prot, write, dirty=write, protnone=denied)
    mm.ptes = pagetable.put(mm.ptes, fresh)
    return "done"


def do_wp_page(step: Step, mm: Mm, vma: Vma, run: PteRun) -> str:
    """A store to a read-only entry: shared pages become writable, private ones are copied."""
    if vma.flags & VM_SHARED:
        mm.ptes = pagetable.change(mm.ptes, run.start, run.end, _reuse)
        return "done"
    if run.special:
        step.note("wp_page_copy", "the raw page is replaced by a copy in RAM, typed {}", vma.prot)
    if vma.ordinary:
        vma = mm.change(vma, anon_vma=True)
    copy = PteRun(run.start, run.end, None, vma.prot, write=True, dirty=True)
    mm.ptes = pagetable.put(pagetable.clear(mm.ptes, run.start, run.end), copy)
    if run.special:
        step.tracking.cow(step, mm, vma, run.start)
        step.tracking.replaced(step, run)
    return "done"


def _reuse(run: PteRun) -> PteRun:
    return attrs.evolve(run, write=True, dirty=True)
