"""The parametric driver: every way in which drivers map pfns, by parameter.

It stands for the drivers that people write; the lab has the same one as a
kernel module (`/dev/pfnlab`). `File.mode` chooses:

- `remap`: one remap_pfn_range() of pages `[first, first + pages)` of the VMA
  (0 = to the end), as most drivers do;
- `two`: two calls, one for each half; `pagewise`: one call per page;
- `narrow`: moves vm_start and vm_end over the VMA and maps each page as if it
  were the whole, as hfi1 does;
- `fault`: nothing at mmap, vmf_insert_pfn() at each fault;
- `fault_all`: the whole VMA by remap_pfn_range() at the first fault;
- `open_zaps`: like `remap`, but vm_ops->open zaps the new VMA;
- `iomap`: vm_iomap_memory() of the window, with the file's offset;
- `remap_then_fail`: like `remap`, but then mmap returns EIO.

The file's page offset counts from the start of the window.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack import plugins
from pfntrack.drivers.base import Driver
from pfntrack.mm.calls.remap import remap_pfn_range, vm_iomap_memory, vmf_insert_pfn
from pfntrack.mm.calls.unmap import zap_vma_ptes
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import VM_REMAP_FLAGS, File, Vma
from pfntrack.pat.physical import Window

_OWN = (
    *("remap", "iomap", "two", "pagewise", "narrow"),
    *("fault", "fault_all", "open_zaps", "remap_then_fail"),
)
# Drivers of other packages: what `opens driver on H by NAME` maps is theirs to map.
PLUGGED = plugins.load("pfntrack.drivers", Driver, _OWN.__contains__)
MODES = (*_OWN, *PLUGGED)


class Parametric(Driver):
    """The driver behind `/dev/pfnlab`."""

    has_access = True

    def mmap(self, step: Step, mm: Mm, vma: Vma) -> tuple[int, Vma]:
        file = _file(vma)
        if other := PLUGGED.get(file.mode):
            return other.mmap(step, mm, vma)
        vma = mm.change(vma, prot=step.machine.layout.granted(file.cache))
        calls = _calls(file, vma)
        if any(pages <= 0 or at + pages > vma.end for at, pages in calls):
            return -errno.EINVAL, vma
        if calls != [(vma.start, vma.pages)]:
            # Not one remap of the whole: a design may want to know what it will be.
            error, vma = step.tracking.promised(step, mm, vma, self._pfn(vma), vma.prot)
            if error:
                return error, vma
        if file.mode in ("fault", "fault_all"):
            return 0, mm.change(vma, flags=vma.flags | VM_REMAP_FLAGS)
        if file.mode == "narrow":
            return self._narrow(step, mm, vma)
        if file.mode == "iomap":
            return vm_iomap_memory(step, mm, vma, _window(file))
        pfn = self._pfn(vma) - vma.start
        for at, pages in calls:
            error, vma = remap_pfn_range(step, mm, vma, at, pfn + at, pages, vma.prot)
            if error:
                return error, vma
        return (-errno.EIO if file.mode == "remap_then_fail" else 0), vma

    def _narrow(self, step: Step, mm: Mm, vma: Vma) -> tuple[int, Vma]:
        """Each page becomes the whole VMA for the length of one call."""
        start, end, pfn = vma.start, vma.end, self._pfn(vma)
        for page in range(start, end):
            vma = mm.replace(vma, attrs.evolve(vma, start=page, end=page + 1))
            error, vma = remap_pfn_range(step, mm, vma, page, pfn + page - start, 1, vma.prot)
            if error:
                return error, mm.replace(vma, attrs.evolve(vma, start=start, end=end))
        return 0, mm.replace(vma, attrs.evolve(vma, start=start, end=end, origin=pfn))

    def fault(self, step: Step, mm: Mm, vma: Vma, page: int) -> str:
        mode = _file(vma).mode
        if other := PLUGGED.get(mode):
            return other.fault(step, mm, vma, page)
        if mode == "fault":
            return vmf_insert_pfn(step, mm, vma, page, self._pfn(vma) + page - vma.start)
        if mode == "fault_all":
            pfn = self._pfn(vma)
            error, _ = remap_pfn_range(step, mm, vma, vma.start, pfn, vma.pages, vma.prot)
            return "SIGBUS" if error else "done"
        return "SIGBUS"

    def open(self, step: Step, mm: Mm, vma: Vma) -> Vma:
        if other := PLUGGED.get(_file(vma).mode):
            return other.open(step, mm, vma)
        if _file(vma).mode == "open_zaps":
            return zap_vma_ptes(step, mm, vma, vma.start, vma.end)
        return vma

    @staticmethod
    def _pfn(vma: Vma) -> int:
        """The pfn that the file's offset names, for the first page of the VMA."""
        return _window(_file(vma)).pfn + vma.pgoff


def _file(vma: Vma) -> File:
    assert vma.file is not None  # noqa: S101 - only mapped files reach a driver
    return vma.file


def _window(file: File) -> Window:
    assert file.window is not None  # noqa: S101 - the driver's files always have one
    return file.window


def _calls(file: File, vma: Vma) -> list[tuple[int, int]]:
    """The (page, pages) of each remap_pfn_range() call at mmap."""
    if file.mode in ("fault", "fault_all"):
        return []
    first = vma.start + file.first
    pages = file.pages or vma.end - first
    if file.mode == "two":
        half = vma.pages // 2
        return [(vma.start, half), (vma.start + half, vma.pages - half)]
    if file.mode == "narrow":
        return [(page, 1) for page in range(vma.start, vma.end)]
    if file.mode == "pagewise":
        return [(page, 1) for page in range(first, first + pages)]
    return [(first, pages)]
