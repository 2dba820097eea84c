"""Compilation of the search kernel: once per machine, kept on disk, announced.

Numba keeps machine code by the file of each function, and would not notice a change in a
function of another file that was compiled in, nor damage. So the code lives in a folder named
by a hash of all files of the kernel, with a list of what was put there (`SEAL`): what differs from
its list is thrown away and compiled anew. Where no folder can be kept, one for this run serves.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

# The modules that hold compiled functions.
KERNEL = ("hashing", "words", "tabulated", "visited", "zapping", "successors")
SEAL = "seal.json"


def _name() -> str:
    """The folder's name for this version of the kernel."""
    total = hashlib.sha256(numba.__version__.encode())
    for name in (*KERNEL, "jit"):
        total.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return f"kernel-{total.hexdigest()[:16]}"


def kept_folder() -> Path | None:
    """Where machine code lasts: a folder of ours that nobody else can write to, or None."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        place = (Path(base) if base else Path.home() / ".cache") / "pfntrack" / _name()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = place.stat()
        if told.st_uid != os.geteuid():
            return None
        if told.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            place.chmod(0o700)
        # The rights that are shown say little about file systems that are mounted read-only.
        tempfile.TemporaryFile(dir=place).close()
    except (OSError, RuntimeError, ValueError):
        return None
    return place


def _passing_folder() -> Path | None:
    """A folder for this run and the processes that it starts, or None."""
    try:
        place = Path(tempfile.mkdtemp(prefix="pfntrack-kernel-"))
    except OSError:
        return None
    maker = os.getpid()

    def leave() -> None:
        if os.getpid() == maker:
            shutil.rmtree(place, ignore_errors=True)

    atexit.register(leave)
    return place


def _sums(place: Path) -> dict[str, str]:
    """The machine code in the folder, with its hashes."""
    return {
        str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(place.rglob("*.nb[ic]"))
        if path.is_file()
    }


def cleaned(place: Path) -> None:
    """Throws away machine code that is not as it was when it was listed.

    Files only: another process may be putting its own into the same folders, and Numba bears
    the loss of any file.
    """
    with contextlib.suppress(OSError):
        try:
            listed = json.loads((place / SEAL).read_bytes())
        except (OSError, ValueError, RecursionError):
            listed = None
        if not isinstance(listed, dict):
            listed = {}
        for name, total in _sums(place).items():
            if listed.get(name) != total:
                (place / name).unlink(missing_ok=True)


def seal(place: Path) -> None:
    """Lists what is in the folder now."""
    with contextlib.suppress(OSError):
        text = json.dumps(_sums(place))
        number, aside = tempfile.mkstemp(prefix=SEAL, dir=place)
        with os.fdopen(number, "w", encoding="ascii") as stream:
            stream.write(text)
        Path(aside).replace(place / SEAL)


def _prepare() -> Path | None:
    """The folder for this process; its children get the same by the environment."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    if given:
        return Path(given)
    place = kept_folder()
    if place is None:
        place = _passing_folder()
    else:
        cleaned(place)
        before = _listing(place)
        kept = place
        atexit.register(lambda: seal(kept) if _listing(kept) != before else None)
    if place is not None:
        os.environ["NUMBA_CACHE_DIR"] = str(place)
        numba.config.CACHE_DIR = str(place)  # type: ignore[attr-defined]
    return place


def _listing(place: Path) -> set[tuple[str, int]]:
    with contextlib.suppress(OSError):
        return {(str(path), path.stat().st_mtime_ns) for path in place.rglob("*.nb[ic]")}
    return set()


FOLDER = _prepare()
_OPTIONS: dict[str, Any] = {"cache": FOLDER is not None, "nogil": True, "_nrt": False}


def compiled(function: F) -> F:
    """`function` as machine code; it releases the interpreter while it runs.

    It makes no arrays, so it need not count references to them, which costs
    more than all else and sets the threads against each other.
    """
    try:
        made = numba.njit(**_OPTIONS)(function)
    except RuntimeError:
        # The folder that the environment names cannot be used.
        made = numba.njit(**_OPTIONS | {"cache": False})(function)
    return cast("F", made)


def is_cached() -> bool:
    """Has the kernel been compiled before, so that it only has to be loaded?"""
    if FOLDER is None:
        return False
    version = f"py{sys.version_info.major}{sys.version_info.minor}"
    return FOLDER.is_dir() and any(FOLDER.rglob(f"successors.expand-*.{version}.*nbi"))
