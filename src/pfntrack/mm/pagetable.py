"""Page tables as runs of present entries.

A run maps pages `[start, end)` to consecutive pfns, or to private copies
(`pfn` None: a CoWed or anonymous page). The runs of an address space are
sorted, disjoint and merged, so equal tables are equal values.

Source: mm/memory.c, mm/huge_memory.c, arch/x86/include/asm/pgtable.h.
*Simplified*: one level with 512-page tables counted for allocation; huge
leaves are runs of whole 512-page blocks; accessed bits are *ignored*.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from operator import attrgetter

import attrs

from pfntrack.pat.cachemode import CacheMode

PTRS_PER_PTE = 512


@attrs.frozen
class PteRun:
    """Present entries for pages `[start, end)`, the first one to `pfn`.

    `dirty` is the hardware bit of a raw entry; on a copied page it means that
    the process owns the page alone. `protnone` entries are present for the
    kernel but not for the CPU. `stamped` copies hold what a program stored.
    `counted` raw entries hold a count, in a design that marks them.
    """

    start: int
    end: int
    pfn: int | None
    cache: CacheMode
    write: bool
    dirty: bool = False
    huge: bool = False
    protnone: bool = False
    stamped: bool = False
    counted: bool = False

    @property
    def special(self) -> bool:
        """A raw pfn, not a page that the kernel counts."""
        return self.pfn is not None

    def pfn_at(self, page: int) -> int | None:
        """The pfn that `page` maps to."""
        return None if self.pfn is None else self.pfn + page - self.start

    def cut(self, start: int, end: int) -> PteRun:
        """The part inside `[start, end)`, which must not be empty."""
        low, high = max(self.start, start), min(self.end, end)
        if (low, high) == (self.start, self.end):
            return self
        return attrs.evolve(self, start=low, end=high, pfn=self.pfn_at(low))


PageTable = tuple[PteRun, ...]
_END = attrgetter("end")


def lookup(table: PageTable, page: int) -> PteRun | None:
    """The entry of `page` as a run of one page."""
    for run in table:
        if run.start <= page < run.end:
            return run.cut(page, page + 1)
    return None


def within(table: PageTable, start: int, end: int) -> list[PteRun]:
    """The entries of `[start, end)`."""
    found = []
    # Runs are in order and do not overlap.
    at = bisect_right(table, start, key=_END)
    while at < len(table) and table[at].start < end:
        found.append(table[at].cut(start, end))
        at += 1
    return found


def split_huge(table: PageTable, start: int, end: int) -> PageTable:
    """Clear huge leaves that `[start, end)` cuts in two (`__split_huge_pmd`).

    A leaf of raw pfns cannot be split; the kernel drops it and lets the next
    fault insert again.
    """
    if not any(run.huge for run in table):
        return table
    for edge in (start, end):
        block = edge - edge % PTRS_PER_PTE
        if edge != block and any(run.huge for run in within(table, edge - 1, edge + 1)):
            table = _without(table, block, block + PTRS_PER_PTE)
    return table


def torn(table: PageTable, start: int, end: int) -> list[PteRun]:
    """Counted huge leaves that `split_huge` takes for these bounds."""
    blocks_cut = sorted({edge // PTRS_PER_PTE for edge in (start, end) if edge % PTRS_PER_PTE})
    return [
        run
        for block in blocks_cut
        for run in within(table, block * PTRS_PER_PTE, (block + 1) * PTRS_PER_PTE)
        if run.huge and run.counted
    ]


def lost(table: PageTable, start: int, end: int) -> list[PteRun]:
    """Counted entries that `clear` takes: those of `[start, end)`, huge leaves whole."""
    leaves = torn(table, start, end)
    rest = _without(table, start, end) if leaves else ()
    outside = [part for leaf in leaves for part in within(rest, leaf.start, leaf.end)]
    return [run for run in within(table, start, end) if run.counted] + outside


def clear(
    table: PageTable, start: int, end: int, keep: Callable[[PteRun], bool] | None = None
) -> PageTable:
    """`table` without the entries of `[start, end)`, except those to `keep`."""
    table = split_huge(table, start, end)
    kept = [run for run in within(table, start, end) if keep and keep(run)]
    return put(_without(table, start, end), *kept)


def put(table: PageTable, *runs: PteRun) -> PageTable:
    """`table` with `runs` added to places that have no entries."""
    return _merged(sorted((*table, *runs), key=lambda run: run.start))


def change(table: PageTable, start: int, end: int, alter: Callable[[PteRun], PteRun]) -> PageTable:
    """`table` with each run inside `[start, end)` replaced by `alter` of it."""
    inside = [alter(run) for run in within(table, start, end)]
    return put(_without(table, start, end), *inside)


def blocks(start: int, end: int) -> range:
    """Numbers of the 512-page tables that `[start, end)` touches."""
    return range(start // PTRS_PER_PTE, -(-end // PTRS_PER_PTE))


def _without(table: PageTable, start: int, end: int) -> PageTable:
    runs = []
    for run in table:
        if run.end <= start or run.start >= end:
            runs.append(run)
            continue
        if run.start < start:
            runs.append(run.cut(run.start, start))
        if run.end > end:
            runs.append(run.cut(end, run.end))
    return tuple(runs)


def _merged(runs: list[PteRun]) -> PageTable:
    out: list[PteRun] = []
    for run in runs:
        last = out[-1] if out else None
        if (
            last is not None
            and last.end == run.start
            and attrs.evolve(last, start=run.start, end=run.end, pfn=run.pfn) == run
            and last.pfn_at(run.start) == run.pfn
        ):
            out[-1] = attrs.evolve(last, end=run.end)
        else:
            out.append(run)
    return tuple(out)
