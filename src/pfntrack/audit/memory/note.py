"""VMCOREINFO, found by looking for it: what the kernel says about itself to dump readers.

A dump that QEMU makes without its `vmcoreinfo` device lacks the note, and a
running guest offers none; the kernel keeps a copy in a page of its own.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

_HEAD = b"VMCOREINFO\0\0OSRELEASE="
_NAME_SIZE = len("VMCOREINFO\0\0")
_MAX_NOTE = 1 << 16
_CHUNK = 1 << 20
_LINE = re.compile(r"^([A-Za-z0-9_().-]+)=(\S*)$", re.MULTILINE)


def fields(note: bytes) -> dict[str, str]:
    """The `KEY=VALUE` lines of a note."""
    return dict(_LINE.findall(note.decode("ascii", "replace")))


def in_bytes(data: bytes | mmap.mmap) -> Iterator[bytes]:
    """Every note in `data`, by the header of an ELF note that stands before it."""
    at = data.find(_HEAD)
    while at >= 0:
        size = int.from_bytes(data[max(0, at - 8) : max(0, at - 4)], "little")
        note = data[at + _NAME_SIZE : at + _NAME_SIZE + size]
        if at >= 12 and 0 < size <= _MAX_NOTE and len(note) == size and b"SYMBOL(" in note:
            yield bytes(note)
        at = data.find(_HEAD, at + 1)


def in_file(path: Path) -> list[bytes]:
    """The different notes in a file; raises OSError."""
    with path.open("rb") as stream:
        if stream.seek(0, 2) == 0:
            return []
        with mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as data:
            return list(dict.fromkeys(in_bytes(data)))


def in_memory(
    ranges: Iterable[tuple[int, int]], read: Callable[[int, int], bytes | None]
) -> list[bytes]:
    """The same in physical memory; `read` returns None for what cannot be read."""
    found: dict[bytes, None] = {}
    for start, end in ranges:
        for at in range(start, end, _CHUNK):
            # A note lies in one page, so it crosses chunks only if one begins inside a page.
            data = read(at, min(_CHUNK, end - at))
            if data is not None:
                found.update(dict.fromkeys(in_bytes(data)))
    return list(found)
