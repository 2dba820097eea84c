"""The byte-level sieve: which lines of a stream are worth parsing at all.

A log of a gigabyte holds a handful of lines that matter. The stream is read in
blocks that end at line ends; each block is searched for a few fixed byte strings,
which costs little more than reading it. Only hits and their neighbourhood become text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from pfntrack.field.read.lines import MAX_LINE, decode

BLOCK = 1 << 20
# Every message of the catalogue contains at least one of these.
ANCHORS = (
    b"memtype",
    b"PAT:",
    b"PAT ",
    b"pfn",
    b"conflicting",
    b"remap",
    b"pat_info",
    b"reserve_ram",
    b"Linux version",
    b"mtrr",
    b"MTRRs ",
    b"resource sanity",
    b"/dev/mem",
    b"mm/pat",
    b" @ 0x",
    b"<->",
)
# These say that a stack trace follows; more of what comes after is kept.
_TRACE = (b"WARNING", b"track_pfn", b"get_pat_info", b"kernel BUG", b"mm/pat")
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


def _hit_offsets(data: bytes) -> list[int]:
    """Offset of an anchor for every line that has one."""
    found: set[int] = set()
    for anchor in ANCHORS:
        at = data.find(anchor)
        while at >= 0:
            found.add(at)
            end = data.find(b"\n", at)
            at = data.find(anchor, end) if end >= 0 else -1
    return sorted(found)
