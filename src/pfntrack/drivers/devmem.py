"""/dev/mem.

Source: drivers/char/mem.c (`mmap_mem`, 7.3 `mmap_mem_prepare`) and
arch/x86/mm/pat/memtype.c (`phys_mem_access_prot_allowed`), with the Debian
configuration (STRICT_DEVMEM, IO_STRICT_DEVMEM). *Faithful*; lockdown is
*ignored*. `vm_pgoff` is the pfn.
"""

from __future__ import annotations

import errno

from pfntrack.drivers.base import Driver, claimed
from pfntrack.mm.calls.remap import remap_pfn_range
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import Vma
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.ram import ISA_END_PFN, PAGE_SHIFT, PAGE_SIZE


class DevMem(Driver):
    """Maps any allowed physical range, whole VMA at once."""

    has_access = True

    def mmap(self, step: Step, mm: Mm, vma: Vma) -> tuple[int, Vma]:
        pfn = vma.pgoff
        start, end = pfn << PAGE_SHIFT, (pfn + vma.pages) << PAGE_SHIFT
        if end - 1 > step.machine.physical_mask:
            return -errno.EINVAL, vma
        if not range_is_allowed(step, pfn, vma.pages):
            step.note("range_is_allowed", "RAM or a busy resource in the range: -EPERM")
            return -errno.EPERM, vma
        cache = CacheMode.WB
        sync = vma.file is not None and vma.file.cache is CacheMode.UC_MINUS
        if sync and (step.machine.pat_enabled or not step.quirks.devmem_skips_without_pat):
            cache = CacheMode.UC_MINUS
        cache = step.machine.layout.granted(cache)
        vma = mm.change(vma, prot=cache)
        step.note("mmap_mem", "bytes [{:#x},{:#x}) as {}", start, end, cache)
        error, vma = remap_pfn_range(step, mm, vma, vma.start, pfn, vma.pages, cache)
        return (-errno.EAGAIN if error else 0), vma


def range_is_allowed(step: Step, pfn: int, pages: int) -> bool:
    """May user space see these pages? Below 1 MiB always; else neither RAM nor claimed."""
    start, end = max(pfn, ISA_END_PFN) << PAGE_SHIFT, (pfn + pages) << PAGE_SHIFT
    if start >= end:
        return True
    # Page by page it is the first byte that counts.
    ram = any(
        -(-low // PAGE_SIZE) * PAGE_SIZE < min(high, end) and start < high
        for low, high in step.machine.ram
    )
    return not ram and claimed(step, start, end) is None
