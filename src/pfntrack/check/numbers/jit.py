"""Compilation of the search kernel: once per machine, kept on disk, announced.

Numba keeps machine code by the file of each function, and would not notice a
change in a function of another file that was compiled in. So the code lives in
a folder named by a hash of all files of the kernel.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
F = TypeVar("F", bound=Callable[..., Any])

# The modules that hold compiled functions.
KERNEL = ("hashing", "words", "tabulated", "visited", "zapping", "successors")


def _folder() -> Path:
    """Where machine code of this version of the kernel is kept."""
    total = hashlib.sha256(numba.__version__.encode())
    for name in (*KERNEL, "jit"):
        total.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pfntrack" / f"kernel-{total.hexdigest()[:16]}"


if not os.environ.get("NUMBA_CACHE_DIR"):
    numba.config.CACHE_DIR = str(_folder())  # type: ignore[attr-defined]


def compiled(function: F) -> F:
    """`function` as machine code; it releases the interpreter while it runs.

    It makes no arrays, so it need not count references to them, which costs
    more than all else and sets the threads against each other.
    """
    return cast("F", numba.njit(**_OPTIONS)(function))


def is_cached() -> bool:
    """Has the kernel been compiled before, so that it only has to be loaded?"""
    place = Path(numba.config.CACHE_DIR)  # type: ignore[attr-defined]
    version = f"py{sys.version_info.major}{sys.version_info.minor}"
    return place.is_dir() and any(place.rglob(f"successors.expand-*.{version}.*nbi"))
