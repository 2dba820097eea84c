"""Debugger access: /proc/PID/mem and ptrace on raw pfn mappings.

Source: mm/memory.c (`__access_remote_vm`, `generic_access_phys`),
arch/x86/mm/ioremap.c (`ioremap_prot`). *Faithful* in the transient reservation
(one page, of the entry's own type, freed at once) and in what happens at a
copied page; the data itself is *ignored* but for its stamp.
"""

from __future__ import annotations

from pfntrack.drivers.kernel import ioremap, iounmap
from pfntrack.mm import pagetable
from pfntrack.mm.calls.fault import STAMP, do_fault, loaded
from pfntrack.mm.ops import Result
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step, pfnmap
from pfntrack.pat.ram import NOT_RAM, PAGE_SHIFT, PAGE_SIZE, pat_pagerange_is_ram

_EIO = Result(-1, "EIO")


def access_remote_vm(step: Step, mm: Mm, page: int) -> Result:
    """A debugger reads the first bytes of `page`."""
    step.mmap_read_lock(mm)
    vma = mm.find(page)
    run = pagetable.lookup(mm.ptes, page)
    if vma is None:
        return _EIO
    if not pfnmap(vma):
        if run is None:
            do_fault(step, mm, vma, page, write=False)
        return Result(value=STAMP if run is not None and run.stamped else 0)
    ops = step.ops(vma.file)
    if ops is None or not ops.has_access or run is None:
        step.note("__access_remote_vm", "no page to pin, and nothing else to read it by: EIO")
        return _EIO
    return generic_access_phys(step, run)


def generic_access_phys(step: Step, run: pagetable.PteRun) -> Result:
    """Map the physical page for a moment, with the entry's own type, and read it."""
    if run.pfn is None:
        if step.quirks.access_warns_on_copy:
            step.note("ioremap_prot", "the page is a copy, which is RAM: refused")
            step.warn_once("__ioremap_caller", "ioremap.c", "__ioremap_caller", "ioremap_prot")
        return _EIO
    start = run.pfn << PAGE_SHIFT
    is_ram = pat_pagerange_is_ram(step.machine.ram, start, start + PAGE_SIZE) != NOT_RAM
    if is_ram and not step.quirks.access_warns:
        return _EIO
    if not ioremap(step, "access", start, start + PAGE_SIZE, run.cache):
        return _EIO
    iounmap(step, "access")
    return Result(value=loaded(step, run.pfn))
