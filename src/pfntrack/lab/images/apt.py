"""Debian packages without installing them.

apt does the work, with lists and a cache of its own, so neither the system's
sources nor its package state are read or changed.  Release files are checked
against the archive keyring; an unsigned or badly signed archive is an error.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from pfntrack.errors import GuestError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_DAY = 86_400.0


def cache_root() -> Path:
    """The lab's part of the XDG cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "pfntrack" / "lab"


def progress(text: str) -> None:
    """One line about what takes time."""
    print(text, file=sys.stderr)  # noqa: T201


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """One process at a time fills a part of the cache."""
    folder = cache_root() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(command: Sequence[str], *, cwd: Path | None = None) -> str:
    """Output of a program.

    Raises GuestError: it is missing or failed; the text holds what it said.
    """
    try:
        done = subprocess.run(  # noqa: S603 - arguments are ours
            command, capture_output=True, text=True, check=False, cwd=cwd
        )
    except FileNotFoundError as error:
        raise GuestError(f"{command[0]} not found: this needs a Debian system") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise GuestError(f"{' '.join(command[:2])} failed: {said}")
    return done.stdout


def _system_mirrors() -> list[str]:
    out = run(["apt-get", "indextargets", "--format", "$(REPO_URI)"])
    return sorted({line.strip().rstrip("/") for line in out.splitlines() if line.strip()})


def mirror() -> str:
    """The archive this system is configured for.

    Raises GuestError: apt knows no Debian archive.
    """
    chosen = os.environ.get("PFNTRACK_DEBIAN_MIRROR")
    if chosen:
        return chosen.rstrip("/")
    for uri in _system_mirrors():
        if uri.endswith("/debian"):
            return uri
    raise GuestError(
        "apt has no Debian archive configured: run 'apt-get update', "
        "or name one in PFNTRACK_DEBIAN_MIRROR"
    )


@attrs.frozen(slots=True)
class Suite:
    """A suite of the archive, with its security updates where it has any."""

    name: str
    security: bool = False

    def sources(self, archive: str) -> str:
        """The text of a sources list."""
        option = f"[arch=amd64 signed-by={KEYRING}]"
        lines = [f"deb {option} {archive} {self.name} main"]
        if self.security:
            lines.append(f"deb {option} {archive}-security {self.name}-security main")
        return "\n".join(lines) + "\n"


class Apt:
    """apt restricted to one suite."""

    def __init__(self, suite: Suite, root: Path | None = None) -> None:
        self.suite = suite
        self._root = root or cache_root()
        self._dir = self._root / "apt" / suite.name

    def _options(self) -> list[str]:
        settings = {
            "Dir::Etc::SourceList": self._dir / "sources.list",
            "Dir::Etc::SourceParts": "/nonexistent",
            "Dir::State": self._dir / "state",
            "Dir::State::status": self._dir / "status",
            "Dir::Cache": self._dir / "cache",
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Sandbox::User": "",
            "APT::Get::AllowUnauthenticated": "false",
            "Acquire::AllowInsecureRepositories": "false",
            "Acquire::Languages": "none",
        }
        return ["-qq", *(word for key, val in settings.items() for word in ("-o", f"{key}={val}"))]

    def update(self, *, max_age: float = _DAY) -> None:
        """Fetch the lists unless they are recent.

        Raises GuestError: the archive cannot be reached or its signature is not valid.
        """
        stamp = self._dir / "updated"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < max_age:
            return
        if not KEYRING.exists():
            raise GuestError(f"{KEYRING} is missing: install debian-archive-keyring")
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (self._dir / folder).mkdir(parents=True, exist_ok=True)
        (self._dir / "status").touch()
        (self._dir / "sources.list").write_text(self.suite.sources(mirror()))
        try:
            run(["apt-get", *self._options(), "-o", "APT::Update::Error-Mode=any", "update"])
        except GuestError as error:
            if stamp.exists():
                progress(f"note: using older package lists of {self.suite.name}: {error}")
                return
            raise GuestError(
                f"the configured archive gives no signed package lists for "
                f"{self.suite.name}: {error}"
            ) from error
        stamp.touch()

    def depends(self, package: str) -> list[str]:
        """What a package depends on.

        Raises GuestError: the suite has no such package.
        """
        out = run(["apt-cache", *self._options(), "depends", package])
        lines = (line.strip() for line in out.splitlines())
        found = (line.removeprefix("Depends: ") for line in lines if line.startswith("Depends: "))
        return [name for name in found if not name.startswith("<")]

    def version(self, package: str) -> str:
        """The version that would be downloaded, empty if there is none."""
        out = run(["apt-cache", *self._options(), "policy", package])
        for line in out.splitlines():
            if line.strip().startswith("Candidate:"):
                found = line.split(":", 1)[1].strip()
                return "" if found == "(none)" else found
        return ""

    def _sound(self, package: str, version: str, path: Path) -> bool:
        """Is the file what the signed lists promise, or else what apt gave us once?"""
        out = run(["apt-cache", *self._options(), "show", f"{package}={version}"])
        promised = re.search(r"^SHA256: ([0-9a-f]{64})$", out, re.MULTILINE)
        noted = _beside(path)
        try:
            wanted = promised[1] if promised else noted.read_text("ascii").strip()
            return _hash(path) == wanted
        except (OSError, ValueError):
            return False

    def download(self, package: str) -> Path:
        """The package's file, from the cache if it is there.

        Raises GuestError: it cannot be fetched or is not what the signed lists promise.
        """
        version = self.version(package)
        if not version:
            raise GuestError(f"{self.suite.name} has no package {package}")
        folder = self._root / "debs"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{package}_{version.replace(':', '%3a')}_"
        for path in folder.glob(f"{name}*.deb"):
            if self._sound(package, version, path):
                return path
            progress(f"note: {path.name} in the cache is damaged: fetching it again")
            path.unlink(missing_ok=True)
        partial = folder / f"partial-{os.getpid()}"
        partial.mkdir(exist_ok=True)
        try:
            run(["apt-get", *self._options(), "download", f"{package}={version}"], cwd=partial)
            for path in partial.glob("*.deb"):
                # apt has held it against the signed lists; what it was then is noted first.
                _beside(folder / path.name).write_text(_hash(path) + "\n", "ascii")
                return path.replace(folder / path.name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        raise GuestError(f"apt-get download {package} left no file")


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def unpack(package: Path, into: Path, patterns: Sequence[str] = ()) -> None:
    """Unpack a package, or only the members that match shell patterns.

    Raises GuestError: the package is broken, or tar or dpkg-deb is missing.
    """
    into.mkdir(parents=True, exist_ok=True)
    if not patterns:
        run(["dpkg-deb", "--extract", str(package), str(into)])
        return
    with tempfile.TemporaryFile() as said:
        source = subprocess.Popen(  # noqa: S603
            ["dpkg-deb", "--fsys-tarfile", str(package)],  # noqa: S607
            stdout=subprocess.PIPE,
            stderr=said,
        )
        with source:
            subprocess.run(  # noqa: S603
                ["tar", "-C", str(into), "-x", "--wildcards", "--no-anchored", *patterns],  # noqa: S607
                stdin=source.stdout,
                stderr=subprocess.DEVNULL,
                check=False,  # a pattern without a match is no mistake here
            )
        if source.returncode:
            said.seek(0)
            text = said.read().decode("utf-8", "replace").strip()
            raise GuestError(f"{package.name} cannot be unpacked: {text}")
