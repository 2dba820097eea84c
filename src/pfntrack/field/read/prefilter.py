"""The byte-level sieve: which lines of a stream are worth parsing at all.

A log of a gigabyte holds a handful of lines that matter. The stream is read in
blocks that end at line ends; each block is searched for a few fixed byte strings,
which costs little more than reading it. Only hits and their neighbourhood become text.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from pfntrack.field.read.lines import MAX_LINE, decode

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Small enough for the tables' results to stay in the processor's second cache.
BLOCK = 1 << 17
# Every message of the catalogue contains at least one of these; none is shorter than 4 bytes.
ANCHORS = (
    b"memtype", b"PAT:", b"PAT ", b"_pfn", b" pfn", b"pfnmap", b"conflicting", b"remap",
    b"pat_info", b"reserve_ram", b"Linux version", b"mtrr", b"MTRR", b"resource sanity",
    b"map sanity check", b"/dev/mem", b"mm/pat", b" @ 0x", b"k<->", b"g<->", b"s<->", b"d<->",
    b"h<->", b"iounmap", b"CPA: ", b"CPA d", b"d_set_huge", b"rwsem.h", b"mmap_lock.h",
    b"mm/memory.c", b"mm/mremap.c", b"can't ", b"_MAP_DMA", b"dma_map", b"IOAS", b"reg_mr",
    b"HostRegister", b"user_pages", b"umem_get", b"NVRM: BAR", b"WC support", b"rite-combining",
    b"cannot reserve", b"unable to reserve", b"acquire memory", b"Failed to mmap",
    b"vfio_region_", b"STRICT_DEVMEM", b"Bad page", b"lockup", b"detected stall",
    b"blocked for more", b"multiple BARs", b"/resource", b" mmap", b"mmap(", b"mmap b",
    b"pcim_iomap_regions", b"nopat", b"Hypervisor detected", b"failed to assign", b"dma_mmap",
    b"MTRR: ", b"bad commit", b"asm/pgtable.h", b"mm/mmap.c", b"mm/vma.c",
)  # fmt: skip
# These say that a stack trace follows; more of what comes after is kept.
_TRACE = (
    b"WARNING", b"track_pfn", b"get_pat_info", b"kernel BUG", b"mm/pat", b"Bad page", b"lockup",
    b"detected stall", b"blocked for more",
)  # fmt: skip
BEFORE, AFTER, AFTER_TRACE = 6, 12, 120

Progress = Callable[[int], None]


class Readable(Protocol):
    """Anything with a binary read()."""

    def read(self, size: int, /) -> bytes: ...


def interesting(stream: Readable, progress: Progress | None = None) -> Iterator[tuple[int, str]]:
    """(line number, text) of the lines that may matter, in order, with their surroundings.

    A block without any anchor is only counted. Memory stays bounded by the block
    size and the length of a line, whatever the input.
    """
    number, left, done = 0, 0, 0
    rest = b""
    while True:
        block = stream.read(BLOCK)
        if not block:
            break
        done += len(block)
        if progress is not None:
            progress(done)
        cut = block.rfind(b"\n") + 1
        if not cut:
            # A line longer than a block: its beginning is all that anyone can use.
            rest = rest if len(rest) > BLOCK else rest + block[:MAX_LINE]
            continue
        scan = _Scan(rest + block[:cut], number, left)
        yield from scan.lines()
        number, left = scan.number, scan.left
        rest = scan.unread + block[cut:]
    if rest:
        yield from _Scan(rest + b"\n", number, left).lines()


class _Scan:
    """One block of whole lines; `left` lines are still to be kept from the block before."""

    def __init__(self, data: bytes, number: int, left: int) -> None:
        self.data = data
        self.number = number
        self.left = left
        self.unread = b""

    def lines(self) -> Iterator[tuple[int, str]]:
        data, hits, at, pos = self.data, _hit_offsets(self.data), 0, 0
        while pos < len(data):
            if self.left <= 0:
                if at == len(hits):
                    break
                start = _lines_back(data, hits[at], pos)
                self.number += data.count(b"\n", pos, start)
                pos, self.left = start, BEFORE + 1
            end = data.find(b"\n", pos)
            hit = False
            while at < len(hits) and hits[at] < end:
                at, hit = at + 1, True
            raw = data[pos : min(end, pos + 2 * MAX_LINE)]
            if hit:
                keep = AFTER_TRACE if any(word in raw for word in _TRACE) else AFTER
                self.left = max(self.left, keep + 1)
            self.number += 1
            self.left -= 1
            yield self.number, decode(raw)
            pos = end + 1
        # What could become the lead-in of a hit in the next block is read again then.
        start = _lines_back(data, len(data), pos) if self.left <= 0 else len(data)
        start = start if len(data) - start < 8 * MAX_LINE else len(data)
        self.number += data.count(b"\n", pos, start)
        self.unread = data[start:]


def _lines_back(data: bytes, offset: int, floor: int) -> int:
    """Offset of the line BEFORE lines ahead of the line at `offset`, not below `floor`."""
    start = data.rfind(b"\n", floor, offset) + 1 if offset < len(data) else offset
    for _ in range(BEFORE):
        if start <= floor:
            return floor
        start = data.rfind(b"\n", floor, start - 1) + 1
    return max(start, floor)


def _weight(byte: int) -> int:
    """How common a byte is in logs, roughly."""
    return 4 if byte in b" etaoinsr0123" else 3 if chr(byte).islower() else 1


def _window(anchor: bytes) -> int:
    """Offset of the four rarest bytes in a row."""
    return min(range(len(anchor) - 3), key=lambda at: sum(_weight(b) for b in anchor[at : at + 4]))


def _tables(words: list[bytes]) -> tuple[bytes, ...]:
    """For each of four bytes: which of eight groups of words allow it at that place."""
    groups: list[list[set[int]]] = [[set(), set(), set(), set()] for _ in range(8)]

    def cost(group: list[set[int]]) -> int:
        product = 1
        for place in group:
            product *= sum(_weight(byte) for byte in place)
        return product

    for word in words:
        grown = [
            [place | {byte} for place, byte in zip(group, word, strict=True)] for group in groups
        ]
        best = min(range(8), key=lambda at: cost(grown[at]) - cost(groups[at]))
        groups[best] = grown[best]
    tables = [bytearray(256) for _ in range(4)]
    for number, group in enumerate(groups):
        for table, place in zip(tables, group, strict=True):
            for byte in place:
                table[byte] |= 1 << number
    return tuple(bytes(table) for table in tables)


# Four bytes of each anchor, and the anchors (with their offsets) that these four may begin.
_WORDS: dict[bytes, list[tuple[bytes, int]]] = {}
for _anchor in ANCHORS:
    _at = _window(_anchor)
    _WORDS.setdefault(_anchor[_at : _at + 4], []).append((_anchor, _at))
_TABLES = _tables(list(_WORDS))
_ANY = re.compile(b"|".join(map(re.escape, ANCHORS)))
# What is shorter is searched before NumPy would be loaded.
_SHORT = BLOCK // 2


@functools.cache
def _numpy() -> Any:
    """NumPy, if it is installed; in a browser it is not."""
    try:
        return importlib.import_module("numpy")
    except ImportError:
        return None


@functools.cache
def _numbers() -> npt.NDArray[np.uint32]:
    """The four bytes of each anchor as a number, sorted."""
    numpy = _numpy()
    words = sorted(int.from_bytes(word, "big") for word in _WORDS)
    made: npt.NDArray[np.uint32] = numpy.array(words, dtype=numpy.uint32)
    return made


def _nonzero(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Where the mask is not zero; eight bytes at a time, since nearly all are."""
    numpy = _numpy()
    whole = len(mask) // 8 * 8
    words = numpy.flatnonzero(mask[:whole].view(numpy.uint64))
    near = (words[:, None] * 8 + numpy.arange(8)).ravel()
    near = numpy.concatenate((near, numpy.arange(whole, len(mask))))
    found: npt.NDArray[np.intp] = near[mask[near] != 0]
    return found


def _hit_offsets(data: bytes) -> list[int]:
    """Offset of an anchor for every line that has one; `data` ends with a line end."""
    if len(data) < _SHORT or _numpy() is None:
        return _found_plainly(data)
    return _found_by_tables(data)


def _found_plainly(data: bytes) -> list[int]:
    """The same by one expression: slower by the byte, and ready at once."""
    found: list[int] = []
    pos = 0
    while match := _ANY.search(data, pos):
        found.append(match.start())
        pos = data.find(b"\n", match.start())
        if pos < 0:
            break
    return found


def _found_by_tables(data: bytes) -> list[int]:
    """The same for long data.

    Four table look-ups per byte leave few places, however many anchors there are; each is then
    compared.
    """
    found: list[int] = []
    if len(data) < 4:
        return found
    numpy, numbers = _numpy(), _numbers()
    last = len(data) - 3
    groups = [numpy.frombuffer(data.translate(table), dtype=numpy.uint8) for table in _TABLES]
    mask = groups[0][:last] & groups[1][1 : last + 1]
    for at in (2, 3):
        mask &= groups[at][at : last + at]
    places = _nonzero(mask)
    if not len(places):
        return found
    raw = numpy.frombuffer(data, dtype=numpy.uint8)
    value = numpy.zeros(len(places), dtype=numpy.uint32)
    for at in range(4):
        value = (value << numpy.uint32(8)) | raw[places + at]
    slot = numpy.minimum(numpy.searchsorted(numbers, value), len(numbers) - 1)
    end = -1
    for at in places[numbers[slot] == value].tolist():
        if at > end and any(
            data.startswith(anchor, at - back) for anchor, back in _WORDS[data[at : at + 4]]
        ):
            found.append(at)
            end = data.find(b"\n", at)
            if end < 0:
                break
    return found
