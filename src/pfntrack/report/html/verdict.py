"""What a page of runs says first: which side breaks what, and at which step; and how to make it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


def verdict(runs: Sequence[Json]) -> str:
    """`6.12 breaks I2 at step 3; 7.3 and ours break nothing.`"""
    said: dict[str, list[str]] = {}
    for run in runs:
        said.setdefault(_what(run), []).append(_name(run, runs))
    parts = [f"{_and(names)} {_verb(what, len(names))}" for what, names in said.items()]
    return f"{'; '.join(parts)}."


def _what(run: Json) -> str:
    """What one side breaks, in the order of its steps; empty for nothing."""
    when: dict[str, str] = {}
    for step in run["steps"]:
        for broken in step["broken"]:
            when.setdefault(broken["property"], f"at step {step['number']}")
    for leak in run["end"]["leaks"]:
        when.setdefault(leak["property"], "at the end")
    places: dict[str, list[str]] = {}
    for name, place in when.items():
        places.setdefault(place, []).append(name)
    return ", ".join(f"{_and(names)} {place}" for place, names in places.items())


def _verb(what: str, count: int) -> str:
    return f"break{'s' if count == 1 else ''} {what or 'nothing'}"


def _name(run: Json, runs: Sequence[Json]) -> str:
    name = str(run.get("asked", run["release"]))
    alike = [other for other in runs if other.get("asked", other["release"]) == name]
    return f"{name} ({run['design']})" if len(alike) > 1 else name


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def again(runs: Sequence[Json], known: Mapping[str, Any]) -> str:
    """The command that makes the page; empty where a scenario or a side has no name for it.

    `known` holds the scenarios of the library; a file of another name is `NAME.pfn`.
    """
    name = runs[0]["scenario"]["name"]
    sides = [str(run.get("asked", run["release"])) for run in runs]
    named = all(_NAME.fullmatch(name) and re.fullmatch(r"[a-z0-9.-]+", side) for side in sides)
    if not named or any(run.get("source", "model") != "model" for run in runs):
        return ""
    word = name if name in known else f"{name}.pfn"
    words = ["pfntrack", "compare", word, "--with", ",".join(sides), "--html", "page.html"]
    return shlex.join(words)
