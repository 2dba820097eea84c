"""Builds a small kernel from sources and changes, and keeps it.

Each tree has a folder of its own under the cache: ``linux`` (built in place), ``built.json``
(what is in it), ``build.log``. A build that was interrupted goes on where it stopped; a new
tree begins as a copy of the one that differs least, so that only what differs is compiled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from pfntrack.edges.files import is_file, is_folder
from pfntrack.errors import GuestError
from pfntrack.lab.guests.qemu import MissingToolError
from pfntrack.lab.images.apt import locked, progress
from pfntrack.lab.images.changes import Change, changed_texts, design_of, digest, kernel_folder
from pfntrack.lab.images.config import parse_config, told
from pfntrack.lab.images.find import BUILT, STATE, read_state, trees_root
from pfntrack.lab.images.sources import Source, copy_built, link, link_tree, source_files
from pfntrack.lab.images.trees import image_of

_TOOLS = {
    "make": "make",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "ld": "binutils",
    "xz": "xz-utils",
    "perl": "perl",
}
_HEADERS = {"gelf.h": "libelf-dev", "openssl/opensslv.h": "libssl-dev"}
_COMPILERS = ("gcc-12", "gcc")
_TARGETS = ("bzImage", "modules")
_ENVIRONMENT = {
    "KBUILD_BUILD_USER": "pfntrack",
    "KBUILD_BUILD_HOST": "lab",
    "LC_ALL": "C",
}
_STEPS = ("  CC ", "  AS ", "  LD ", "  AR ", "  HOSTCC ")
_LAST_LINES = 12


@attrs.frozen(slots=True)
class Job:
    """What to build: sources, changes in order, with or without the kernel's own checks."""

    source: Source
    changes: tuple[Change, ...] = ()
    debug: bool = False

    @property
    def name(self) -> str:
        """The tree's name in the cache."""
        words = [self.source.name]
        if self.source.name != self.source.version:
            # Two folders may have one name.
            words.append(hashlib.sha256(str(self.source.folder).encode()).hexdigest()[:6])
        if not self.changes:
            words.append("plain")
        elif all(each.path.parent == kernel_folder().resolve() for each in self.changes):
            words.append(self.changes[-1].name)
        else:
            words += [self.changes[-1].name, digest(self.changes)]
        return "-".join([*words, *(["debug"] if self.debug else [])])

    @property
    def config(self) -> str:
        """The options that are set; all others are off."""
        folder = kernel_folder() / "config"
        text = (folder / "small.config").read_text(encoding="utf-8")
        if self.debug:
            text += (folder / "debug.config").read_text(encoding="utf-8")
        return text


def build(job: Job, jobs: int, tell: Callable[[str], None]) -> str:
    """Build what was not built yet; the name by which ``--kernel`` knows it.

    ``tell`` gets a line now and then that replaces the one before.

    Raises GuestError: a tool is missing, or the tree does not compile.
    Raises InputFormatError: a change does not fit.
    """
    _need_tools()
    texts = changed_texts(job.source.folder, job.changes)
    folder = trees_root() / job.name
    tree = folder / BUILT
    with locked(f"tree-{job.name}"):
        config = hashlib.sha256(job.config.encode()).hexdigest()[:12]
        if not is_folder(tree):
            _begin(job, tree, texts, config)
        known = read_state(folder)
        _sync(job.source, tree, known.get("files", {}), texts)
        state = {
            "version": job.source.version,
            "source": str(job.source.folder),
            "changes": [str(each.path) for each in job.changes],
            "design": design_of(job.changes),
            "debug": job.debug,
            "config": config,
            "files": {place: _sha(text) for place, text in texts.items()},
        }
        _write_state(folder, state)
        if known.get("config") != config or not is_file(tree / ".config"):
            _configure(job, tree, folder)
        _compile(tree, folder, jobs, tell)
    return job.name


def _need_tools() -> None:
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            raise MissingToolError(f"{tool} not found: install the Debian package {package}")
    if compiler() is None:
        raise MissingToolError("gcc not found: install the Debian package gcc-12")
    for header, package in _HEADERS.items():
        places = (Path("/usr/include"), *Path("/usr/include").glob("*-linux-gnu"))
        if not any(is_file(place / header) for place in places):
            raise MissingToolError(f"{header} not found: install the Debian package {package}")


def compiler() -> str | None:
    """The compiler that kernels are built with here."""
    return next((name for name in _COMPILERS if shutil.which(name)), None)


# ----------------------------------------------------------------- the tree


def _write_state(folder: Path, state: dict[str, Any]) -> None:
    partial = folder / f"{STATE}.{os.getpid()}"
    partial.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / STATE)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _begin(job: Job, tree: Path, texts: dict[str, bytes], config: str) -> None:
    """A new tree: a copy of the nearest that was built, or the bare sources."""
    tree.parent.mkdir(parents=True, exist_ok=True)
    partial = tree.with_name("partial")
    shutil.rmtree(partial, ignore_errors=True)
    seed = _nearest(job, {place: _sha(text) for place, text in texts.items()}, config)
    if seed is None:
        progress(f"{job.name}: preparing the tree")
        link_tree(job.source.folder, partial)
    else:
        progress(f"{job.name}: beginning from {seed.name}")
        copy_built(seed / BUILT, partial, tree)
        _write_state(tree.parent, read_state(seed))
    partial.replace(tree)


def _nearest(job: Job, wanted: dict[str, str], config: str) -> Path | None:
    """The tree from which the least has to be compiled anew: headers weigh most."""
    best: tuple[int, int, Path] | None = None
    for folder in sorted(trees_root().glob("*")):
        state = read_state(folder)
        fits = state.get("source") == str(job.source.folder) and state.get("config") == config
        if not fits or image_of(folder / BUILT) is None:
            continue
        files = state.get("files", {})
        differing = [p for p in {*files, *wanted} if files.get(p) != wanted.get(p)]
        found = sum(p.endswith(".h") for p in differing), len(differing), folder
        if best is None or found[:2] < best[:2]:
            best = found
    return best[2] if best else None


def _sync(source: Source, tree: Path, known: dict[str, str], texts: dict[str, bytes]) -> None:
    """Make the tree's sources what they should be; what changes gets the time of now."""
    for place in sorted({*known, *texts}):
        path = tree / place
        wanted = texts.get(place)
        if wanted is None and is_file(source.folder / place):
            wanted = (source.folder / place).read_bytes()
        if wanted is None:
            path.unlink(missing_ok=True)
        elif not is_file(path) or path.read_bytes() != wanted:
            # Never through the link: the other end is the source itself.
            path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(wanted)
    if source.name != source.version:
        _follow(source, tree, texts)


def _follow(source: Source, tree: Path, texts: dict[str, bytes]) -> None:
    """Take over what the user changed in a tree of theirs since the last build."""
    for place in source_files(source.folder):
        theirs, ours = source.folder / place, tree / place
        if place in texts or theirs.is_symlink() or not is_file(theirs):
            continue
        if is_file(ours):
            a, b = theirs.stat(), ours.stat()
            if a.st_ino == b.st_ino or (a.st_size, a.st_mtime_ns) == (b.st_size, b.st_mtime_ns):
                continue
            ours.unlink()
        link(theirs, ours)


# -------------------------------------------------------------- make's part


def _make(tree: Path, *words: str) -> list[str]:
    return ["make", "-C", str(tree), f"CC={compiler()}", *words]


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("KBUILD_")}
    return {**kept, **_ENVIRONMENT}


def _configure(job: Job, tree: Path, folder: Path) -> None:
    wanted = folder / "wanted.config"
    wanted.write_text(job.config, encoding="utf-8")
    done = subprocess.run(  # noqa: S603 - our own arguments
        _make(tree, "-s", "allnoconfig", f"KCONFIG_ALLCONFIG={wanted}"),
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )
    if done.returncode:
        raise GuestError(f"{job.name} cannot be configured: {_end(done.stderr or done.stdout)}")
    text = (tree / ".config").read_text(encoding="utf-8")
    for line in told(parse_config(text, job.name).lacks()):
        progress(f"{job.name}: {line}")


def _compile(tree: Path, folder: Path, jobs: int, tell: Callable[[str], None]) -> None:
    """make, with its output in a file and a count on the terminal."""
    started, steps, told_at = time.monotonic(), 0, 0.0
    last: list[str] = []
    with (
        (folder / "build.log").open("w", encoding="utf-8", buffering=1) as log,
        subprocess.Popen(  # noqa: S603
            _make(tree, f"-j{jobs}", *_TARGETS),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=_environment(),
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            for line in process.stdout:
                log.write(line)
                last = [*last[-200:], line.rstrip()]
                steps += line.startswith(_STEPS)
                now = time.monotonic()
                if now - told_at > 1:
                    told_at = now
                    minutes, seconds = divmod(int(now - started), 60)
                    tell(f"{folder.name}: {steps} files compiled, {minutes}:{seconds:02d}")
        except BaseException:
            process.terminate()
            raise
        finally:
            tell("")
    if process.returncode:
        raise GuestError(f"{folder.name} does not build: {_errors(last)} (see {folder}/build.log)")
    minutes, seconds = divmod(int(time.monotonic() - started), 60)
    progress(f"{folder.name}: built, {steps} files compiled in {minutes}:{seconds:02d}")


def _errors(lines: Sequence[str]) -> str:
    """The compiler's own words, if there are some."""
    found = [line for line in lines if "error:" in line or "rror " in line or "ndefined" in line]
    return (found or list(lines) or ["make said nothing"])[0]


def _end(text: str) -> str:
    return " ".join(text.strip().splitlines()[-_LAST_LINES:])
