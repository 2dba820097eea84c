"""Reading trace files, with one clear line for whatever is wrong in them.

A trace (format 1) is one JSON object: `kernel`, `machine`, `scenario`,
`baseline`, `steps`, `end`. Only the fields that a comparison needs are
checked; unknown ones are kept.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

from pfntrack.errors import InputFormatError

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


def load_trace(path: Path) -> Trace:
    """Read one trace; InputFormatError names file, line or field."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputFormatError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputFormatError(f"{path}: byte {error.start}: expected UTF-8 text") from error
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputFormatError(f"{path}: {where}: expected JSON: {error.msg}") from error
    except RecursionError as error:
        raise InputFormatError(f"{path}: expected a trace, found endless nesting") from error
    field = Field(str(path), "", data)
    if field["format"].value != 1:
        raise InputFormatError(f"{path}: format: expected 1, found {field['format'].value!r}")
    trace = Trace(
        str(path),
        field["kernel"]["series"].of(str),
        field["scenario"]["name"].of(str),
        field["machine"].of(dict),
        field["baseline"].of(list),
        field["steps"].of(list),
        field["end"].of(dict),
    )
    for bar in field["machine"]["bars"].of(dict):
        window = field["machine"]["bars"][bar]
        window["base"].of(int)
        window["pages"].of(int)
    for number, entry in enumerate(trace.baseline):
        _entry(field["baseline"][number], entry)
    for number in range(len(trace.steps)):
        step = field["steps"][number]
        step["op"]["op"].of(str)
        step["result"]["ret"].of(int)
        step["memtype"].of(list)
        step["procs"].of(dict)
        step["events"].of(list)
    return trace


@attrs.frozen
class Field:
    """A value in the file and the way to it."""

    file: str
    name: str
    value: Any

    def __getitem__(self, key: str | int) -> Field:
        name = f"{self.name}[{key}]" if isinstance(key, int) else f"{self.name}.{key}".lstrip(".")
        if isinstance(key, str) and not isinstance(self.value, dict):
            raise InputFormatError(f"{self.file}: {self.name or 'file'}: expected an object")
        try:
            return Field(self.file, name, self.value[key])
        except (KeyError, IndexError, TypeError):
            raise InputFormatError(
                f"{self.file}: {name}: expected a value, it is missing"
            ) from None

    def of(self, kind: type) -> Any:
        """The value, which must be of `kind`."""
        if not isinstance(self.value, kind) or (kind is int and isinstance(self.value, bool)):
            names = {int: "a number", str: "a string", list: "an array", dict: "an object"}
            raise InputFormatError(f"{self.file}: {self.name}: expected {names[kind]}")
        return self.value


def _entry(field: Field, entry: object) -> None:
    if not isinstance(entry, list) or len(entry) not in (3, 4):
        raise InputFormatError(
            f"{field.file}: {field.name}: expected [bar, first, end, type] or [start, end, type]"
        )
