"""Reading trace files, with one clear line for whatever is wrong in them.

A trace (format 1) is one JSON object: `kernel`, `machine`, `scenario`,
`baseline`, `steps`, `end`. `format.py` has the shape; fields it does not know
are kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from pfntrack.edges import documents, files
from pfntrack.edges.text import brief
from pfntrack.errors import InputFormatError
from pfntrack.traces.format import TRACE, Place, check

Json = dict[str, Any]


@attrs.frozen
class Trace:
    """One recorded scenario on one kernel."""

    path: str
    series: str
    name: str
    machine: Json
    baseline: list[list[Any]]
    steps: list[Json]
    end: Json


class ForeignFileError(InputFormatError):
    """A file that is no trace of format 1, rather than a damaged one."""


def load_trace(path: Path) -> Trace:
    """Read one trace.

    Raises InputFormatError, naming file, line or field; ForeignFileError if it does not
    even claim to be one.
    """
    try:
        data = documents.load(files.read_text(path, "a trace"), brief(str(path)))
        place = Place(str(path), "", data)
        check(place, {"format": int})
        if data["format"] != 1:
            raise place.inside("format").wrong(f"1, found {data['format']!r}")
    except InputFormatError as error:
        raise ForeignFileError(str(error)) from None
    check(place, TRACE)
    return Trace(
        str(path),
        data["kernel"]["series"],
        data["scenario"]["name"],
        data["machine"],
        data["baseline"],
        data["steps"],
        data["end"],
    )
