"""Changes to a kernel tree: semantic patches, ordinary patches, new files.

A change is named by its file, or by its name in the project's ``kernel/`` folder. A semantic
patch (.cocci) says in comments at its head which files it changes (``Files:``), which other
change of that folder comes before it (``Needs:``) and which tracking design the kernel has
then (``Design:``). An ordinary patch is applied with patch -p1. A folder holds such files,
applied in the order of their names, and a folder ``files`` that is copied over the tree.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from pfntrack.edges.files import is_file, is_folder, read_bytes, read_text
from pfntrack.errors import GuestError, InputFormatError
from pfntrack.lab.guests.qemu import MissingToolError

_HERE = Path(__file__).resolve().parents[4] / "kernel"
_INSTALLED = Path(__file__).resolve().parents[2] / "kernel"
SEMANTIC = ".cocci"
ORDINARY = (".patch", ".diff")
NEW_FILES = "files"
_HEAD = re.compile(r"(?m)^//\s*(Files|Needs|Design):\s*(.*?)\s*$")
_NAMED = re.compile(r"(?m)^\+\+\+ (?:b/)?(\S+)")
_MAX_BYTES = 16 << 20
_SECONDS = 300


def kernel_folder() -> Path:
    """Where the project's own changes and configurations are."""
    return _HERE if is_folder(_HERE / "config") else _INSTALLED


@attrs.frozen(slots=True)
class Change:
    """One file to apply: its text, and what its head says.

    ``into``: for a new file, its place in the tree.
    """

    path: Path
    text: str
    files: tuple[str, ...] = ()
    design: str = ""
    into: str = ""

    @property
    def name(self) -> str:
        """Its name without folders and suffix."""
        return self.path.stem


def digest(changes: Sequence[Change], *more: str) -> str:
    """A short word for what is applied."""
    hasher = hashlib.sha256()
    for text in (*(f"{each.path.suffix}\0{each.into}\0{each.text}" for each in changes), *more):
        hasher.update(text.encode() + b"\0")
    return hasher.hexdigest()[:8]


def known_changes() -> list[str]:
    """Names in the project's folder."""
    folder = kernel_folder()
    alone = [path.stem for path in folder.glob(f"*{SEMANTIC}")]
    return sorted({*alone, *(path.parent.name for path in folder.glob(f"*/*{SEMANTIC}"))})


def gather_changes(names: Sequence[str]) -> list[Change]:
    """What is to be applied, in order; what a change needs comes before it, once.

    Raises InputFormatError: a name is no change.
    """
    found: list[Change] = []
    for name in names:
        _gather(name, found, ())
    return found


def _gather(name: str, found: list[Change], above: tuple[str, ...]) -> None:
    if name in above:
        raise InputFormatError(f"{name}: needs itself ({' -> '.join((*above, name))})")
    path = _place(name)
    if is_folder(path):
        inside = sorted(path.iterdir())
        usable = [each for each in inside if each.suffix in (SEMANTIC, *ORDINARY)]
        new = path / NEW_FILES
        if not usable and not is_folder(new):
            raise InputFormatError(
                f"{path}: expected {SEMANTIC} or .patch files, or a folder {NEW_FILES}"
            )
        for each in usable:
            _gather(str(each), found, (*above, name))
        for each in sorted(new.rglob("*")) if is_folder(new) else ():
            if is_file(each):
                found.append(
                    Change(
                        each, read_text(each, "a text", _MAX_BYTES), into=str(each.relative_to(new))
                    )
                )
        return
    if any(each.path == path for each in found):
        return
    text = read_text(path, "a patch", _MAX_BYTES)
    head = dict(_HEAD.findall(text)) if path.suffix == SEMANTIC else {}
    for needed in head.get("Needs", "").split():
        _gather(needed, found, (*above, name))
    if path.suffix == SEMANTIC:
        files = tuple(head.get("Files", "").split())
        if not files:
            raise InputFormatError(
                f"{path}: expected a line such as '// Files: mm/memory.c': what it changes"
            )
    elif path.suffix in ORDINARY:
        files = tuple(name for name in _NAMED.findall(text) if name != "/dev/null")
        if not files:
            raise InputFormatError(f"{path}: no patch: expected lines such as '+++ b/mm/memory.c'")
    else:
        raise InputFormatError(
            f"{path}: expected a semantic patch ({SEMANTIC}), a patch (.patch, .diff) or a folder"
        )
    for each in files:
        if each.startswith("/") or ".." in Path(each).parts:
            raise InputFormatError(f"{path}: {each}: expected a path inside the tree")
    found.append(Change(path.resolve(), text, files, head.get("Design", "")))


def _place(name: str) -> Path:
    for ours in (kernel_folder() / f"{name}{SEMANTIC}", kernel_folder() / name):
        if "/" not in name and name in known_changes() and (is_file(ours) or is_folder(ours)):
            return ours.resolve()
    path = Path(name)
    if not is_file(path) and not is_folder(path):
        known = ", ".join(known_changes())
        raise InputFormatError(f"{name}: no such file: expected a patch, or one of {known}")
    return path.resolve()


def design_of(changes: Sequence[Change]) -> str:
    """The design that the last change which names one brings; empty if none does."""
    return next((each.design for each in reversed(changes) if each.design), "")


# ------------------------------------------------------------------- applying


def changed_texts(source: Path, changes: Sequence[Change]) -> dict[str, bytes]:
    """The files that differ from ``source`` when all is applied, by their place in the tree.

    Nothing in ``source`` is written to.

    Raises InputFormatError: a change does not fit this tree.
    Raises GuestError: a program is missing.
    """
    with tempfile.TemporaryDirectory(prefix="pfntrack-patch-") as folder:
        top = Path(folder)
        places = {place for each in changes for place in (*each.files, each.into) if place}
        for place in sorted(places):
            if is_file(source / place):
                (top / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / place, top / place)
        for each in changes:
            _apply(each, top, source)
        found = {}
        for place in sorted(places):
            if not is_file(top / place):
                continue
            new = (top / place).read_bytes()
            old = read_bytes(source / place) if is_file(source / place) else None
            if new != old:
                found[place] = new
        return found


def _apply(change: Change, top: Path, source: Path) -> None:
    if change.into:
        (top / change.into).parent.mkdir(parents=True, exist_ok=True)
        (top / change.into).write_text(change.text, encoding="utf-8")
    elif change.path.suffix == SEMANTIC:
        _apply_semantic(change, top, source)
    else:
        said = _program(
            [
                "patch",
                "-p1",
                "--forward",
                "--batch",
                "--no-backup-if-mismatch",
                "-i",
                str(change.path),
            ],
            "patch",
            top,
        )
        if said is not None:
            lines = [line for line in said.splitlines() if "FAILED" in line or "can't" in line]
            raise InputFormatError(
                f"{change.path}: does not apply to {source}: {(lines or said.splitlines())[0]}"
            )


def _apply_semantic(change: Change, top: Path, source: Path) -> None:
    for place in change.files:
        path = top / place
        if not is_file(path):
            raise InputFormatError(f"{change.path}: {source} has no {place}")
        before = path.read_bytes()
        new = path.with_name(f"{path.name}.new")
        said = _program(
            ["spatch", "--very-quiet", "--sp-file", str(change.path), place, "-o", f"{place}.new"],
            "coccinelle",
            top,
        )
        if said is not None:
            last = [line for line in said.splitlines() if line.strip()][-1:]
            raise InputFormatError(f"{change.path}: spatch refuses it: {''.join(last)}")
        if not is_file(new) or new.read_bytes() == before:
            raise InputFormatError(
                f"{change.path}: changes nothing in {place} of {source}: it is for another kernel"
            )
        new.replace(path)


def _program(command: Sequence[str], package: str, where: Path) -> str | None:
    """Run a program: None if it succeeded, else what it said."""
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            command, cwd=where, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except FileNotFoundError:
        raise MissingToolError(
            f"{command[0]} not found: install the Debian package {package}"
        ) from None
    except subprocess.TimeoutExpired:
        raise GuestError(f"{command[0]} did not end within {_SECONDS} s") from None
    return None if done.returncode == 0 else done.stdout + done.stderr or "it failed"


def diff_lines(source: Path, texts: dict[str, bytes]) -> Iterator[str]:
    """The changes as one ordinary patch, line by line without ends."""
    for place, new in sorted(texts.items()):
        old = (source / place).read_bytes() if is_file(source / place) else None
        before, after = (
            (text or b"").decode("utf-8", "surrogateescape").splitlines() for text in (old, new)
        )
        name = f"a/{place}" if old is not None else "/dev/null"
        yield from difflib.unified_diff(before, after, name, f"b/{place}", lineterm="")
