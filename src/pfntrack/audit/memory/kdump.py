"""Dumps in kdump-compressed form as QEMU writes them, which libkdumpfile cannot recognise.

QEMU fills in neither the names of the kernel nor VMCOREINFO, and writes the
flattened form: records of (offset, size, data) instead of a file with holes.
The layout is that of makedumpfile's diskdump_mod.h; compression is zlib only.
Offsets and addresses are bytes.
"""

from __future__ import annotations

import functools
import mmap
import struct
import zlib
from bisect import bisect_right
from pathlib import Path

import numpy as np
from drgn import FaultError

from pfntrack.pat.ram import PAGE_SHIFT

_FLAT, _FLAT_HEADER = b"makedumpfile\0", 4096
_SIGNATURE = b"KDUMP   "
_PAGE = 1 << PAGE_SHIFT
# status, block_size, sub_hdr_size, bitmap_blocks, max_mapnr behind names and time stamp
_HEADER = struct.Struct("<IiiII")
_HEADER_AT, _HEADER_SIZE = 424, 464
_PAGE_ENTRY = struct.Struct("<QIIQ")
_ZLIB = 1
_CACHED = 8192
_ONES = np.array([value.bit_count() for value in range(256)], dtype=np.uint8)


class KdumpFile:
    """Physical memory of one dump.

    Raises OSError, and ValueError if the file is not of this form.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as stream:
            self._data = mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ)
        self._offsets, self._places = self._records()
        head = self._at(0, _HEADER_SIZE)
        if not head.startswith(_SIGNATURE):
            raise ValueError("no kdump signature")
        _, block, sub, bitmaps, pages = _HEADER.unpack_from(head, _HEADER_AT)
        if block != _PAGE or sub < 1 or bitmaps < 2:
            raise ValueError("no kdump of 4 KiB pages")
        half = bitmaps // 2 * block
        # Of the two bitmaps the second says which pages are in the file.
        self._bits = np.frombuffer(self._at((1 + sub) * block + half, half), dtype=np.uint8)
        counts = _ONES[self._bits]
        self._before = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
        self._table = (1 + sub + bitmaps) * block
        self.end = min(pages, len(self._bits) * 8) << PAGE_SHIFT
        self._page = functools.lru_cache(_CACHED)(self._unpacked)

    def read(self, address: int, count: int, _offset: int = 0, _physical: bool = True) -> bytes:
        """Memory at a physical address; raises drgn's FaultError if a page is not there."""
        first, last = address >> PAGE_SHIFT, (address + count - 1) >> PAGE_SHIFT
        data = b"".join(self._page(pfn) for pfn in range(first, last + 1))
        start = address & (_PAGE - 1)
        return data[start : start + count]

    def look(self, address: int, count: int) -> bytes | None:
        """Whole pages, zeros for those that are not there; None if none of them is."""
        pages = range(address >> PAGE_SHIFT, (address + count) >> PAGE_SHIFT)
        if not any(self._has(pfn) for pfn in pages):
            return None
        return b"".join(self._unpacked(p) if self._has(p) else bytes(_PAGE) for p in pages)

    def _records(self) -> tuple[list[int], list[tuple[int, int]]]:
        """Where the parts of the real file lie: their offsets, and (place, size) of each."""
        if self._data[: len(_FLAT)] != _FLAT:
            return [0], [(0, len(self._data))]
        found: list[tuple[int, int, int]] = []
        at = _FLAT_HEADER
        while at + 16 <= len(self._data):
            offset, size = struct.unpack_from(">qq", self._data, at)
            if offset < 0 or size <= 0:
                break
            found.append((offset, at + 16, size))
            at += 16 + size
        found.sort()
        return [one[0] for one in found], [one[1:] for one in found]

    def _at(self, offset: int, size: int) -> bytes:
        parts = []
        while size > 0:
            at = bisect_right(self._offsets, offset) - 1
            if at < 0:
                raise ValueError("a part of the dump is missing")
            place, length = self._places[at]
            inside = offset - self._offsets[at]
            part = self._data[place + inside : place + min(length, inside + size)]
            if not part:
                raise ValueError("the dump is cut off")
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return b"".join(parts)

    def _has(self, pfn: int) -> bool:
        return pfn >> 3 < len(self._bits) and bool(self._bits[pfn >> 3] >> (pfn & 7) & 1)

    def _unpacked(self, pfn: int) -> bytes:
        address = pfn << PAGE_SHIFT
        if not self._has(pfn):
            raise FaultError("page is not in the dump", address)
        below = int(self._bits[pfn >> 3]) & ((1 << (pfn & 7)) - 1)
        rank = int(self._before[pfn >> 3]) + below.bit_count()
        try:
            entry = self._at(self._table + rank * _PAGE_ENTRY.size, _PAGE_ENTRY.size)
            offset, size, flags, _ = _PAGE_ENTRY.unpack(entry)
            raw = self._at(offset, min(size, _PAGE))
            if flags & ~_ZLIB:
                raise ValueError("not compressed by zlib")
            data = zlib.decompress(raw) if flags & _ZLIB else raw
        except (ValueError, zlib.error) as error:
            raise FaultError(f"page cannot be read: {error}", address) from None
        if len(data) != _PAGE:
            raise FaultError("page of another size", address)
        return data
