"""The first bytes of an input: packed files unpacked, and what holds no text refused.

A rotated log is usually gzip, xz, bzip2 or zstd. A file that could not be read must
never look like a healthy one, so empty and binary input is an error of the input.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import subprocess
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol, cast

from pfntrack.errors import InputFormatError

HEAD = 64 << 10
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
_OPENERS: dict[str, Callable[[BinaryIO], BinaryIO]] = {
    "gzip": lambda raw: cast("BinaryIO", gzip.GzipFile(fileobj=raw)),
    "xz": lambda raw: cast("BinaryIO", lzma.LZMAFile(raw)),  # noqa: SIM115
    "bzip2": lambda raw: cast("BinaryIO", bz2.BZ2File(raw)),
}
_TEXT_BOMS = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")
# Control characters that no log and no terminal recording contains in number.
_CONTROL = bytes(set(range(32)) - {0, 7, 8, 9, 10, 11, 12, 13, 27}) + b"\x7f"


class Readable(Protocol):
    """Anything with a binary read()."""

    def read(self, size: int, /) -> bytes: ...


class Text:
    """A stream of log text: unpacked, its beginning looked at, refused if it is none.

    Raises InputFormatError: empty, binary, damaged, or packed in a way that cannot be read.
    """

    def __init__(self, stream: Readable, name: str) -> None:
        self._name = name
        self._stream = stream
        self._head = b""
        head = self.read(HEAD)
        for magic, kind in _MAGIC:
            if head.startswith(magic):
                whole = _Chained(head, stream)
                self._stream = _Chained(b"", _unpacked(whole, kind, name))
                head = self.read(HEAD)
                break
        if not head.strip(b"\0 \t\r\n"):
            raise InputFormatError(f"{name}: empty: expected a kernel log or a bug report")
        if is_binary(head):
            raise InputFormatError(f"{name}: binary data: expected text, plain, gzip, xz or zstd")
        self._head = head

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes (or the head that was looked at); empty at the end."""
        if self._head:
            head, self._head = self._head, b""
            return head
        try:
            return self._stream.read(size)
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            raise InputFormatError(f"{self._name}: damaged: {error}: expected a log") from None


class _Chained(io.RawIOBase):
    """The bytes already read, then the rest of the stream, as the unpackers want it."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        super().__init__()
        self._rest = head
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            parts = [self._rest]
            self._rest = b""
            while part := self._stream.read(1 << 20):
                parts.append(part)
            return b"".join(parts)
        if not self._rest:
            self._rest = self._stream.read(max(size, HEAD))
        part, self._rest = self._rest[:size], self._rest[size:]
        return part


def _unpacked(raw: _Chained, kind: str, name: str) -> Readable:
    if kind != "zstd":
        return _OPENERS[kind](cast("BinaryIO", raw))
    zstd = shutil.which("zstd")
    if zstd is None:
        raise InputFormatError(f"{name}: zstd data: expected the program zstd to be installed")
    command = [zstd, "-dcq"]
    done = subprocess.run(command, input=raw.read(), capture_output=True, check=False)  # noqa: S603
    if done.returncode != 0 and not done.stdout:
        raise InputFormatError(f"{name}: damaged zstd data: expected a log")
    return io.BytesIO(done.stdout)


def is_binary(head: bytes) -> bool:
    """Whether the beginning of an input is no text: many control characters or NULs."""
    if head.startswith(_TEXT_BOMS) or _utf16(head):
        return False
    # Serial consoles and crashes leave runs of NULs in real logs; what counts is the rest.
    kept = head.replace(b"\0", b"")
    if len(kept) < len(head) // 4 or head.startswith(b"\x7fELF"):
        return True
    bad = len(kept) - len(kept.translate(None, _CONTROL))
    if bad * 50 > len(kept):
        return True
    try:
        kept.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start >= len(kept) - 4:
            return False
        high = len(kept) - len(kept.translate(None, bytes(range(128, 256))))
        return high * 4 > len(kept) or (b"\n" not in kept[:4096] and bad > 0)
    return False


def _utf16(head: bytes) -> bool:
    """UTF-16 of mostly ASCII text: every second byte is zero."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    part = head[:2000]
    low, high = part[0::2].count(0), part[1::2].count(0)
    # One half of the bytes is zero, the other is the text.
    return len(part) > 20 and max(low, high) * 10 > len(part) * 4 and min(low, high) < 9
