"""Kernel releases: reading them from text, ordering them, and windows of affected releases.

Distributions back-port, so a window only says what the mainline and stable
releases did; a vendor kernel is answered with that caveat (`vendor`).
"""

from __future__ import annotations

import re
from functools import total_ordering

import attrs

_RELEASE = re.compile(r"(?<![\d.])(\d{1,2})\.(\d{1,3})(?:\.(\d{1,3}))?(?:\.\d+)?(?:-(rc\d+))?")
_DEBIAN = re.compile(r"\bDebian (\d{1,2}\.\d{1,3}\.\d{1,3}(?:-rc\d+)?)")
_VENDOR = re.compile(r"\.(?:el\d|fc\d|amzn\d)|-generic\b|-aws\b|-azure\b|-gcp\b|-oem\b|-default\b")
_NAMED = re.compile(
    r"(?:Linux version |Debian )?[0-9]{1,2}\.[0-9]{1,3}(?:\.[0-9]{1,3}){0,2}(?:-rc[0-9]+)?"
    r"(?:[-+~][\w.+~-]*)?(?: \(Debian [^,()]*\))?",
    re.ASCII,
)
# Where a text states the running release. Each is tried on one cleaned line.
_SOURCES = (
    re.compile(r"Linux version (\S{3,80}.{0,400})"),
    re.compile(r"(?:Not tainted|Tainted: [A-Z ]{1,40}?) {0,3}\(?(\d\S{2,80})"),
    re.compile(r"uname -[ra]+\s*:?\s+(?:Linux \S{1,64} )?(\d\S{2,80}.{0,200})"),
    re.compile(r"^Linux \S{1,64} (\d{1,2}\.\d\S{1,80}.{0,200})"),
    re.compile(r"/linux-(\d{1,2}\.\d{1,3}(?:\.\d{1,3})?(?:-rc\d+)?)/arch/"),
    re.compile(r"^\W{0,6}[Kk]ernel(?: release| version)?\W{1,6}(\d{1,2}\.\d\S{1,80})"),
    re.compile(r"^(\d{1,2}\.\d{1,3}\.\d{1,3}[-+]\S{2,60})$"),
)


@total_ordering
@attrs.frozen(slots=True, eq=False)
class KernelRelease:
    """An upstream release such as 6.12.31 or 6.12.0-rc6, with the text it was read from."""

    major: int
    minor: int
    patch: int
    rc: int | None
    text: str

    @property
    def key(self) -> tuple[int, int, int, int]:
        return (self.major, self.minor, self.patch, 999 if self.rc is None else self.rc)

    @property
    def series(self) -> str:
        return f"{self.major}.{self.minor}"

    @property
    def vendor(self) -> bool:
        """A vendor kernel whose number says little about what was back-ported."""
        return bool(_VENDOR.search(self.text))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KernelRelease) and self.key == other.key

    def __lt__(self, other: KernelRelease) -> bool:
        return self.key < other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        base = f"{self.major}.{self.minor}"
        old = self.major == 2 or self.patch or re.search(rf"{re.escape(base)}\.\d", self.text)
        base += f".{self.patch}" if old else ""
        return base if self.rc is None else f"{base}-rc{self.rc}"


def parse_release(text: str) -> KernelRelease | None:
    """The upstream release in `text`; "Debian 6.1.192-2" beats the ABI name "6.1.0-56"."""
    match = _RELEASE.search(text)
    if match is None:
        return None
    for debian in _DEBIAN.finditer(text):
        # The compiler's version is written the same way; only the same series can be the kernel.
        full = _RELEASE.match(debian.group(1))
        if full is not None and full.group(1, 2) == match.group(1, 2):
            match = full
    rc = match.group(4)
    # 2.6.x counts its third number as the series, which makes ordering by triple right anyway.
    return KernelRelease(
        int(match.group(1)),
        int(match.group(2)),
        int(match.group(3) or 0),
        int(rc[2:]) if rc else None,
        text.strip()[:120],
    )


def named_release(word: str) -> KernelRelease | None:
    """A release that somebody names: a version, as uname or a package writes it, and no more."""
    return parse_release(word) if _NAMED.fullmatch(word.strip()) else None


def release_in_line(line: str) -> KernelRelease | None:
    """The running release if this line of a log or report states it."""
    if "." not in line:
        return None
    for source in _SOURCES:
        match = source.search(line)
        if match:
            release = parse_release(match.group(1))
            if release is not None and 2 <= release.major <= 30:
                return release
    return None


@attrs.frozen(slots=True)
class Window:
    """Releases that have a defect: from `first` until `fixed` (exclusive), with stable fixes.

    `backports` maps a stable series to the first release of it that has the fix;
    `broken` maps a series to (first bad, first good) where a back-port caused the defect.
    """

    first: str | None
    fixed: str | None
    backports: tuple[tuple[str, str], ...] = ()
    broken: tuple[tuple[str, str, str | None], ...] = ()

    def affects(self, release: KernelRelease | None) -> bool | None:
        """True, False, or None when the release is not known."""
        if release is None:
            return None
        for series, bad, good in self.broken:
            if release.series == series:
                return _at_least(release, bad) and not (good and _at_least(release, good))
        if self.first is not None and not _at_least(release, self.first):
            return False
        for series, good in self.backports:
            if release.series == series:
                return not _at_least(release, good)
        return not (self.fixed is not None and _at_least(release, self.fixed))

    def __str__(self) -> str:
        if self.first and self.fixed:
            text = f"{self.first} up to, not including, {self.fixed}"
        elif self.fixed:
            text = f"before {self.fixed}"
        elif self.first:
            text = f"{self.first} and later"
        else:
            text = "all releases"
        if self.backports:
            text += "; stable kernels have the fix from " + ", ".join(g for _, g in self.backports)
        for _, bad, good in self.broken:
            text += (
                f"; also {bad} until {good}" if good else f"; also {bad} and later of its series"
            )
        return text


def _at_least(release: KernelRelease, bound: str) -> bool:
    """Whether `release` contains what `bound` contains; a release candidate of it does not."""
    limit = parse_release(bound)
    if limit is None:
        raise ValueError(bound)
    # A fix or a defect enters a cycle before its -rc1, so every -rc counts as the release.
    return release.key[:3] >= limit.key[:3]
