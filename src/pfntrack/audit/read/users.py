"""User mappings placed in physical memory, as far as the facts allow.

The file offset is the physical address for /dev/mem, PCI resource files,
VFIO up to 6.9 or so, and for every private raw pfn mapping. Later VFIO files
are indexed by region. For other files the address is not visible.
"""

from __future__ import annotations

import attrs

from pfntrack.audit.read.evidence import Evidence, PciDevice
from pfntrack.audit.read.processes import asked_type, file_kind
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.intervals import Disjoint, Range
from pfntrack.pat.memtype import is_untracked_pat_range
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.state import Confidence, Context, VmaState

VFIO_INDEX_SHIFT = 40
LOW_MEMORY = 1 << 20
TOP = 1 << 52


@attrs.frozen
class User:
    """One VMA of one process: where it lies and what keeps it.

    `tracked` is None where neither the flags nor the kind of file tell.
    """

    pid: int
    comm: str
    vma: VmaState
    kind: str
    phys: Range | None
    asked: CacheMode | None
    tracked: bool | None

    @property
    def size(self) -> int:
        return (self.vma.end - self.vma.start) << PAGE_SHIFT

    @property
    def delta(self) -> int:
        """Virtual minus physical address: equal for a parent and its forked child."""
        return (self.vma.start << PAGE_SHIFT) - (self.phys[0] if self.phys else 0)

    @property
    def private(self) -> bool:
        return self.vma.permissions.endswith("p")

    def __str__(self) -> str:
        start, end = self.vma.start << PAGE_SHIFT, self.vma.end << PAGE_SHIFT
        return f"{self.comm}[{self.pid}] {start:x}-{end:x} {self.vma.file}".rstrip()


def users(evidence: Evidence) -> tuple[User, ...]:
    """All VMAs of interest in the order in which a mass exit would meet them."""
    bars = Disjoint(
        (bar.start, bar.end)
        for device in evidence.devices
        if device.driver and "vfio" in device.driver
        for bar in device.bars
    )
    contexts = {context.id: context for context in evidence.state.contexts}
    seen = evidence.known("entries") is Confidence.READ
    made = []
    for process in evidence.state.processes:
        for vma in process.vmas:
            kind = file_kind(vma)
            phys = _physical(evidence, process.pid, vma, kind, bars)
            if phys is None and vma.context in contexts:
                phys = _of_context(vma, contexts[vma.context])
            if phys is not None and phys[1] > TOP:
                phys = None
            tracked = _tracked(evidence, vma, kind)
            # remap_pfn_range() leaves vm_page_prot alone, so it still says what was asked for.
            asked = vma.prot if seen else asked_type(vma)
            made.append(User(process.pid, process.name, vma, kind, phys, asked, tracked))
    return tuple(made)


def is_cow(vma: VmaState) -> bool:
    """`is_cow_mapping()`: private and may become writable."""
    flags = vma.flags.split()
    if flags:
        return "mw" in flags and "sh" not in flags
    return vma.permissions.endswith("p")


def _of_context(vma: VmaState, context: Context) -> Range | None:
    """The range of a VMA that has a whole context for itself or for its copies."""
    size = (vma.end - vma.start) << PAGE_SHIFT
    return (context.start, context.end) if size == context.end - context.start else None


def linear_start(vma: VmaState) -> int | None:
    """The pfn at the first page of a VMA, if the present entries lie on one line."""
    starts = {e.pfn - (e.start - vma.start) for e in vma.entries if e.pfn is not None}
    return starts.pop() if len(starts) == 1 else None


def _tracked(evidence: Evidence, vma: VmaState, kind: str) -> bool | None:
    if evidence.known("contexts") is Confidence.READ:
        return vma.tracked or vma.context is not None
    if evidence.contexts:
        # These files map with one full remap, which is what makes a context.
        if kind in ("devmem", "pci"):
            return True
        return False if kind == "vfio" else None
    if not vma.flags:
        return None
    return vma.tracked


def _physical(
    evidence: Evidence, pid: int, vma: VmaState, kind: str, vfio_bars: Disjoint
) -> Range | None:
    size = (vma.end - vma.start) << PAGE_SHIFT
    offset = vma.pgoff << PAGE_SHIFT
    first = linear_start(vma)
    if first is not None:
        return first << PAGE_SHIFT, (first << PAGE_SHIFT) + size
    if kind in ("devmem", "pci"):
        return offset, offset + size
    if kind == "vfio":
        if vfio_bars.holds(offset, offset + size):
            return offset, offset + size
        return _region(evidence, pid, offset, size)
    if is_cow(vma) and "pf" in vma.flags.split():
        return offset, offset + size
    return None


def _region(evidence: Evidence, pid: int, offset: int, size: int) -> Range | None:
    """The BAR behind a VFIO file offset, if only one device can be meant."""
    named = evidence.vfio_devices.get(pid, ())
    devices: list[PciDevice] = [
        device
        for device in evidence.devices
        if (device.name in named if named else device.driver and "vfio" in device.driver)
    ]
    if len(devices) != 1:
        return None
    index, inside = offset >> VFIO_INDEX_SHIFT, offset & ((1 << VFIO_INDEX_SHIFT) - 1)
    for bar in devices[0].bars:
        if bar.number == index and inside + size <= bar.end - bar.start:
            return bar.start + inside, bar.start + inside + size
    return None


class Untracked:
    """Ranges that the tree never holds: the ISA hole, and RAM above 1 MiB."""

    def __init__(self, evidence: Evidence) -> None:
        self.ram = Disjoint(
            (max(r.start, LOW_MEMORY), r.end) for r in evidence.resources if r.name == "System RAM"
        )

    def __call__(self, start: int, end: int) -> bool:
        return is_untracked_pat_range(start, end) or self.ram.touches(start, end)
