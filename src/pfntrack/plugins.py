"""Designs, releases and drivers of other packages, by entry points.

A package that declares an entry point of one of the groups `pfntrack.designs`,
`pfntrack.releases` and `pfntrack.drivers` is used by every command, without a change here.
Most installations have none, and finding that out must cost nothing: the names of groups
are looked for in the files of packages before anything is loaded.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import TypeVar

from pfntrack.edges.text import one_line

T = TypeVar("T")
_MARK = b"[pfntrack."
_FILE = "entry_points.txt"
_MOST = 1 << 20


def load(group: str, kind: type[T], known: Callable[[str], bool]) -> dict[str, T]:
    """What installed packages offer in `group`, by name; classes are called for an instance.

    An offer that cannot be loaded, is not of `kind` or has the name of something `known` is
    told on standard error and left out: no package can keep the others from working.
    """
    found: dict[str, T] = {}
    if not _any():
        return found
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow, and seldom needed

    for entry in sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value)):
        try:
            offer = entry.load()
            offer = offer() if isinstance(offer, type) else offer
        except Exception as error:
            _told(group, entry.name, f"{type(error).__name__}: {error}")
            continue
        if not isinstance(offer, kind):
            _told(group, entry.name, f"expected a {kind.__name__}, found {type(offer).__name__}")
        elif known(entry.name) or entry.name in found:
            _told(group, entry.name, "there is one of this name already")
        else:
            found[entry.name] = offer
    return found


def _told(group: str, name: str, why: str) -> None:
    text = one_line(f"pfntrack: plug-in {name} of {group} is left out: {why}")
    print(text, file=sys.stderr)  # noqa: T201


@functools.cache
def _any() -> bool:
    """Does any package on the path declare an entry point of ours?"""
    return any(_declares(folder) for folder in dict.fromkeys(sys.path) if folder)


def _declares(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            packages = [e.path for e in entries if e.name.endswith((".dist-info", ".egg-info"))]
    except OSError:
        return False
    return any(_mentions(package) for package in packages)


def _mentions(package: str) -> bool:
    try:
        with open(os.path.join(package, _FILE), "rb") as file:  # noqa: PTH118, PTH123 - hundreds
            return _MARK in file.read(_MOST)
    except OSError:
        return False
