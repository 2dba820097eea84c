"""Compares two traces of one program, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

FIELDS = ("op", "result", "memtype", "baseline_missing", "procs", "events", "calls")
"""What a rerun must give again; the raw log holds process ids and is not compared."""


@attrs.frozen(slots=True)
class Difference:
    """One field of one step that differs."""

    step: int
    path: str
    expected: Any
    got: Any

    def __str__(self) -> str:
        return f"step {self.step}: {self.path}: expected {self.expected!r}, got {self.got!r}"


def _neutral_events(events: Any) -> Any:
    """Events without what differs between builds of one kernel.

    A probe's trampoline can add a stray function to a call chain, and a
    function may be inlined or not: so a warning is compared by its file only.
    """
    return [
        {"ev": e["ev"], "file": e.get("file")} if e.get("ev") in ("warn", "oops") else e
        for e in events
    ]


def _walk(path: str, expected: Any, got: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        for key in sorted({*expected, *got}):
            if key not in expected or key not in got:
                yield f"{path}.{key}", expected.get(key), got.get(key)
            else:
                yield from _walk(f"{path}.{key}", expected[key], got[key])
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for i, (one, other) in enumerate(zip(expected, got, strict=True)):
            yield from _walk(f"{path}[{i}]", one, other)
    elif expected != got:
        yield path, expected, got


def differences(
    expected: Mapping[str, Any],
    got: Mapping[str, Any],
    *,
    fields: tuple[str, ...] = FIELDS,
    exact_warnings: bool = False,
) -> Iterator[Difference]:
    """Every difference of two traces, in the order of the steps."""
    for index, (one, other) in enumerate(zip(expected["steps"], got["steps"], strict=False)):
        for field in fields:
            a, b = one.get(field), other.get(field)
            if field == "events" and not exact_warnings:
                a, b = _neutral_events(a), _neutral_events(b)
            for path, x, y in _walk(field, a, b):
                yield Difference(index, path, x, y)
    if len(expected["steps"]) != len(got["steps"]):
        yield Difference(-1, "steps", len(expected["steps"]), len(got["steps"]))
    if expected["end"] != got["end"]:
        yield Difference(-1, "end", expected["end"], got["end"])
