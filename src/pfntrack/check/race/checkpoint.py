"""Checkpoints of a search for races: how far it has come, in a few lines of JSON.

The search takes its pairs in an order that does not change, so the number of pairs is a
place. Findings are kept as numbers of pairs and made again. A checkpoint is refused if
the model, the bounds, the operations or the depth differ.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO

import attrs

from pfntrack.check.race.search import Coverage, Progress, Search
from pfntrack.check.search.checkpoint import about, compare
from pfntrack.edges.files import open_input, reason, replace
from pfntrack.edges.text import brief
from pfntrack.errors import InputFormatError

FORMAT = "pfntrack.concurrent-checkpoint/1"
_LARGEST = 1 << 16


def _header(search: Search) -> dict[str, str]:
    """What must be alike in two searches for one to go on where the other stopped."""
    return {
        "format": FORMAT,
        **about(search.setting),
        "design": search.setting.release.design.name,
        "depth": str(search.depth),
    }


def save(search: Search, path: Path) -> None:
    """Write a checkpoint; the old one stays until the new one is complete."""
    at = search.progress
    told = {**_header(search), "coverage": attrs.asdict(at.coverage), "shown": dict(at.shown)}

    def write(file: BinaryIO) -> None:
        file.write(json.dumps(told, indent=1).encode() + b"\n")

    replace(path, write)


def resume(search: Search, path: Path) -> None:
    """Bring a new search to where the saved one was.

    Raises InputFormatError if the file is no checkpoint of this search.
    """
    name = brief(str(path))
    try:
        with open_input(path, "a checkpoint") as file:
            text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise ValueError("it is too long")
        told: Any = json.loads(text)
        if not isinstance(told, dict) or told.get("format") != FORMAT:
            raise ValueError("its header is not that of a checkpoint")
        coverage = {key: _count(value) for key, value in told["coverage"].items()}
        shown = [(str(key), _count(value)) for key, value in told["shown"].items()]
        progress = Progress(Coverage(**coverage), tuple(shown))
    except OSError as error:
        raise InputFormatError(f"{name}: {reason(error)}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputFormatError(f"{name}: not a checkpoint, or a damaged one ({error})") from None
    compare(_header(search), told, path)
    search.progress = progress


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise ValueError("a number of it is none")
    return value
