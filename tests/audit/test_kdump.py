"""Compressed dumps as QEMU writes them: pages come back, and holes are holes."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from drgn import FaultError
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from pfntrack.audit.memory.kdump import KdumpFile
from pfntrack.audit.memory.program import open_vmcore
from pfntrack.errors import InputFormatError

PAGE = 4096
PAGES = 8 * PAGE * 2  # what one block of bitmap can describe, twice


def kdump(pages: dict[int, bytes]) -> bytes:
    """A kdump file: header, sub-header, two bitmaps, descriptors, data."""
    bits = bytearray(2 * PAGE)
    for pfn in pages:
        bits[pfn >> 3] |= 1 << (pfn & 7)
    head = bytearray(2 * PAGE)
    head[:8] = b"KDUMP   "
    struct.pack_into("<IiiII", head, 424, 1, PAGE, 1, 4, PAGES)
    table, body = b"", b""
    start = len(head) + 2 * len(bits) + 24 * len(pages)
    for pfn in sorted(pages):
        packed = zlib.compress(pages[pfn])
        flags = 1 if len(packed) < PAGE else 0
        data = packed if flags else pages[pfn]
        table += struct.pack("<QIIQ", start + len(body), len(data), flags, 0)
        body += data
    return bytes(head) + bytes(bits) * 2 + table + body


def flattened(raw: bytes, piece: int) -> bytes:
    """The same as a stream of records, not in order."""
    parts = [(at, raw[at : at + piece]) for at in range(0, len(raw), piece)]
    head = b"makedumpfile\0\0\0\0" + struct.pack(">qq", 1, 1)
    records = (struct.pack(">qq", at, len(part)) + part for at, part in reversed(parts))
    return head.ljust(PAGE, b"\0") + b"".join(records) + struct.pack(">qq", -1, -1)


PFNS = st.sampled_from([0, 1, 7, 8, 4095, PAGES // 2 - 1, PAGES // 2, PAGES - 1])
CONTENT = st.one_of(
    st.integers(0, 255).map(lambda value: bytes([value]) * PAGE),
    st.randoms(use_true_random=False).map(lambda rng: rng.randbytes(PAGE)),
)


@settings(max_examples=examples(40))
@given(st.dictionaries(PFNS, CONTENT), st.sampled_from([0, 1000, 5000]))
def test_pages_come_back_and_holes_are_faults(
    tmp_path_factory: pytest.TempPathFactory, pages: dict[int, bytes], piece: int
) -> None:
    """Plain or flattened, compressible or not."""
    path = tmp_path_factory.mktemp("dump") / "vmcore"
    raw = kdump(pages)
    path.write_bytes(flattened(raw, piece) if piece else raw)
    dump = KdumpFile(path)
    assert dump.end == PAGES * PAGE
    for pfn in (0, 1, 2, 7, 8, 4095, PAGES // 2 - 1, PAGES // 2, PAGES - 1):
        if pfn in pages:
            assert dump.read(pfn * PAGE, PAGE) == pages[pfn]
            assert dump.read(pfn * PAGE + 9, 30) == pages[pfn][9:39]
            assert dump.look(pfn * PAGE, PAGE) == pages[pfn]
        else:
            with pytest.raises(FaultError):
                dump.read(pfn * PAGE, 8)
            assert dump.look(pfn * PAGE, PAGE) is None


def test_reads_cross_pages(tmp_path: Path) -> None:
    """A read over a border takes from both, and faults if the second is missing."""
    path = tmp_path / "vmcore"
    path.write_bytes(kdump({4: b"a" * PAGE, 5: b"b" * PAGE}))
    dump = KdumpFile(path)
    assert dump.read(5 * PAGE - 2, 4) == b"aabb"
    with pytest.raises(FaultError):
        dump.read(6 * PAGE - 2, 4)
    assert dump.look(5 * PAGE, 2 * PAGE) == b"b" * PAGE + bytes(PAGE)


@pytest.mark.parametrize("keep", [0, 100, 5000, 9000, 30000, -3])
@pytest.mark.parametrize("piece", [0, 1000])
def test_a_cut_off_dump_is_one_line(tmp_path: Path, keep: int, piece: int) -> None:
    """Wherever it ends, and whole but without a kernel: no traceback."""
    raw = kdump({1: b"x" * PAGE, 3: b"y" * PAGE})
    path = tmp_path / "vmcore"
    path.write_bytes((flattened(raw, piece) if piece else raw)[:keep])
    with pytest.raises(InputFormatError) as caught:
        open_vmcore(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
