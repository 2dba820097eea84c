"""Completion, driven in the real shells: what Tab offers, and what it writes."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASH, ZSH, FISH = (
    ROOT / "completions" / name for name in ("pfntrack.bash", "_pfntrack", "pfntrack.fish")
)

# What stands before the cursor; words that are offered; words that are not.
CASES = [
    ("tri", {"triage"}, {"run"}),
    ("lab fu", {"fuzz"}, {"fetch"}),
    ("check --preset ", {"quick", "default", "deep"}, set()),
    ("run truncate-mi", {"truncate-middle", "truncate-middle-fork"}, {"map-and-unmap"}),
    ("run mi", {"mine.pfn"}, {"mine.txt"}),
    ("run truncate-middle --rel", {"--release"}, {"--design"}),
    ("run truncate-middle --release 6.1", {"6.1", "6.12"}, {"7.3", "vm-pat"}),
    ("run truncate-middle --design ou", {"ours", "ours-at-unmap"}, {"vm-pat"}),
    ("compare truncate-middle --with 6.12,7", {"6.12,7.3"}, {"6.12,6.12"}),
    ("compare truncate-middle --with 6.12,7.3,our", {"6.12,7.3,ours"}, set()),
    ("compare --explore 6.12 7", {"7.3"}, {"6.12"}),
    ("check --property I1,I", {"I1,I2", "I1,I10"}, {"I1,I1"}),
    ("explain KERNEL_BUG_VMA", {"KERNEL_BUG_VMA_SPLIT"}, set()),
    ("lab conform --kernel 5.10,7", {"5.10,7.3"}, set()),
    ("triage log", {"log.txt"}, {"mine.pfn"}),
    ("audit --snapshot sn", {"snapshot/"}, {"mine.pfn"}),
    ("scenarios list --tag mrem", {"mremap"}, set()),
    ("schema comp", {"comparison"}, set()),
    ("scenarios fo", {"format"}, {"list"}),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with a scenario, a text and a folder."""
    (tmp_path / "mine.pfn").touch()
    (tmp_path / "mine.txt").touch()
    (tmp_path / "log.txt").touch()
    (tmp_path / "snapshot").mkdir()
    return tmp_path


def needs(shell: str) -> None:
    """Skip where the shell is not installed."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")


@pytest.mark.parametrize(("typed", "offered", "not_offered"), CASES)
def test_bash(typed: str, offered: set[str], not_offered: set[str], folder: Path) -> None:
    """The function that bash calls fills the list with these words."""
    words = ["pfntrack", *typed.split(" ")]
    quoted = " ".join(f"'{word}'" for word in words)
    program = f"""
        source {BASH}
        COMP_WORDS=({quoted})
        COMP_CWORD={len(words) - 1}
        _pfntrack 2>&1
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-uc", program], cwd=folder, capture_output=True, text=True, check=True
    )
    found = set(done.stdout.split("\n"))
    # Readline adds the slash of a folder.
    assert {word.rstrip("/") for word in offered} <= {word.rstrip("/") for word in found}
    assert not found & not_offered
    assert done.stderr == ""


@pytest.mark.parametrize(("typed", "offered", "not_offered"), CASES)
def test_fish(typed: str, offered: set[str], not_offered: set[str], folder: Path) -> None:
    """Fish prints what it would offer."""
    needs("fish")
    program = f"source {FISH}; complete -C 'pfntrack {typed}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", program],
        cwd=folder,
        env=os.environ | {"HOME": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = {line.partition("\t")[0] for line in done.stdout.splitlines()}
    assert offered <= found
    assert not found & not_offered
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("tri", "triage"),
        ("lab fu", "fuzz"),
        ("run truncate-midd", "truncate-middle"),
        ("run mi", "mine.pfn"),
        ("run truncate-middle --rele", "--release"),
        ("run truncate-middle --design track-c", "track-context"),
        ("run truncate-middle --design=track-c", "--design=track-context"),
        ("compare truncate-middle --with 6.12,7.", "6.12,7.3"),
        ("check --property I1,ti", "I1,tight"),
        ("explain KERNEL_BUG_VMA_S", "KERNEL_BUG_VMA_SPLIT"),
        ("audit --snapshot sn", "snapshot/"),
        ("check --preset qu", "quick"),
    ],
)
def test_zsh(typed: str, written: str, folder: Path) -> None:
    """A zsh at a terminal: Tab completes the word."""
    needs("zsh")
    out = at_terminal(folder, f"pfntrack {typed}\t")
    line = out.rpartition("READY")[2]
    assert re.search(rf"{re.escape(written)}(?![\w.-])", line), out


def at_terminal(folder: Path, keys: str) -> str:
    """What a zsh shows when these keys are typed."""
    functions = folder / "functions"
    functions.mkdir()
    shutil.copy(ZSH, functions)
    home = {"HOME": str(folder), "ZDOTDIR": str(folder), "TERM": "dumb", "PATH": os.environ["PATH"]}
    begin = (
        f"fpath=({functions} $fpath); autoload -U compinit; compinit -u -D; PS1=; echo REA''DY\n"
    )
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execvpe("zsh", ["zsh", "-f", "-i"], home)
    shown = ""
    try:
        os.write(terminal, begin.encode())
        shown = until_quiet(terminal, "READY")
        os.write(terminal, keys.encode())
        shown += until_quiet(terminal, "")
    finally:
        os.close(terminal)
        os.waitpid(child, 0)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x07|\r|.\x08", "", shown)


def until_quiet(terminal: int, wanted: str) -> str:
    """What comes until nothing has come for a while, and `wanted` is there."""
    shown, end = "", time.monotonic() + 20
    while time.monotonic() < end:
        if select.select([terminal], [], [], 1.0)[0]:
            try:
                shown += os.read(terminal, 65536).decode(errors="replace")
            except OSError:
                break
        elif wanted in shown and shown:
            break
    return shown
