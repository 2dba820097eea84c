"""Checkpoints: a search can be killed at any time and taken up again.

A checkpoint holds the states, how far the search has come, and the list of
what the model was asked, in order: asking it again gives the same tables. It
is refused if the model, the bounds or anything else that the result depends
on differs.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path

import attrs
import numpy as np

import pfntrack
from pfntrack.check.numbers.visited import refill
from pfntrack.check.search.explore import Progress, Search
from pfntrack.errors import InputFormatError

FORMAT = "pfntrack.checkpoint/1"
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


def header(search: Search) -> dict[str, str]:
    """What must be alike in two searches for one to go on where the other stopped."""
    setting = search.setting
    return {
        "format": FORMAT,
        "model": model_hash(),
        "release": setting.release.name,
        "bounds": str(setting.bounds),
        "operations": ",".join(setting.ordered),
        "properties": ",".join(sorted(search.watched)),
        "symmetry": str(search.symmetric),
        "states kept": "hashes" if search.states.hashed else "exact",
    }


def save(search: Search, path: Path) -> None:
    """Write a checkpoint; the old one stays until the new one is complete."""
    states, count = search.states, search.states.count
    told = header(search) | {"progress": json.dumps(attrs.asdict(search.progress))}
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        np.savez(
            file,
            header=np.frombuffer(json.dumps(told).encode(), np.uint8),
            keys=states.keys[states.keys[:, 0] != 0],
            word0=states.word0[: count - states.first],
            word1=states.word1[: count - states.first],
            parent=states.parent[:count],
            move=states.move[:count],
            log=np.array(search.filling.log, np.int64).reshape(-1, 6),
        )
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def resume(search: Search, path: Path) -> None:
    """Bring a new search to where the saved one was.

    Raises InputFormatError if the file is no checkpoint of this search.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
        told = json.loads(arrays["header"].tobytes().decode())
        _compare(header(search), told, path)
        progress = Progress(**json.loads(told["progress"]))
        _restore(search, arrays, progress)
    except OSError as error:
        raise InputFormatError(f"{path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise InputFormatError(f"{path}: not a checkpoint, or a damaged one ({error})") from None


def _compare(mine: dict[str, str], told: dict[str, str], path: Path) -> None:
    for name, value in mine.items():
        if told.get(name) != value:
            what = "the model has changed" if name == "model" else f"its {name} differ"
            raise InputFormatError(f"{path}: the checkpoint is of another search: {what}")


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
