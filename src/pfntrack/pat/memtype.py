"""memtype_reserve, memtype_free, lookup_memtype and the PFN range layer above.

Source: arch/x86/mm/pat/memtype.c (5.10 to 7.3). *Faithful* in order of checks,
results and messages, except: SGI UV ranges and memory encryption bits are
*ignored*; the direct map is kept for low RAM only.

Addresses are bytes, ranges half-open; errors are negative errno values.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.pat import ram
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.context import Context
from pfntrack.pat.events import (
    Added,
    ConflictingTypes,
    ExpectedType,
    Freed,
    FreeInvalid,
    Overlap,
    RamReserveFailed,
    RamType,
    ReserveFailed,
    Warn,
    WrongOwner,
)
from pfntrack.pat.ghost import settle
from pfntrack.pat.memtype_interval import (
    Conflict,
    memtype_check_insert,
    memtype_erase,
    memtype_lookup,
)
from pfntrack.pat.mtrr import WB as MTRR_WB
from pfntrack.pat.ram import PAGE_SHIFT, PAGE_SIZE

ISA_START, ISA_END = 0xA0000, 0x100000
_REFUSED = frozenset(
    {
        (CacheMode.UC_MINUS, CacheMode.WB),
        (CacheMode.WC, CacheMode.WB),
        (CacheMode.WT, CacheMode.WB),
        (CacheMode.WT, CacheMode.WC),
    }
)


def is_untracked_pat_range(start: int, end: int) -> bool:
    """`is_ISA_range()`: wholly inside the legacy video and ROM area."""
    return start >= ISA_START and end <= ISA_END


def sanitize_phys_range(ctx: Context, start: int, end: int) -> tuple[int, int]:
    """Drop address bits above the physical mask, keeping an end at the very top."""
    mask = ctx.machine.physical_mask
    if ctx.pat.reserve_masks_end:
        return start & mask, end & mask
    return start & mask, ((end - 1) & mask) + 1


def pat_x_mtrr_type(ctx: Context, start: int, end: int, req: CacheMode) -> CacheMode:
    """The actual type of a request: WB holds only where the MTRRs say WB."""
    if req is not CacheMode.WB:
        return req
    kind = ctx.phys.mtrr.lookup(start, end, ctx.pat.mtrr_lookup)
    if kind != MTRR_WB:
        ctx.note("pat_x_mtrr_type", "write-back asked where the MTRRs do not say so: UC-")
        return CacheMode.UC_MINUS
    return CacheMode.WB


def memtype_reserve(
    ctx: Context, start: int, end: int, req: CacheMode, *, want_ret: bool = True
) -> tuple[int, CacheMode]:
    """Reserve `[start, end)`; returns (error, type granted).

    On -EBUSY the second value is the type that was in the way. Without
    `want_ret` (set_memory_* on I/O ranges) any difference is refused.
    """
    if ctx.fails("memtype_reserve"):
        return ctx.struck, req
    ctx.call("memtype_reserve", range=(start, end), type=req)
    error, granted = _memtype_reserve(ctx, start, end, req, want_ret)
    ctx.call("memtype_reserve_ret", ret=error)
    return error, granted


def _memtype_reserve(
    ctx: Context, start: int, end: int, req: CacheMode, want_ret: bool
) -> tuple[int, CacheMode]:
    start, end = sanitize_phys_range(ctx, start, end)
    if start >= end:
        message = (
            f"memtype_reserve failed: [mem {start:#010x}-{(end - 1) % (1 << 64):#010x}], "
            f"req {req.cattr}"
        )
        ctx.emit(Warn("memtype.c", ("memtype_reserve",), message))
        return -errno.EINVAL, req
    if not ctx.machine.pat_enabled:
        ctx.note("memtype_reserve", "PAT is off: every request is granted, nothing is kept")
        return 0, req
    if is_untracked_pat_range(start, end):
        ctx.note("memtype_reserve", "the range lies in the ISA hole: never tracked, write-back")
        return 0, CacheMode.WB
    actual = pat_x_mtrr_type(ctx, start, end, req)
    is_ram = ram.pat_pagerange_is_ram(ctx.machine.ram, start, end)
    if is_ram == ram.RAM:
        return reserve_ram_pages_type(ctx, start, end, req)
    if is_ram == ram.MIXED:
        ctx.note("memtype_reserve", "the range is partly RAM: -EINVAL, without a message")
        return -errno.EINVAL, actual
    result = memtype_check_insert(
        ctx.phys.tree,
        start,
        end,
        actual,
        has_ret=want_ret,
        closed=ctx.pat.closed_interval,
        owner=ctx.owner,
    )
    overlap = result.overlap
    if overlap is not None:
        ctx.emit(Overlap(overlap.start, overlap.end))
    if isinstance(result, Conflict):
        ctx.emit(ConflictingTypes(ctx.task, start, end, result.found, result.other))
        ctx.emit(ReserveFailed(start, end, actual, req))
        ctx.note("memtype_check_conflict", "the range meets entries of two types: -EBUSY")
        return -errno.EBUSY, actual
    granted = result.entry.type
    if granted is not actual:
        ctx.note(
            "memtype_check_conflict",
            "the first overlapping entry dictates the type: {} instead of {}",
            granted,
            actual,
        )
    ctx.phys = attrs.evolve(ctx.phys, tree=result.tree)
    ctx.emit(Added(start, end, granted, req, granted if want_ret else None))
    return 0, granted


def reserve_ram_pages_type(
    ctx: Context, start: int, end: int, req: CacheMode
) -> tuple[int, CacheMode]:
    """Set the page flags of RAM `[start, end)`; every page must be write-back."""
    if req is CacheMode.WP:
        return -errno.EINVAL, CacheMode.UC_MINUS
    if req is CacheMode.UC:
        ctx.emit(Warn("memtype.c", ("reserve_ram_pages_type", "memtype_reserve")))
        req = CacheMode.UC_MINUS
    first, last = start >> PAGE_SHIFT, end >> PAGE_SHIFT
    for pfn in range(first, last):
        kind = ram.get_page_memtype(ctx.phys.ram_types, pfn)
        if kind is not CacheMode.WB:
            ctx.emit(RamReserveFailed(start, end, kind, req))
            return -errno.EBUSY, kind
    types = ram.set_page_memtype(ctx.phys.ram_types, first, last, req)
    ctx.phys = attrs.evolve(ctx.phys, ram_types=types)
    ctx.note("reserve_ram_pages_type", "RAM: the type goes into the page flags, not the tree")
    return 0, req


def memtype_free(ctx: Context, start: int, end: int, *, via: str = "") -> int:
    """Release `[start, end)`; 0 or -EINVAL. `via` names the caller."""
    if ctx.fails("memtype_free"):
        return ctx.struck
    ctx.call("memtype_free", via=via, range=(start, end))
    error = _memtype_free(ctx, start, end)
    ctx.call("memtype_free_ret", via=via, ret=error)
    return error


def _memtype_free(ctx: Context, start: int, end: int) -> int:
    if not ctx.machine.pat_enabled:
        return 0
    mask = ctx.machine.physical_mask
    start, end = start & mask, (end & mask if ctx.pat.free_masks_end else ((end - 1) & mask) + 1)
    if is_untracked_pat_range(start, end):
        return 0
    is_ram = ram.pat_pagerange_is_ram(ctx.machine.ram, start, end)
    if is_ram == ram.RAM:
        first, last = start >> PAGE_SHIFT, end >> PAGE_SHIFT
        types = ram.set_page_memtype(ctx.phys.ram_types, first, last, CacheMode.WB)
        ctx.phys = attrs.evolve(ctx.phys, ram_types=types)
        return 0
    if is_ram == ram.MIXED:
        return -errno.EINVAL
    erased = memtype_erase(ctx.phys.tree, start, end, end_match=ctx.pat.end_match)
    if erased is None:
        ctx.note(
            "memtype_erase",
            "no entry is exactly this range{}: -EINVAL",
            " or ends with it" if ctx.pat.end_match else "",
        )
        ctx.emit(FreeInvalid(ctx.task, start, end))
        return -errno.EINVAL
    if erased.shrunk is not None:
        ctx.note("memtype_erase", "end match: an entry that begins earlier and ends here is cut")
    tree, rightful = settle(erased.tree, erased.entry, ctx.owner)
    ctx.phys = attrs.evolve(ctx.phys, tree=tree)
    if not rightful:
        ctx.emit(WrongOwner(start, end))
    ctx.emit(Freed(start, end))
    return 0


def lookup_memtype(ctx: Context, paddr: int) -> CacheMode:
    """Type that a mapping of the page at `paddr` must have; UC- where nothing is known."""
    if is_untracked_pat_range(paddr, paddr + PAGE_SIZE):
        return CacheMode.WB
    if ram.pat_pagerange_is_ram(ctx.machine.ram, paddr, paddr + PAGE_SIZE):
        return ram.get_page_memtype(ctx.phys.ram_types, paddr >> PAGE_SHIFT)
    entry = memtype_lookup(ctx.phys.tree, paddr)
    if entry is None:
        ctx.note("lookup_memtype", "no reservation covers the page: UC-, whatever was asked")
        return CacheMode.UC_MINUS
    return entry.type


def is_new_memtype_allowed(start: int, end: int, req: CacheMode, new: CacheMode) -> bool:
    """May a mapper who asked for `req` use `new`? (arch/x86/include/asm/pgtable.h)."""
    return is_untracked_pat_range(start, end) or (req, new) not in _REFUSED


def memtype_kernel_map_sync(ctx: Context, start: int, end: int, kind: CacheMode) -> int:
    """Make the direct map of low RAM follow; a no-op for real I/O memory."""
    if ctx.fails("memtype_kernel_map_sync"):
        return ctx.struck
    ctx.call("memtype_kernel_map_sync", range=(start, end), type=kind)
    in_ram = any(low <= start < high for low, high in ctx.machine.ram)
    if start > ctx.machine.high_memory - 1 or not in_ram:
        return 0
    if kind not in (CacheMode.WB, CacheMode.WC, CacheMode.WT):
        kind = CacheMode.UC_MINUS  # ioremap_change_attr() knows no other
    types = ram.set_page_memtype(ctx.phys.direct_map, start >> PAGE_SHIFT, end >> PAGE_SHIFT, kind)
    ctx.phys = attrs.evolve(ctx.phys, direct_map=types)
    return 0


def reserve_pfn_range(
    ctx: Context, start: int, end: int, want: CacheMode, *, strict: bool
) -> tuple[int, CacheMode]:
    """Reserve for a user mapping; returns (error, type for the page table).

    `strict` (fork of a VM_PAT mapping) accepts the asked type only. RAM and
    mixed ranges reserve nothing: the first page's flags decide.
    """
    if ram.pat_pagerange_is_ram(ctx.machine.ram, start, end) != ram.NOT_RAM:
        if not ctx.machine.pat_enabled:
            return 0, want
        kind = lookup_memtype(ctx, start)
        if kind is not want:
            ctx.emit(RamType(ctx.task, want, start, end, kind))
        ctx.note("reserve_pfn_range", "RAM: nothing is reserved, the first page's flags decide")
        return 0, kind
    error, kind = memtype_reserve(ctx, start, end, want)
    if error:
        return error, want
    if kind is not want and (strict or not is_new_memtype_allowed(start, end, want, kind)):
        memtype_free(ctx, start, end, via="reserve_pfn_range")
        ctx.emit(ExpectedType(ctx.task, want, start, end, kind))
        ctx.note("reserve_pfn_range", "{} was granted where {} is required: -EINVAL", kind, want)
        return -errno.EINVAL, want
    if memtype_kernel_map_sync(ctx, start, end, kind) < 0:
        memtype_free(ctx, start, end, via="reserve_pfn_range")
        return -errno.EINVAL, want
    return 0, kind


def free_pfn_range(ctx: Context, start: int, end: int) -> None:
    """Release what `reserve_pfn_range()` reserved; RAM and mixed ranges hold nothing."""
    if ram.pat_pagerange_is_ram(ctx.machine.ram, start, end) == ram.NOT_RAM:
        memtype_free(ctx, start, end, via="free_pfn_range")
