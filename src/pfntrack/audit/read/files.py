"""Reading the files of a snapshot: bounded, decoded, with errors that name the file."""

from __future__ import annotations

from pathlib import Path

from pfntrack.edges import files
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
    if path.is_symlink():
        raise InputFormatError(f"{shown(path)}: a link: expected a file of the snapshot itself")
    if not files.exists(path):
        return None
    raw = files.read_bytes(path, limit=MAX_FILE)
    return raw.decode("utf-8", "replace").replace("\r\n", "\n")


def folders(path: Path) -> list[Path]:
    """Entries of a directory in the order of their names, numbers by value."""
    if not path.is_dir():
        return []
    try:
        found = list(path.iterdir())
        for each in (path, *found):
            if each.is_symlink():
                raise InputFormatError(f"{shown(each)}: a link: expected a part of the snapshot")
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputFormatError(f"{shown(path)}: {reason}: expected a directory") from None
    return sorted(found, key=lambda p: (len(p.name), p.name))
