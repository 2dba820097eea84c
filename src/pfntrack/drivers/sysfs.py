"""PCI sysfs resource files: `resourceN` (UC-) and `resourceN_wc` (WC).

Source: drivers/pci/pci-sysfs.c, drivers/pci/mmap.c, fs/kernfs/file.c.
*Faithful*. Files of all devices share the mapping of /dev/mem, so a VMA is
found by physical page, and `vm_pgoff` is the pfn.
"""

from __future__ import annotations

import errno

from pfntrack.drivers.base import Driver, claimed
from pfntrack.mm.calls.remap import remap_pfn_range
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import Vma
from pfntrack.pat.ram import PAGE_SIZE


class PciResource(Driver):
    """Maps a part of one BAR; kernfs wraps its VMA operations."""

    page_mkwrite = True
    regular = True
    has_access = True

    def mmap(self, step: Step, mm: Mm, vma: Vma) -> tuple[int, Vma]:
        assert vma.file is not None and vma.file.window is not None  # noqa: S101
        bar = vma.file.window
        if claim := claimed(step, bar.start, bar.start + PAGE_SIZE):
            step.note("pci_mmap_resource", "{} has claimed the BAR: -EINVAL", claim.owner)
            return -errno.EINVAL, vma
        if vma.pgoff + vma.pages > bar.pages:
            return -errno.EINVAL, vma
        cache = step.machine.layout.granted(vma.file.cache)
        vma = mm.change(vma, prot=cache, pgoff=bar.pfn + vma.pgoff)
        step.note("pci_mmap_resource_range", "asks for {}", cache)
        return remap_pfn_range(step, mm, vma, vma.start, vma.pgoff, vma.pages, cache)
