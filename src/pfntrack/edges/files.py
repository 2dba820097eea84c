"""Files from outside and files of ours.

Reading: whatever a name leads to, it ends in bytes of bounded size or in one line that says
what is wrong. Writing: aside, and renamed when complete, so that a full disk or a kill keeps
what was there; what pfntrack did not make is not overwritten.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from pfntrack.edges.text import brief
from pfntrack.errors import InputFormatError

# No text or document that makes sense is larger.
MAX_BYTES = 512 << 20
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# What the shell's <(...) and /dev/stdin look like.
_HANDED = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")
# A file with one of these near its beginning was written by pfntrack.
MARKS = (b"pfntrack",)
_HEAD = 1 << 16


def is_file(name: str | Path) -> bool:
    """Is there a file of that name? Names that no file can have are none."""
    return os.path.isfile(name)  # noqa: PTH113 - Path.is_file raises for long names


def is_folder(name: str | Path) -> bool:
    """The same for a directory."""
    return os.path.isdir(name)  # noqa: PTH112


def exists(name: str | Path) -> bool:
    """The same for anything, even a link that leads nowhere."""
    return os.path.lexists(name)


def reason(error: OSError | ValueError) -> str:
    """Why the system refused, in few words."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "no file can have this name"


def open_input(path: str | Path, expected: str = "a readable file") -> BinaryIO:
    """A regular file, or a pipe that the shell hands over, open for reading.

    Raises InputFormatError: there is none. It never waits for somebody to write.
    """
    name = brief(str(path))
    handed = str(path).startswith(_HANDED)
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (0 if handed else os.O_NONBLOCK))
    except (OSError, ValueError) as error:
        raise InputFormatError(f"{name}: {reason(error)}: expected {expected}") from None
    mode = os.fstat(number).st_mode
    if stat.S_ISREG(mode) or (handed and not stat.S_ISDIR(mode)):
        return os.fdopen(number, "rb")
    os.close(number)
    found = next((word for test, word in _KINDS if test(mode)), "no file")
    raise InputFormatError(f"{name}: {found}: expected {expected}")


def read_bytes(
    path: str | Path, expected: str = "a readable file", limit: int = MAX_BYTES
) -> bytes:
    """The whole of a file.

    Raises InputFormatError: it cannot be read, or is larger than `limit` bytes.
    """
    with open_input(path, expected) as stream:
        return read_stream(stream, brief(str(path)), limit)


def read_stream(
    stream: BinaryIO, name: str, limit: int = MAX_BYTES, *, whole: bool = True
) -> bytes:
    """The rest of an open stream, within the same bounds; `name` begins the message.

    Unless `whole`, it may be cut at the limit.
    """
    try:
        raw = stream.read(limit + 1)
    except OSError as error:
        raise InputFormatError(f"{name}: {reason(error)}") from None
    if len(raw) > limit and whole:
        raise InputFormatError(f"{name}: larger than {limit >> 20} MiB")
    return raw[:limit]


def read_text(path: str | Path, expected: str = "a text file", limit: int = MAX_BYTES) -> str:
    """The text of a file in UTF-8.

    Raises InputFormatError: as `read_bytes`, or it is not UTF-8.
    """
    return decoded(read_bytes(path, expected, limit), brief(str(path)))


def decoded(raw: bytes, name: str) -> str:
    """Bytes as text in UTF-8, without the mark that some editors put first."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputFormatError(f"{name}: byte {error.start}: expected UTF-8 text") from None


def standard_input() -> BinaryIO:
    """Standard input as bytes; InputFormatError if it is closed."""
    if sys.stdin is None:
        raise InputFormatError("standard input is closed: expected input there, or a file's name")
    return sys.stdin.buffer


def write_text(path: Path, text: str, *, ours: bool = False) -> None:
    """A result in a file, in a folder that is there; the file is complete, or as it was.

    With `ours` the file is known to be ours to change. Raises InputFormatError: it cannot be
    written, or holds what pfntrack did not make.
    """
    if not ours:
        may_replace(path)
    replace(path, lambda stream: stream.write(text.encode("utf-8", "backslashreplace")))


def may_replace(path: Path) -> None:
    """Is what stands there ours, or nothing?

    Otherwise people are asked; programs get InputFormatError.
    """
    name = brief(str(path))
    if not is_file(path):
        if is_folder(path):
            raise InputFormatError(f"{name}: a directory: expected the name of a file")
        return
    head = _head(path)
    if not head or any(mark in head for mark in MARKS):
        return
    question = f"{name} exists, and pfntrack did not make it"
    if sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None:
        sys.stderr.write(f"pfntrack: {question}. Overwrite it? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
    raise InputFormatError(f"{question}: expected another name, or no such file")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD)
    except OSError as error:
        raise InputFormatError(f"{brief(str(path))}: {reason(error)}") from None


def replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """What `write` writes becomes the file, at once; nothing changes if it fails.

    What is not a regular file (/dev/stdout, a pipe) is written to as it is. A link stays, and
    the file that it leads to is replaced. Raises InputFormatError.
    """
    name = brief(str(path))
    try:
        if exists(path) and not is_file(path):
            with path.open("wb") as stream:
                write(stream)
            return
        target = Path(os.path.realpath(path))
        number, aside = tempfile.mkstemp(prefix=".pfntrack-", dir=target.parent)
        try:
            with os.fdopen(number, "wb") as stream:
                write(stream)
                stream.flush()
                os.fchmod(number, _mode(target))
                os.fsync(number)
            Path(aside).replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(aside).unlink()
            raise
    except (OSError, ValueError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        if isinstance(error, OSError) and error.errno == errno.ENOENT:
            where = brief(str(path.parent))
            raise InputFormatError(f"{name}: there is no folder {where}") from None
        raise InputFormatError(f"{name}: {reason(error)}: not written") from None


def _mode(target: Path) -> int:
    """The permissions that the file has, or would have been made with."""
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def make_folder(path: Path) -> None:
    """The folder that an option names for several files.

    Raises InputFormatError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise InputFormatError(f"{brief(str(path))}: {reason(error)}") from None
