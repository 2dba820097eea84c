"""VFIO PCI: BARs mapped into user space, per release.

Source: drivers/vfio/pci/vfio_pci_core.c (5.10: vfio_pci.c). *Faithful* for BAR
mappings: when the BAR is claimed and mapped by the driver, what a fault does,
what switching memory decoding off zaps. IOMMU and interrupts are *ignored*.
"""

from __future__ import annotations

import enum
import errno

import attrs

from pfntrack.drivers.base import Driver, claimed
from pfntrack.drivers.kernel import ioremap, iounmap, release_mem_region, request_mem_region
from pfntrack.mm.calls.remap import remap_pfn_range, vmf_insert_pfn
from pfntrack.mm.calls.truncate import Span, unmap_mapping_range
from pfntrack.mm.calls.unmap import zap_vma_ptes
from pfntrack.mm.pagetable import PTRS_PER_PTE
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import (
    VM_ALLOW_ANY_UNCACHED,
    VM_REMAP_FLAGS,
    VM_SHARED,
    File,
    Vma,
)
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.physical import Machine, Window

# A region's file offset: its index from bit 40 of the byte offset.
REGION_PAGES = 1 << 28
BARS = 6


class VfioStyle(enum.Enum):
    """How the driver maps."""

    REMAP_AT_FAULT = "the first fault maps and tracks the whole VMA (to 6.9)"
    INSERT_AT_FAULT = "each fault inserts a page or a huge leaf (from 6.10)"


@attrs.frozen
class VfioDevice:
    """State of one opened PCI function: BARs claimed so far.

    `refused`: what each BAR that could not be had at open will say to mmap.
    """

    bars: tuple[str, ...] = ()
    refused: tuple[tuple[str, int], ...] = ()


class VfioContainer(Driver):
    """/dev/vfio/vfio. Up to 6.0 it hands mmap to the IOMMU driver, which has none: EINVAL."""

    def __init__(self, *, mmaps: bool) -> None:
        self.has_mmap = mmaps

    def mmap(self, step: Step, mm: Mm, vma: Vma) -> tuple[int, Vma]:
        return -errno.EINVAL, vma


class VfioGroup(Driver):
    """/dev/vfio/GROUP: nothing to map."""

    has_mmap = False


@attrs.frozen
class VfioPci(Driver):
    """The driver behind a VFIO device descriptor.

    `claims_at_open`: all BARs are claimed and ioremapped when the device is
    opened (7.x), not when a BAR is first mapped.
    """

    style: VfioStyle
    claims_at_open: bool = False

    def open_device(self, step: Step, file: File) -> None:
        """VFIO_GROUP_GET_DEVICE_FD."""
        step.phys = step.phys.with_device(file.mapping, VfioDevice())
        if self.claims_at_open:
            for bar in _bars(step.machine, file):
                if error := self._claim(step, file, bar):
                    held = _device(step, file)
                    refused = (*held.refused, (bar.name, error))
                    held = attrs.evolve(held, refused=refused)
                    step.phys = step.phys.with_device(file.mapping, held)

    def release(self, step: Step, file: File) -> None:
        """The device is closed: BARs are unmapped and released, in order."""
        held = _device(step, file)
        for name in held.bars:
            window = step.machine.window(name)
            iounmap(step, f"{file.mapping}:{name}")
            if window is not None:
                release_mem_region(step, window.start, window.end)
        step.phys = step.phys.with_device(file.mapping, None)
        set_memory(step, file, on=True)

    def mmap(self, step: Step, mm: Mm, vma: Vma) -> tuple[int, Vma]:
        file = _file(vma)
        bar, offset = _region(step.machine, file, vma.pgoff)
        if bar is None or offset + vma.pages > bar.pages or not vma.flags & VM_SHARED:
            return -errno.EINVAL, vma
        if error := self._available(step, file, bar):
            return error, vma
        flags = vma.flags | VM_REMAP_FLAGS
        pgoff = vma.pgoff
        if self.style is VfioStyle.REMAP_AT_FAULT:
            pgoff = bar.pfn + offset
        else:
            flags |= VM_ALLOW_ANY_UNCACHED
        vma = mm.change(vma, flags=flags, pgoff=pgoff, prot=CacheMode.UC_MINUS)
        return step.tracking.promised(step, mm, vma, bar.pfn + offset, vma.prot)

    def fault(self, step: Step, mm: Mm, vma: Vma, page: int) -> str:
        if _bdf(_file(vma)) in step.phys.undecoded:
            step.note("vfio_pci_mmap_fault", "memory decoding is off: SIGBUS")
            return "SIGBUS"
        if self.style is VfioStyle.INSERT_AT_FAULT:
            return self._insert(step, mm, vma, page)
        if vma.drv is not None:
            return "done"
        stack, step.stack = step.stack, ("vfio_pci_mmap_fault", "do_fault", *step.stack)
        error, vma = remap_pfn_range(step, mm, vma, vma.start, vma.pgoff, vma.pages, vma.prot)
        if error:
            vma = zap_vma_ptes(step, mm, vma, vma.start, vma.end)
        else:
            mm.change(vma, drv=1 + max(_listed(step, _file(vma)), default=0))
        step.stack = stack
        return "SIGBUS" if error else "done"

    def _insert(self, step: Step, mm: Mm, vma: Vma, page: int) -> str:
        bar, offset = _region(step.machine, _file(vma), vma.pgoff)
        if bar is None:
            return "SIGBUS"
        pfn = bar.pfn + offset + page - vma.start
        head = page - page % PTRS_PER_PTE
        head_pfn = pfn - (page - head)
        fits = vma.start <= head and head + PTRS_PER_PTE <= vma.end
        empty = head // PTRS_PER_PTE not in mm.tables
        if fits and not head_pfn % PTRS_PER_PTE and empty:
            return vmf_insert_pfn(step, mm, vma, head, head_pfn, huge=True)
        return vmf_insert_pfn(step, mm, vma, page, pfn)

    def open(self, step: Step, mm: Mm, vma: Vma) -> Vma:
        """A new VMA is empty until it faults, and not yet on the driver's list."""
        if self.style is VfioStyle.INSERT_AT_FAULT:
            return vma
        vma = mm.change(vma, drv=None)
        stack, step.stack = step.stack, ("vfio_pci_mmap_open", *step.stack)
        vma = zap_vma_ptes(step, mm, vma, vma.start, vma.end)
        step.stack = stack
        return vma

    def zap_bars(self, step: Step, file: File) -> None:
        """Zap what user space has mapped: by the list of VMAs, or by the file.

        The list holds the VMAs that have faulted, the last one first. One address
        space after the other is locked, and all its VMAs on the list go then.
        """
        if self.style is VfioStyle.INSERT_AT_FAULT:
            unmap_mapping_range(step, step.spaces, Span(file.mapping, 0, BARS * REGION_PAGES))
            return
        listed = [
            (vma.drv, mm, vma)
            for mm in step.spaces
            for vma in mm.vmas
            if vma.file == file and isinstance(vma.drv, int)
        ]
        newest = {mm: max(drv for drv, other, _ in listed if other is mm) for _, mm, _ in listed}
        for _, mm, vma in sorted(listed, key=lambda each: (-newest[each[1]], -each[0])):
            current = mm.change(vma, drv=None)
            zap_vma_ptes(step, mm, current, vma.start, vma.end)

    def _available(self, step: Step, file: File, bar: Window) -> int:
        """May the BAR be mapped? Decided at open, or by claiming it now."""
        if self.claims_at_open:
            return dict(_device(step, file).refused).get(bar.name, 0)
        return self._claim(step, file, bar)

    def _claim(self, step: Step, file: File, bar: Window) -> int:
        """Claim and ioremap a BAR once; a BAR that cannot be mapped is given back."""
        held = _device(step, file)
        if bar.name in held.bars:
            return 0
        if claimed(step, bar.start, bar.end):
            return -errno.EBUSY
        request_mem_region(step, bar.start, bar.end, "vfio-pci")
        if not ioremap(step, f"{file.mapping}:{bar.name}", bar.start, bar.end, CacheMode.UC_MINUS):
            release_mem_region(step, bar.start, bar.end)
            return -errno.ENOMEM
        changed = attrs.evolve(held, bars=(*held.bars, bar.name))
        step.phys = step.phys.with_device(file.mapping, changed)
        return 0


def _listed(step: Step, file: File) -> list[int]:
    """Places on the list of VMAs that have faulted (`Vma.drv`)."""
    return [
        vma.drv
        for mm in step.spaces
        for vma in mm.vmas
        if vma.file == file and isinstance(vma.drv, int)
    ]


def region_offset(bar: int) -> int:
    """Page offset of BAR number `bar` in the device's file."""
    return bar * REGION_PAGES


def set_memory(step: Step, file: File, *, on: bool) -> None:
    """Switch memory decoding of the function; closing it restores what was at open."""
    others = step.phys.undecoded - {_bdf(file)}
    step.phys = attrs.evolve(step.phys, undecoded=others if on else others | {_bdf(file)})


def _bdf(file: File) -> str:
    assert file.window is not None  # noqa: S101 - set when the device is opened
    return file.window.bdf


def _file(vma: Vma) -> File:
    assert vma.file is not None  # noqa: S101 - only mapped files reach a driver
    return vma.file


def _device(step: Step, file: File) -> VfioDevice:
    held = step.phys.device(file.mapping)
    return held if isinstance(held, VfioDevice) else VfioDevice()


def _bars(machine: Machine, file: File) -> list[Window]:
    """All BARs of the function, by number."""
    assert file.window is not None  # noqa: S101 - set when the device is opened
    mine = [window for window in machine.windows if window.bdf == file.window.bdf]
    return sorted(mine, key=lambda window: window.bar)


def _region(machine: Machine, file: File, pgoff: int) -> tuple[Window | None, int]:
    """The BAR and the page in it that a file offset names."""
    number, offset = divmod(pgoff, REGION_PAGES)
    found = next((bar for bar in _bars(machine, file) if bar.bar == number), None)
    return found, offset
