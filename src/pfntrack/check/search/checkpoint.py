"""Checkpoints: a search can be killed at any time and taken up again.

A checkpoint holds the states, how far the search has come, and the list of
what the model was asked, in order: asking it again gives the same tables. It
is refused if the model, the bounds or anything else that the result depends
on differs.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import attrs
import numpy as np

import pfntrack
from pfntrack.check.numbers.visited import refill
from pfntrack.check.search.explore import Progress, Search
from pfntrack.check.search.setting import Setting
from pfntrack.edges.files import open_input, reason, replace
from pfntrack.edges.text import brief
from pfntrack.errors import InputFormatError

FORMAT = "pfntrack.checkpoint/1"
_LOG = 6
_MODEL = ("pat", "mm", "drivers", "designs", "releases", "state", "check")


def model_hash() -> str:
    """A hash of the sources that a result depends on."""
    total = hashlib.sha256()
    root = Path(pfntrack.__file__).parent
    for part in _MODEL:
        for file in sorted((root / part).rglob("*.py")):
            total.update(str(file.relative_to(root)).encode() + b"\0")
            total.update(file.read_bytes() + b"\0")
    return total.hexdigest()


def about(setting: Setting) -> dict[str, str]:
    """What must be alike in two searches of any kind for one to go on where the other stopped."""
    return {
        "model": model_hash(),
        "release": setting.release.name,
        "bounds": str(setting.bounds),
        "operations": ",".join(setting.ordered),
    }


def header(search: Search) -> dict[str, str]:
    """The same with what is of this search alone."""
    return {
        "format": FORMAT,
        **about(search.setting),
        "properties": ",".join(sorted(search.watched)),
        "symmetry": str(search.symmetric),
        "states kept": "hashes" if search.states.hashed else "exact",
    }


def save(search: Search, path: Path) -> None:
    """Write a checkpoint; the old one stays until the new one is complete."""
    states, count = search.states, search.states.count
    told = header(search) | {
        "progress": json.dumps(attrs.asdict(search.progress)),
        "asked": str(len(search.filling.log)),
    }

    def write(file: BinaryIO) -> None:
        np.savez(
            file,
            header=np.frombuffer(json.dumps(told).encode(), np.uint8),
            keys=states.keys[states.keys[:, 0] != 0],
            word0=states.word0[: count - states.first],
            word1=states.word1[: count - states.first],
            parent=states.parent[:count],
            move=states.move[:count],
            log=np.array(search.filling.log, np.int64).reshape(-1, _LOG),
        )

    replace(path, write)


@contextlib.contextmanager
def owned(path: Path) -> Iterator[None]:
    """Keeps other searches from the same checkpoint for as long as this one runs.

    Raises InputFormatError: another search has it.
    """
    beside = path.with_name(f".{path.name}.lock")
    try:
        lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except (OSError, ValueError) as error:
        raise InputFormatError(f"{brief(str(path))}: {reason(error)}") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = os.path.samestat(os.fstat(lock), beside.stat())
        except OSError:
            same = False
        if not same:
            name = brief(str(path))
            raise InputFormatError(f"{name}: another search writes this checkpoint") from None
        try:
            yield
        finally:
            beside.unlink(missing_ok=True)
    finally:
        os.close(lock)


def without_symmetry(path: Path) -> bool:
    """Was this checkpoint made by a search that fell back from symmetry, or did without?

    Raises InputFormatError if the file is no checkpoint.
    """
    return _loaded(path)[0].get("symmetry") == "False"


def _loaded(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Header and arrays of a checkpoint: bounded by the size of its file, of the right kinds."""
    name = brief(str(path))
    try:
        with open_input(path, "a checkpoint") as file:
            size = os.fstat(file.fileno()).st_size
            with zipfile.ZipFile(file) as parts:
                claimed = sum(part.file_size for part in parts.infolist())
            if claimed > size:
                raise ValueError("its parts are larger than the file")
            file.seek(0)
            with np.load(file, allow_pickle=False) as data:
                arrays = {key: data[key] for key in data.files}
        told = json.loads(arrays["header"].tobytes().decode())
        if not isinstance(told, dict) or told.get("format") != FORMAT:
            raise ValueError("its header is not that of a checkpoint")
        return told, arrays
    except OSError as error:
        raise InputFormatError(f"{name}: {reason(error)}") from None
    except InputFormatError:
        raise
    except _DAMAGE as error:
        raise InputFormatError(f"{name}: not a checkpoint, or a damaged one ({error})") from None


_DAMAGE = (
    *(ValueError, KeyError, TypeError, IndexError, EOFError, AttributeError, RecursionError),
    *(OverflowError, MemoryError, NotImplementedError, struct.error, zlib.error),
    zipfile.BadZipFile,
)


def _fitting(search: Search, arrays: dict[str, Any], at: Progress, asked: str) -> None:
    """Raises ValueError unless the arrays can be those of one search.

    `asked` is how often the model was asked: states hold numbers that a shorter log does not give.
    """
    states = search.states
    count, kept = len(arrays["parent"]), len(arrays["word0"])
    for name in ("word0", "word1", "parent", "move", "keys"):
        mine = getattr(states, name)
        if arrays[name].dtype != mine.dtype or arrays[name].shape[1:] != mine.shape[1:]:
            raise ValueError(f"{name} has the form of something else")
    # Words are kept of the states that are still to be looked at: none once all have been.
    if not count - at.next <= kept <= count or len(arrays["word1"]) != kept:
        raise ValueError("its arrays do not fit each other")
    if not count or len(arrays["move"]) != count:
        raise ValueError("its arrays do not fit each other")
    if len(arrays["keys"]) != count:
        raise ValueError(f"{len(arrays['keys'])} keys for {count} states")
    parents = arrays["parent"]
    if count and (int(parents.max()) >= count or int(parents.min()) < -1):
        raise ValueError("a state has no parent")
    if not 0 <= at.level <= at.next <= at.end <= count or at.depth < 0:
        raise ValueError("its progress lies outside of its states")
    log = arrays["log"]
    if log.dtype != np.int64 or log.ndim != 2 or log.shape[1] != _LOG:
        raise ValueError("its log has the form of something else")
    if str(len(log)) != asked:
        raise ValueError(f"its log has {len(log)} rows of {brief(str(asked))}")


def resume(search: Search, path: Path) -> None:
    """Bring a new search to where the saved one was.

    Raises InputFormatError if the file is no checkpoint of this search.
    """
    told, arrays = _loaded(path)
    compare(header(search), told, path)
    try:
        progress = Progress(**json.loads(told["progress"]))
        _fitting(search, arrays, progress, told["asked"])
        _restore(search, arrays, progress)
    except _DAMAGE as error:
        name = brief(str(path))
        raise InputFormatError(f"{name}: not a checkpoint, or a damaged one ({error})") from None


def compare(mine: Mapping[str, str], told: Mapping[str, Any], path: Path) -> None:
    """Raises InputFormatError unless the checkpoint is of the same search."""
    for name, value in mine.items():
        if told.get(name) != value:
            what = "the model has changed" if name == "model" else f"its {name} differ"
            raise InputFormatError(
                f"{brief(str(path))}: the checkpoint is of another search: {what}"
            )


def _restore(
    search: Search, arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.int64]]], at: Progress
) -> None:
    states = search.states
    count, kept = len(arrays["parent"]), len(arrays["word0"])
    states.count, states.first = count, count - kept
    states.reserve(0)
    for name in ("word0", "word1", "parent", "move"):
        getattr(states, name)[: len(arrays[name])] = arrays[name]
    states.keys[:] = 0
    states.reserve_keys(0)
    refill(arrays["keys"], states.keys, states.hashed, 0, len(arrays["keys"]))
    for row in arrays["log"].tolist():
        search.filling.answer(tuple(row))
    for name in ("steps", "pending", "found"):
        setattr(at, name, {key: tuple(pair) for key, pair in getattr(at, name).items()})
    search.progress = at
