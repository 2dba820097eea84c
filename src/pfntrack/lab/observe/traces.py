"""Programs and traces as files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pfntrack.edges import documents, files
from pfntrack.edges.text import brief
from pfntrack.lab.play.recorder import check_program, program_of_trace


def _is_flat(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return not any(isinstance(item, (dict, list)) for item in items)


def _lines(value: Any, indent: str) -> str:
    if not isinstance(value, (dict, list)) or _is_flat(value):
        return json.dumps(value)
    deeper = indent + " "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_lines(item, deeper)}" for key, item in value.items()]
        opening, closing = "{", "}"
    else:
        parts = [_lines(item, deeper) for item in value]
        opening, closing = "[", "]"
    body = f",\n{deeper}".join(parts)
    return f"{opening}\n{deeper}{body}\n{indent}{closing}"


def dump(value: Any) -> str:
    """JSON with one line per innermost object, easy to read and to compare."""
    return _lines(value, "") + "\n"


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises InputFormatError: it cannot be read or is not JSON.
    """
    return documents.load(files.read_text(path, "JSON"), brief(str(path)))


def read_programs(path: Path) -> list[dict[str, Any]]:
    """The programs of a file: one, a list of them, or those of a trace.

    Raises InputFormatError: the file holds something else.
    """
    data = read_json(path)
    if isinstance(data, Mapping) and "scenario" in data and "format" in data:
        return [check_program(program_of_trace(data), str(path))]
    items = data if isinstance(data, list) else [data]
    return [check_program(item, str(path)) for item in items]
