"""Reading the files of a snapshot: bounded, decoded, with errors that name the file."""

from __future__ import annotations

from pathlib import Path

from pfntrack.errors import InputFormatError
from pfntrack.field.read.lines import printable

MAX_FILE = 512 << 20


def shown(path: Path) -> str:
    """The path as it may be printed."""
    return printable(str(path))


def read(path: Path) -> str | None:
    """The text of `path`, or None if there is no such file.

    Raises InputFormatError for anything else that prevents reading.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputFormatError(f"{shown(path)}: {reason}: expected a readable file") from None
    if len(raw) > MAX_FILE:
        raise InputFormatError(f"{shown(path)}: larger than {MAX_FILE >> 20} MiB")
    return raw.decode("utf-8", "replace").replace("\r\n", "\n")


def folders(path: Path) -> list[Path]:
    """Entries of a directory in the order of their names, numbers by value."""
    if not path.is_dir():
        return []
    try:
        found = list(path.iterdir())
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputFormatError(f"{shown(path)}: {reason}: expected a directory") from None
    return sorted(found, key=lambda p: (len(p.name), p.name))
