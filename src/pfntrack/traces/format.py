"""The shape of format 1: what each field of a trace must be.

Shapes are Python types, `[shape]` for arrays, and dicts of field name to shape
for objects; a `?` marks a field that may be missing, `*` stands for any name.
Fields that are not listed are left alone.
"""

from __future__ import annotations

from typing import Any

import attrs

from pfntrack.errors import InputFormatError
from pfntrack.pat.cachemode import BY_SHORT

Shape = Any


def cache(value: object) -> bool:
    """A memory type by its short name."""
    return isinstance(value, str) and value in BY_SHORT


def address(value: object) -> bool:
    """A hexadecimal address."""
    try:
        return isinstance(value, str) and int(value, 16) >= 0
    except ValueError:
        return False


def entry(value: object) -> bool:
    """A reservation: `[bar, first, end, type]` or `[start, end, type]`."""
    match value:
        case [str(), int(), int(), kind] | [_, _, kind] if not cache(kind):
            return False
        case [str(), int(), int(), _]:
            return True
        case [start, end, _]:
            return address(start) and address(end)
        case _:
            return False


def permissions(value: object) -> bool:
    """A subset of the letters rwx, or `-`."""
    return isinstance(value, str) and set(value) <= set("rwx-")


def number(value: object) -> bool:
    """A whole number that is not negative."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def flag(value: object) -> bool:
    """True or false, or 0 or 1."""
    return isinstance(value, bool) or value in (0, 1)


_EXPECTED = {
    int: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
    bool: "true or false",
    cache: f"one of {', '.join(BY_SHORT)}",
    address: "a hexadecimal address such as 0xfe000000",
    entry: "[bar, first, end, type] or [start, end, type]",
    permissions: "letters of rwx, or -",
    number: "a number from 0 up",
    flag: "true or false",
}

_OP = {
    "op": str,
    "p?": str,
    "child?": str,
    "bar?": str,
    "target?": str,
    "what?": str,
    "mode?": str,
    "advice?": str,
    "share?": str,
    "flags?": str,
    "sym?": str,
    "name?": str,
    "text?": str,
    "path?": str,
    "prot?": permissions,
    "cache?": cache,
    "at?": number,
    "pages?": number,
    "fd?": number,
    "fds?": [number],
    "first?": number,
    "old?": number,
    "new?": number,
    "nth?": number,
    "even_cows?": flag,
    "wc?": flag,
    "sync?": flag,
    "on?": flag,
}
_VMA = {
    "at": number,
    "pages": number,
    "perm?": str,
    "file?": str,
    "tracked?": bool,
    "prot_cache?": str,
    "vmflags?": str,
    "ctx?": {"id": int, "pages": number, "refs": number},
    "ptes?": [{"at": number, "n": number, "cache": str, "w": flag}],
}
_STEP = {
    "op": _OP,
    "result": {"ret": int, "err?": str, "signal?": str},
    "memtype": [entry],
    "baseline_missing?": [entry],
    "procs": {"*": {"vmas": [_VMA]}},
    "events": [{"ev": str, "stack?": [str]}],
    "calls?": [{"fn": str}],
    "dmesg?": [str],
}
TRACE = {
    "kernel": {"series": str},
    "machine": {
        "bars": {
            "*": {"base": number, "pages": number, "flags?": address, "bdf?": str, "n?": number}
        },
        "qemu?": [str],
    },
    "scenario": {"name": str},
    "baseline": [entry],
    "steps": [_STEP],
    "end": {"leaked?": [entry]},
}


@attrs.frozen
class Place:
    """A value in a file and the way to it."""

    file: str
    name: str
    value: Any

    def wrong(self, expected: str) -> InputFormatError:
        """The error that this value deserves."""
        return InputFormatError(f"{self.file}: {self.name or 'file'}: expected {expected}")

    def inside(self, key: str | int) -> Place:
        """The value at `key`."""
        name = f"{self.name}[{key}]" if isinstance(key, int) else f"{self.name}.{key}".lstrip(".")
        return Place(self.file, name, self.value[key])


def check(place: Place, shape: Shape) -> None:
    """Raises InputFormatError if the value is not of that shape."""
    value = place.value
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise place.wrong("an object")
        _check_fields(place, shape)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise place.wrong("an array")
        for at in range(len(value)):
            check(place.inside(at), shape[0])
    elif isinstance(shape, type):
        if not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
            raise place.wrong(_EXPECTED[shape])
    elif not shape(value):
        raise place.wrong(_EXPECTED[shape])


def _check_fields(place: Place, shape: dict[str, Shape]) -> None:
    for key, inner in shape.items():
        name = key.removesuffix("?")
        if name == "*":
            for each in place.value:
                check(place.inside(each), inner)
        elif name in place.value:
            check(place.inside(name), inner)
        elif not key.endswith("?"):
            missing = Place(place.file, f"{place.name}.{name}".lstrip("."), None)
            raise missing.wrong("a value, it is missing")
