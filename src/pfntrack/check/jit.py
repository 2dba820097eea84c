"""Compilation of the search kernel: once per machine, kept on disk, announced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

_compiled: list[Any] = []


def compiled(function: F) -> F:
    """`function` as machine code; it releases the interpreter while it runs."""
    made = numba.njit(cache=True, nogil=True)(function)
    _compiled.append(made)
    return cast("F", made)


def is_cached() -> bool:
    """Has the kernel been compiled before, so that it only has to be loaded?"""
    places = {Path(each.stats.cache_path) for each in _compiled if each.stats.cache_path}
    return any(place.is_dir() and any(place.glob("kernels.*.nbi")) for place in places)
