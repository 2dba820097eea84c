"""The kernel's own users of reservations: ioremap, resources, set_memory_*.

Source: arch/x86/mm/ioremap.c (`__ioremap_caller`, `iounmap`),
kernel/resource.c (`request_mem_region`, `revoke_iomem`), arch/x86/mm/pat
(`set_memory_*`), drivers/virtio (the probe order of
registers). *Faithful* in reservations and messages; virtual addresses are
*ignored*. Addresses are bytes, ranges half-open.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.drivers.base import claimed
from pfntrack.drivers.devmem import range_is_allowed
from pfntrack.mm.calls.truncate import Span, unmap_mapping_range
from pfntrack.mm.step import Step
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.context import Context
from pfntrack.pat.events import IoremapError, IoremapReserveFailed, Warn
from pfntrack.pat.memtype import (
    is_new_memtype_allowed,
    memtype_free,
    memtype_kernel_map_sync,
    memtype_reserve,
)
from pfntrack.pat.physical import Claim, Ioremap, Window
from pfntrack.pat.ram import NOT_RAM, PAGE_SHIFT, PAGE_SIZE, pat_pagerange_is_ram

# The one mapping that /dev/mem and (from 5.12) PCI sysfs files share.
IOMEM = "iomem"


def ioremap(ctx: Context, key: str, start: int, end: int, cache: CacheMode) -> bool:
    """Map `[start, end)` for the kernel; False is the NULL that callers see."""
    start, end = start & -PAGE_SIZE, -(-end // PAGE_SIZE) * PAGE_SIZE
    if pat_pagerange_is_ram(ctx.machine.ram, start, end) != NOT_RAM:
        message = f"ioremap on RAM at {start:#018x} - {end - 1:#018x}"
        ctx.emit(Warn("ioremap.c", ("__ioremap_caller",), message))
        return False
    cache = ctx.machine.layout.granted(cache)
    error, granted = memtype_reserve(ctx, start, end, cache)
    if error:
        ctx.emit(IoremapReserveFailed(error))
        return False
    if granted is not cache and not is_new_memtype_allowed(start, end, cache, granted):
        ctx.emit(IoremapError(start, end, cache, granted))
        memtype_free(ctx, start, end)
        return False
    if memtype_kernel_map_sync(ctx, start, end, granted):
        memtype_free(ctx, start, end)
        return False
    held = (*ctx.phys.ioremaps, Ioremap(key, start, end, granted))
    ctx.phys = attrs.evolve(ctx.phys, ioremaps=held)
    return True


def driver_bind(step: Step, window: Window) -> int:
    """The device's own driver probes: claims the BAR, maps its registers UC-."""
    if not window.registers:
        return -errno.ENODEV
    if error := request_mem_region(step, window.start, window.end, "driver"):
        return error
    for page in window.registers:
        start = window.start + page * PAGE_SIZE
        if not ioremap(step, f"{window.name}:{page}", start, start + PAGE_SIZE, CacheMode.UC_MINUS):
            driver_unbind(step, window)
            return -errno.ENODEV
    return 0


def driver_unbind(step: Step, window: Window) -> int:
    """The driver unmaps its registers in reverse and gives the BAR back."""
    if not claimed(step, window.start, window.end):
        return -errno.ENODEV
    for page in reversed(window.registers):
        iounmap(step, f"{window.name}:{page}")
    release_mem_region(step, window.start, window.end)
    return 0


def iounmap(ctx: Context, key: str) -> bool:
    """Unmap what `ioremap` mapped under `key`; False if there is no such mapping."""
    found = next((each for each in ctx.phys.ioremaps if each.key == key), None)
    if found is None:
        return False
    left = tuple(each for each in ctx.phys.ioremaps if each is not found)
    ctx.phys = attrs.evolve(ctx.phys, ioremaps=left)
    memtype_free(ctx, found.start, found.end, via="iounmap")
    return True


def request_mem_region(step: Step, start: int, end: int, owner: str) -> int:
    """Claim a resource, then revoke what user space has mapped of it."""
    if claimed(step, start, end):
        return -errno.EBUSY
    held = (*step.phys.claims, Claim(start, end, owner))
    step.phys = attrs.evolve(step.phys, claims=held)
    revoke_iomem(step, start, end)
    return 0


def revoke_iomem(step: Step, start: int, end: int) -> None:
    """Zap all mappings of `[start, end)` made through /dev/mem and its mapping."""
    first, last = start >> PAGE_SHIFT, (end - 1) >> PAGE_SHIFT
    if range_is_allowed(step, first, 1) and range_is_allowed(step, last, 1):
        return
    step.note("revoke_iomem", "a driver claims the range: user mappings of it are zapped")
    unmap_mapping_range(step, step.spaces, Span(IOMEM, first, last + 1))


def release_mem_region(ctx: Context, start: int, end: int) -> None:
    """Give a claim back."""
    left = tuple(each for each in ctx.phys.claims if (each.start, each.end) != (start, end))
    ctx.phys = attrs.evolve(ctx.phys, claims=left)


def arch_io_reserve_memtype_wc(ctx: Context, start: int, end: int) -> int:
    """A write-combining reservation without a mapping (`memtype_reserve_io`)."""
    cache = CacheMode.WC
    error, granted = memtype_reserve(ctx, start, end, cache)
    if error:
        return error
    if not is_new_memtype_allowed(start, end, cache, granted) or memtype_kernel_map_sync(
        ctx, start, end, granted
    ):
        memtype_free(ctx, start, end)
        return -errno.EBUSY
    held = (*ctx.phys.ioremaps, Ioremap(_bare(start, end), start, end, granted, mapped=False))
    ctx.phys = attrs.evolve(ctx.phys, ioremaps=held)
    return 0


def arch_io_free_memtype_wc(ctx: Context, start: int, end: int) -> None:
    """Give the reservation back."""
    key = _bare(start, end)
    left = list(ctx.phys.ioremaps)
    for held in left:
        if held.key == key:
            left.remove(held)
            break
    ctx.phys = attrs.evolve(ctx.phys, ioremaps=tuple(left))
    memtype_free(ctx, start, end, via="arch_io_free_memtype_wc")


def _bare(start: int, end: int) -> str:
    return f"arch_io_reserve_memtype_wc:{start:#x}-{end:#x}"


def set_memory(ctx: Context, start: int, end: int, cache: CacheMode) -> int:
    """set_memory_wc() and its kin on RAM; set_memory_wb() gives the type back."""
    if cache is CacheMode.WB:
        memtype_free(ctx, start, end, via="set_memory")
        return 0
    return memtype_reserve(ctx, start, end, cache, want_ret=False)[0]
