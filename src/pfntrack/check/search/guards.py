"""When an action makes sense.

A process acts on what it has mapped, a driver does not map over what is
mapped, the kernel gives back what it holds. What the kernel itself would
refuse is left to the kernel.
"""

from __future__ import annotations

from pfntrack.check.search.bounds import Bounds
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.mm.pagetable import within
from pfntrack.mm.space import AddressSpace
from pfntrack.mm.step import pfnmap
from pfntrack.mm.vma import VM_DONTCOPY, VM_RAND_READ, VM_WRITE, Vma, is_cow_mapping
from pfntrack.pat.physical import Physical
from pfntrack.pat.ram import PAGE_SHIFT

# Advice that is tried, and the flag that it sets.
ADVISED = {"dontfork": VM_DONTCOPY, "random": VM_RAND_READ}


def enabled(op: Op, space: AddressSpace, phys: Physical, bounds: Bounds, start: int) -> bool:
    """May `op` be tried by a process with `space`? `start` is the window's first byte."""
    match op:
        case ops.Mmap(at=at, pages=pages):
            return not _hit(space, at, pages)
        case ops.Munmap(at=at, pages=pages):
            return bool(_hit(space, at, pages))
        case ops.Mprotect(at=at, pages=pages):
            return any(vma.flags & VM_WRITE for vma in _filling(space, at, pages))
        case ops.Madvise(at=at, pages=pages, advice=advice):
            return any(not vma.flags & ADVISED[advice] for vma in _filling(space, at, pages))
        case ops.Mremap(at=at, old=old):
            return _inside(space, at, old) is not None
        case ops.Write(at=at):
            vma = _inside(space, at, 1)
            return vma is not None and is_cow_mapping(vma.flags) and bool(vma.flags & VM_WRITE)
        case ops.Read(at=at):
            vma = _inside(space, at, 1)
            faults = vma is not None and vma.file is not None and vma.file.mode == "fault"
            return faults and not within(space.ptes, at, at + 1)
        case ops.ZapVma(at=at, pages=pages):
            vma = _inside(space, at, pages)
            return vma is not None and pfnmap(vma)
        case ops.Remap(at=at, pages=pages):
            return _inside(space, at, pages) is not None and not within(space.ptes, at, at + pages)
        case ops.InsertPfn(at=at):
            vma = _inside(space, at, 1)
            usable = vma is not None and pfnmap(vma) and not is_cow_mapping(vma.flags)
            return usable and not within(space.ptes, at, at + 1)
        case _:
            return _kernel_enabled(op, phys, bounds, start)


def _kernel_enabled(op: Op, phys: Physical, bounds: Bounds, start: int) -> bool:
    match op:
        case ops.Ioremap(id=name):
            room = len(phys.ioremaps) < bounds.kernel
            return room and all(held.key != name for held in phys.ioremaps)
        case ops.Iounmap(id=name):
            return any(held.key == name for held in phys.ioremaps)
        case ops.WcReserve():
            return len(phys.ioremaps) < bounds.kernel
        case ops.WcFree(off=off, pages=pages):
            place = _bytes(start, off, pages)
            return any(not h.mapped and (h.start, h.end) == place for h in phys.ioremaps)
        case ops.Request(off=off, pages=pages):
            low, high = _bytes(start, off, pages)
            return not any(held.start < high and low < held.end for held in phys.claims)
        case ops.Release(off=off, pages=pages):
            place = _bytes(start, off, pages)
            return any((held.start, held.end) == place for held in phys.claims)
        case _:
            return True


def _bytes(start: int, off: int, pages: int) -> tuple[int, int]:
    return start + (off << PAGE_SHIFT), start + ((off + pages) << PAGE_SHIFT)


def _hit(space: AddressSpace, at: int, pages: int) -> list[Vma]:
    return [vma for vma in space.vmas if vma.start < at + pages and at < vma.end]


def _filling(space: AddressSpace, at: int, pages: int) -> list[Vma]:
    """The VMAs of `[at, at + pages)`, if there is no hole between them, else none."""
    hit = _hit(space, at, pages)
    held = sum(min(vma.end, at + pages) - max(vma.start, at) for vma in hit)
    return hit if held == pages else []


def _inside(space: AddressSpace, at: int, pages: int) -> Vma | None:
    """The VMA that holds all of `[at, at + pages)`."""
    return next((v for v in space.vmas if v.start <= at and at + pages <= v.end), None)
