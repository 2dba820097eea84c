"""RAM: what counts as RAM, and the memory type kept in each RAM page's flags.

Source: arch/x86/mm/pat/memtype.c, `pat_pagerange_is_ram()` and
`{get,set}_page_memtype()`. *Faithful*, with both quirks of the range test.
RAM page types live in page flags, one per page, without a count.

Types are kept as sorted, disjoint, merged `(first pfn, end pfn, type)` runs of
pages that are not write-back.
"""

from __future__ import annotations

from pfntrack.pat.cachemode import CacheMode

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT
ISA_END_PFN = 0x100

Ranges = tuple[tuple[int, int], ...]
TypeRuns = tuple[tuple[int, int, CacheMode], ...]

RAM, NOT_RAM, MIXED = 1, 0, -1


def pat_pagerange_is_ram(ram: Ranges, start: int, end: int) -> int:
    """1 = all RAM, 0 = none, -1 = mixed, for bytes `[start, end)`.

    `ram` holds the System RAM resources as byte ranges, sorted. Two quirks of
    the kernel are kept: pages below 1 MiB never count as RAM, and a hole
    behind RAM is not noticed (a hole before it is).
    """
    start_pfn, end_pfn = start >> PAGE_SHIFT, -(-end >> PAGE_SHIFT)
    cursor = start_pfn
    is_ram = not_ram = False
    for low, high in ram:
        first = max(-(-low >> PAGE_SHIFT), start_pfn, ISA_END_PFN)
        last = min(high >> PAGE_SHIFT, end_pfn)
        if first >= last:
            continue
        not_ram |= first > cursor
        is_ram = True
        cursor = last
        if not_ram:
            return MIXED
    return RAM if is_ram else NOT_RAM


def get_page_memtype(types: TypeRuns, pfn: int) -> CacheMode:
    """Type in the flags of the RAM page `pfn`."""
    for first, last, kind in types:
        if first <= pfn < last:
            return kind
    return CacheMode.WB


def set_page_memtype(types: TypeRuns, first: int, last: int, kind: CacheMode) -> TypeRuns:
    """`types` with pages `[first, last)` set to `kind`.

    Only WC, UC- and WT have flag bits; anything else is stored as WB.
    """
    if kind not in (CacheMode.WC, CacheMode.UC_MINUS, CacheMode.WT):
        kind = CacheMode.WB
    runs = []
    for low, high, old in types:
        if low < first:
            runs.append((low, min(high, first), old))
        if high > last:
            runs.append((max(low, last), high, old))
    if kind is not CacheMode.WB:
        runs.append((first, last, kind))
    merged: list[tuple[int, int, CacheMode]] = []
    for low, high, old in sorted(run for run in runs if run[0] < run[1]):
        if merged and merged[-1][1] == low and merged[-1][2] is old:
            merged[-1] = (merged[-1][0], high, old)
        else:
            merged.append((low, high, old))
    return tuple(merged)
