"""From the name of a kernel to the modelled release that stands for it, and why.

Every command, option and file that names a release goes through here. Windows
are inclusive. A kernel in no window is judged by the next older one, since what
later kernels changed is not yet in it; nothing is replaced without a word
(`Release.note`).
"""

from __future__ import annotations

import difflib
import math
import re

import attrs

from pfntrack.designs import DESIGNS
from pfntrack.errors import InputFormatError
from pfntrack.releases.release import HISTORIC, RELEASES, Release, release_with

Version = tuple[int, int, float]
_EVERY = math.inf
_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]{1,4}))?(?:-(rc)[0-9]{0,3})?")


@attrs.frozen(slots=True)
class _Window:
    """Kernels from `first` to `last` that are what the data of `release` says."""

    first: Version
    last: Version
    release: Release

    def __contains__(self, version: Version) -> bool:
        return self.first <= version <= self.last


def _windows() -> tuple[_Window, ...]:
    """Those that releases claim; of two that hold a kernel, the later one is meant."""
    releases = [*RELEASES.values(), *HISTORIC.values()]
    found = [
        _Window(_numbers(release.since, 0), _numbers(release.until, _EVERY), release)
        for release in releases
        if release.since
    ]
    return tuple(sorted(found, key=lambda window: window.first))


def _numbers(name: str, patch: float) -> Version:
    major, minor, *rest = map(int, name.split("."))
    return major, minor, rest[0] if rest else patch


_WINDOWS = _windows()
_RECORDED = {release.kernels.removeprefix("Debian "): release for release in RELEASES.values()}
_OLDEST, _NEWEST = _WINDOWS[0], max(_WINDOWS, key=lambda window: window.last)


def release_for(name: str) -> Release:
    """The release that stands for kernel `name`: a modelled name, or a version such as 6.6.

    Raises InputFormatError: it is no version, or older than all that is modelled.
    """
    name = name.strip()
    if name in RELEASES or name in HISTORIC:
        return RELEASES.get(name) or HISTORIC[name]
    if name in _RECORDED:
        return _RECORDED[name]
    numbers = _VERSION.fullmatch(name)
    if numbers is None:
        raise InputFormatError(f"kernel {name!r}: expected a version such as 6.12{_meant(name)}")
    version = int(numbers[1]), int(numbers[2]), int(numbers[3] or 0)
    if numbers[4] and (candidates := HISTORIC.get(f"{numbers[1]}.{numbers[2]}-rc")):
        return _standing(candidates, name, f"the data of {candidates.kernels}")
    return _of(version, name)


def release_or_design(name: str) -> Release:
    """The release of that name, or the one that a design of that name belongs to.

    Raises InputFormatError: it is neither.
    """
    name = name.strip()
    if name in DESIGNS:
        return release_with(name)
    if re.match(r"[0-9]", name) or name in HISTORIC:
        return release_for(name)
    raise InputFormatError(
        f"{name!r}: expected a release such as 6.12, or a design{_meant(name, *DESIGNS)}"
    )


def _of(version: Version, name: str) -> Release:
    if version < _OLDEST.first:
        raise InputFormatError(
            f"kernel {name}: older than {_OLDEST.release.name}, the oldest that is modelled"
        )
    for window in reversed(_WINDOWS):
        if version in window:
            return _standing(window.release, name, _membership(window.release))
    if version > _NEWEST.last:
        newest = _NEWEST.release
        why = (
            f"newer than {newest.name}, the newest that is modelled, and what changed since "
            "is not known"
        )
        return attrs.evolve(_standing(newest, name, why), beyond=True)
    # The window that ends last before it, and the one that begins first after it.
    older = max((w for w in _WINDOWS if w.last < version), key=lambda w: w.last).release
    newer = min((w for w in _WINDOWS if w.first > version), key=lambda w: w.first).release
    return _standing(
        older, name, f"it lies between {older.name} and {newer.name}; the older one decides"
    )


def _membership(release: Release) -> str:
    if release.name in RELEASES:
        return f"as recorded on {release.kernels}; another patch level may lack fixes, or have more"
    return f"the data of {release.kernels}"


def _standing(release: Release, asked: str, why: str) -> Release:
    return attrs.evolve(release, asked=asked, why=why)


def _meant(name: str, *others: str) -> str:
    """A suggestion: the version that the word holds, or the known word most like it."""
    if name in DESIGNS:
        return f"; {name} is a design"
    found = _VERSION.search(name)
    near = difflib.get_close_matches(name, [*RELEASES, *HISTORIC, *others], 1)
    word = found[0] if found else near[0] if near else ""
    return f"; did you mean {word}?" if word else ""
