"""Kernel sources: Debian's source packages, checked by apt, or a tree of the user's.

Sources are kept as they were unpacked and never written to; trees to build in are made of
hard links to them, so that one costs the room of what is built in it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import attrs

from pfntrack.edges.files import is_file, is_folder
from pfntrack.errors import GuestError, InputFormatError
from pfntrack.lab.images.apt import Apt, Suite, cache_root, locked, progress, run, unpack
from pfntrack.lab.images.kernels import RELEASES
from pfntrack.lab.images.trees import is_source, source_version

_SUITES = (
    Suite("trixie-backports"),
    Suite("bookworm-backports"),
    Suite("bookworm", security=True),
    Suite("bullseye"),
)
_SERIES = re.compile(r"(?:debian:)?([0-9]+\.[0-9]+)")


@attrs.frozen(slots=True)
class Source:
    """Sources as they came: the version of their Makefile, and where they are."""

    version: str
    folder: Path
    name: str


def find_source(name: str) -> Source:
    """The sources of a series of Debian's, fetched if need be, or those in a folder.

    Raises GuestError: they cannot be fetched.
    Raises InputFormatError: it is neither a series nor a kernel tree.
    """
    match = _SERIES.fullmatch(name)
    if match and not is_folder(name):
        return _fetch_source(match[1])
    folder = Path(name)
    if not is_folder(folder):
        raise InputFormatError(f"{name}: expected a series such as 7.3, or the folder of a tree")
    if not is_source(folder):
        raise InputFormatError(f"{folder}: no kernel sources: expected a Makefile and a Kconfig")
    folder = folder.resolve()
    return Source(source_version(folder), folder, folder.name)


def _fetch_source(series: str) -> Source:
    package = f"linux-source-{series}"
    own = [release.suite for release in RELEASES if release.series == series]
    for suite in (*own, *(each for each in _SUITES if each not in own)):
        with locked(suite.name):
            apt = Apt(suite)
            apt.update()
            version = apt.version(package)
            if version:
                return _unpacked(apt, package, version)
    raise GuestError(f"Debian's archive has no package {package}")


def _unpacked(apt: Apt, package: str, version: str) -> Source:
    folder = cache_root() / "sources" / version
    top = folder / "linux"
    if not is_folder(top):
        progress(f"{package} {version}: fetching the sources")
        partial = folder / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        unpack(apt.download(package), partial, ["*.tar.xz"])
        archives = sorted(partial.rglob("linux-source-*.tar.xz"))
        if not archives:
            raise GuestError(f"{package} {version} holds no linux-source-*.tar.xz")
        progress(f"{package} {version}: unpacking")
        run(["tar", "-C", str(partial), "-xf", str(archives[0])])
        made = next((path for path in partial.glob("linux-source-*") if is_source(path)), None)
        if made is None:
            raise GuestError(f"{archives[0].name} holds no kernel tree")
        made.replace(top)
        shutil.rmtree(partial, ignore_errors=True)
    found = source_version(top)
    return Source(found, top, found)


# ------------------------------------------------------------------- copies


def source_files(folder: Path) -> Iterator[str]:
    """Places of the files in a tree that are no result of a build: tracked, or all in a fresh one.

    Raises GuestError: git is needed and fails.
    """
    if (folder / ".git").exists():
        listed = run(
            [
                "git",
                "-C",
                str(folder),
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ]
        )
        yield from (name for name in listed.split("\0") if name)
        return
    for top, _folders, files in os.walk(folder):
        where = Path(top).relative_to(folder)
        yield from (str(where / name) for name in files if not _is_built(name))


_BUILT = re.compile(
    r"(?:\..*\.(?:cmd|d)|.*\.(?:o|ko|a|mod|order|symvers)|\.config(?:\.old)?|vmlinux.*|bzImage)"
)


def _is_built(name: str) -> bool:
    return _BUILT.fullmatch(name) is not None and name != "vmlinux.lds.S"


def link(source: Path, target: Path) -> None:
    """A file at another place: the same one where the disk allows it, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def link_tree(source: Path, target: Path) -> None:
    """A tree of the source's files."""
    for place in source_files(source):
        if is_file(source / place) or (source / place).is_symlink():
            link(source / place, target / place)


def copy_built(seed: Path, target: Path, final: Path) -> None:
    """A tree with all that was built in another: what is linked stays so, the rest is copied.

    ``final`` is where the tree will be in the end.
    """
    for top, _folders, files in os.walk(seed):
        where = target / Path(top).relative_to(seed)
        where.mkdir(parents=True, exist_ok=True)
        for name in files:
            path = Path(top, name)
            if path.is_symlink() or path.stat().st_nlink > 1:
                link(path, where / name)
            else:
                shutil.copy2(path, where / name)
    _move_tools(seed, target, final)


def _move_tools(seed: Path, target: Path, final: Path) -> None:
    """Programs under ``tools`` know where they were built: elsewhere, make builds them anew.

    Every object depends on one of them (objtool), so the whole kernel would follow.
    """
    old, new = os.fsencode(seed), os.fsencode(final)
    for path in (target / "tools").rglob(".*"):
        if path.suffix not in (".cmd", ".d") or path.is_symlink() or not is_file(path):
            continue
        text = path.read_bytes()
        if old in text:
            seen = path.stat()
            path.write_bytes(text.replace(old, new))
            os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
