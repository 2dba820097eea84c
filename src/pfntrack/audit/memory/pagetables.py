"""Page tables, walked in physical memory: what is mapped where, and with which cache mode.

Source: arch/x86/include/asm/pgtable_types.h and arch/x86/mm/init.c
(`__pte2cachemode_tbl`), 5.10 to 7.3; *faithful* for four and five levels and
for entries of 4 KiB, 2 MiB and 1 GiB.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import attrs
from drgn import FaultError

from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.state import Entry

PAGE = 1 << PAGE_SHIFT
_PRESENT, _WRITE, _PWT, _PCD = 1, 2, 8, 0x10
_HUGE, _PROT_NONE, _SPECIAL = 0x80, 0x100, 0x200
_PAT, _PAT_LARGE = 0x80, 0x1000
_ADDRESS = (1 << 52) - PAGE
_WORDS = struct.Struct("<512Q")
_SHIFTS = {4: (39, 30, 21, 12), 5: (48, 39, 30, 21, 12)}
_KEPT_TABLES = 4096
Read = Callable[[int, int], bytes]


def cache_index(entry: int, *, large: bool) -> int:
    """Index into the PAT, and into `__pte2cachemode_tbl`."""
    pat = entry & (_PAT_LARGE if large else _PAT)
    return (4 if pat else 0) | (2 if entry & _PCD else 0) | (1 if entry & _PWT else 0)


class PageTables:
    """All page tables of one kernel.

    `read(address, size)` reads physical memory and raises FaultError for what
    is not there. `modes` is the kernel's `__pte2cachemode_tbl`, `encryption`
    the bit that marks encrypted pages and is no part of an address.
    """

    def __init__(
        self, read: Read, modes: tuple[CacheMode, ...], levels: int, encryption: int = 0
    ) -> None:
        self._read = read
        self._mask = _ADDRESS & ~encryption
        self._modes = modes
        self._shifts = _SHIFTS[levels]
        self._tables: dict[int, tuple[int, ...]] = {}

    def mode(self, entry: int, *, large: bool = False) -> CacheMode:
        """The cache mode of an entry, or of a `pgprot_t`."""
        return self._modes[cache_index(entry, large=large)]

    def entries(
        self, top: tuple[int, ...], start: int, end: int, *, cow: bool, missing: list[int]
    ) -> tuple[Entry, ...]:
        """Present entries for the virtual range `[start, end)` in bytes, as runs.

        `top` is the top table. In a private mapping (`cow`) a page without the
        special bit is a copy in RAM. Addresses whose table cannot be read are
        added to `missing`.
        """
        runs: list[Entry] = []
        for address, size, physical, entry, large in self._leaves(top, 0, start, end, missing):
            copied = cow and not large and not entry & _SPECIAL
            pfn = None if copied else physical >> PAGE_SHIFT
            first = address >> PAGE_SHIFT
            made = Entry(
                first,
                first + (size >> PAGE_SHIFT),
                pfn,
                self.mode(entry, large=large),
                bool(entry & _WRITE),
                large,
                bool(entry & _PRESENT),
            )
            if runs and _continues(runs[-1], made):
                runs[-1] = attrs.evolve(runs[-1], end=made.end)
            else:
                runs.append(made)
        return tuple(runs)

    def _leaves(
        self,
        table: tuple[int, ...],
        level: int,
        start: int,
        end: int,
        missing: list[int],
    ) -> Iterator[tuple[int, int, int, int, bool]]:
        """Present leaves as (virtual address, bytes, physical address, entry, large)."""
        shift = self._shifts[level]
        size = 1 << shift
        while start < end:
            entry = table[start >> shift & 511]
            stop = min((start | size - 1) + 1, end)
            last = shift == PAGE_SHIFT
            if entry & (_PRESENT | _PROT_NONE) and (last or entry & _HUGE):
                physical = self.address(entry) & -size | start & size - 1
                yield start, stop - start, physical, entry, not last
            elif entry & _PRESENT and not last:
                below = self._table(self.address(entry))
                if below is None:
                    missing.append(start)
                else:
                    yield from self._leaves(below, level + 1, start, stop, missing)
            start = stop

    def address(self, entry: int) -> int:
        """The physical address in an entry; that of PROT_NONE ones is kept inverted."""
        return (entry if entry & _PRESENT else ~entry) & self._mask

    def _table(self, physical: int) -> tuple[int, ...] | None:
        found = self._tables.get(physical)
        if found is None:
            try:
                found = _WORDS.unpack(self._read(physical, PAGE))
            except FaultError:
                return None
            if len(self._tables) >= _KEPT_TABLES:
                self._tables.clear()
            self._tables[physical] = found
        return found

    @staticmethod
    def top(page: bytes) -> tuple[int, ...]:
        """A top table from its page."""
        return _WORDS.unpack(page)

    def forget(self) -> None:
        """Read tables anew: those of a running kernel change."""
        self._tables.clear()


def _continues(run: Entry, made: Entry) -> bool:
    """Whether an entry lengthens a run: next page, next pfn, all else equal."""
    pfn = None if run.pfn is None else run.pfn + run.end - run.start
    return attrs.evolve(run, start=made.start, end=made.end, pfn=pfn) == made and (
        run.end == made.start
    )
