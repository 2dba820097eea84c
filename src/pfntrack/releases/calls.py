"""Operations of one process on its own memory, and of the kernel on its own.

Each is a function `(step, mm, op, file) -> Result`: it sees one address space
and the physical part, nothing else, which is what makes it worth memoising.
`file` is the open file that the operation names, if it names one.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import attrs

from pfntrack.drivers import kernel as kernel_side
from pfntrack.drivers.access import access_remote_vm
from pfntrack.drivers.vfio import region_offset
from pfntrack.errors import ModelError
from pfntrack.mm import lock, ops  # noqa: F401 - for what lock performs
from pfntrack.mm.calls import fault, mprotect  # noqa: F401 - for what mprotect performs
from pfntrack.mm.calls.madvise import ADVICES, madvise
from pfntrack.mm.calls.mmap import mmap
from pfntrack.mm.calls.mremap import mremap
from pfntrack.mm.calls.remap import remap_pfn_range, vmf_insert_pfn
from pfntrack.mm.calls.unmap import zap_vma_ptes
from pfntrack.mm.ops import Op, Result
from pfntrack.mm.perform import PERFORMED, LocalCall, errno_result
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import File
from pfntrack.pat.physical import Machine, Window
from pfntrack.pat.ram import PAGE_SHIFT, PAGE_SIZE


def window_of(machine: Machine, name: str) -> Window:
    """The window called `name`; ModelError if the machine has none."""
    found = machine.window(name)
    if found is None:
        raise ModelError(f"the machine has no window {name!r}")
    return found


def span(machine: Machine, name: str, off: int, pages: int) -> tuple[int, int]:
    """Bytes of pages `[off, off + pages)` of a window."""
    first = window_of(machine, name).pfn + off
    return first << PAGE_SHIFT, (first + pages) << PAGE_SHIFT


def _mmap(step: Step, mm: Mm, op: ops.Mmap, file: File | None) -> Result:
    if file is None:
        raise ModelError("mmap of a closed file")
    off = op.off
    if file.kind == "vfio" and file.window is not None:
        off += region_offset(file.window.bar)
    if file.kind == "devmem" and op.window:
        off += window_of(step.machine, op.window).pfn
    return errno_result(mmap(step, mm, op.at, op.pages, file, off, op.prot, shared=op.shared))


def _anon(step: Step, mm: Mm, op: ops.AnonOver, file: File | None) -> Result:
    return errno_result(mmap(step, mm, op.at, op.pages, file, op.at, op.prot, shared=False))


def _madvise(step: Step, mm: Mm, op: ops.Madvise, _file: File | None) -> Result:
    if op.advice not in ADVICES:
        raise ModelError(f"unknown advice {op.advice!r}")
    return errno_result(madvise(step, mm, op.at, op.pages, op.advice))


def _mremap(step: Step, mm: Mm, op: ops.Mremap, _file: File | None) -> Result:
    error, to = mremap(step, mm, op)
    return errno_result(error) if error else Result(to=to)


def _read(step: Step, mm: Mm, op: ops.Read, _file: File | None) -> Result:
    return fault.read(step, mm, op.at)


def _write(step: Step, mm: Mm, op: ops.Write, _file: File | None) -> Result:
    return fault.write(step, mm, op.at)


def _access(step: Step, mm: Mm, op: ops.Access, _file: File | None) -> Result:
    return access_remote_vm(step, mm, op.at)


def _zap_vma(step: Step, mm: Mm, op: ops.ZapVma, _file: File | None) -> Result:
    step.mmap_read_lock(mm)
    vma = mm.find(op.at)
    if vma is None or op.at + op.pages > vma.end:
        return errno_result(-errno.EINVAL)
    zap_vma_ptes(step, mm, vma, op.at, op.at + op.pages)
    return Result()


def _remap(step: Step, mm: Mm, op: ops.Remap, _file: File | None) -> Result:
    step.mmap_write_lock(mm)
    vma = mm.find(op.at)
    if vma is None or op.at + op.pages > vma.end:
        return errno_result(-errno.EINVAL)  # the driver checks; the kernel does not
    pfn = window_of(step.machine, op.window).pfn + op.off
    cache = step.machine.layout.granted(op.cache)
    error, _ = remap_pfn_range(step, mm, vma, op.at, pfn, op.pages, cache)
    return errno_result(error)


def _insert(step: Step, mm: Mm, op: ops.InsertPfn, _file: File | None) -> Result:
    step.mmap_read_lock(mm)
    vma = mm.find(op.at)
    if vma is None:
        return errno_result(-errno.EINVAL)
    pfn = window_of(step.machine, op.window).pfn + op.off
    done = vmf_insert_pfn(step, mm, vma, op.at, pfn) == "done"
    return Result() if done else errno_result(-errno.ENOMEM)


LOCAL_CALLS: dict[type[Op], LocalCall] = PERFORMED | {
    ops.Mmap: _mmap,
    ops.AnonOver: _anon,
    ops.Madvise: _madvise,
    ops.Mremap: _mremap,
    ops.Read: _read,
    ops.Write: _write,
    ops.Access: _access,
    ops.ZapVma: _zap_vma,
    ops.Remap: _remap,
    ops.InsertPfn: _insert,
}


# The kernel's own calls: they touch the physical part alone.

PhysicalCall = Callable[[Step, Any], Result]


def _ioremap(step: Step, op: ops.Ioremap) -> Result:
    start, end = span(step.machine, op.window, op.off, op.pages)
    if kernel_side.ioremap(step, op.id, start, end, op.cache):
        return Result()
    return errno_result(-errno.ENOMEM)


def _iounmap(step: Step, op: ops.Iounmap) -> Result:
    return Result() if kernel_side.iounmap(step, op.id) else errno_result(-errno.ENOENT)


def _release(step: Step, op: ops.Release) -> Result:
    kernel_side.release_mem_region(step, *span(step.machine, op.window, op.off, op.pages))
    return Result()


def _wc_reserve(step: Step, op: ops.WcReserve) -> Result:
    return errno_result(
        kernel_side.arch_io_reserve_memtype_wc(
            step, *span(step.machine, op.window, op.off, op.pages)
        )
    )


def _wc_free(step: Step, op: ops.WcFree) -> Result:
    kernel_side.arch_io_free_memtype_wc(step, *span(step.machine, op.window, op.off, op.pages))
    return Result()


def _ram_type(step: Step, op: ops.RamType) -> Result:
    name = f"ram{op.id}"
    pages = step.phys.device(name)
    if not isinstance(pages, int):
        raise ModelError(f"no RAM was allocated as {op.id}")
    start, end = span(step.machine, name, 0, pages)
    return errno_result(kernel_side.set_memory(step, start, end, op.cache))


def _ram_alloc(step: Step, op: ops.RamAlloc) -> Result:
    step.phys = step.phys.with_device(f"ram{op.id}", op.pages)
    return Result()


def _mtrr(step: Step, op: ops.SetMtrr) -> Result:
    try:
        mtrr = step.phys.mtrr.write(op.text)
    except ValueError as error:
        raise ModelError(f"/proc/mtrr: {error}") from error
    step.phys = attrs.evolve(step.phys, mtrr=mtrr)
    return Result()


def _sysctl(step: Step, op: ops.Sysctl) -> Result:
    if op.name == "vm/max_map_count":
        step.phys = attrs.evolve(step.phys, max_map_count=int(op.value))
    elif op.name == "vm/overcommit_memory":
        step.phys = attrs.evolve(step.phys, overcommit=int(op.value))
    elif op.name == "vm/overcommit_kbytes":
        step.phys = attrs.evolve(step.phys, commit_limit=int(op.value) // (PAGE_SIZE >> 10))
    else:
        raise ModelError(f"sysctl {op.name} is not modelled")
    return Result()


PHYSICAL_CALLS: dict[type[Op], PhysicalCall] = {
    ops.Ioremap: _ioremap,
    ops.Iounmap: _iounmap,
    ops.Release: _release,
    ops.WcReserve: _wc_reserve,
    ops.WcFree: _wc_free,
    ops.RamAlloc: _ram_alloc,
    ops.RamType: _ram_type,
    ops.SetMtrr: _mtrr,
    ops.Sysctl: _sysctl,
}
