"""A search that is killed loses nothing: resumed, it ends like one that nobody touched."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

BOUNDS = ("--release", "7.3", "--all", "--bounds", "2,2,2,1,2", "--workers", "1")
ALWAYS = ("--no-output", "--json", "--quiet")
SLOWEST = 300


def command(*more: str) -> list[str]:
    """A search in its own process."""
    return [sys.executable, "-m", "pfntrack", "check", *BOUNDS, *ALWAYS, *more]


def counts(text: str) -> dict[str, Any]:
    """What must not depend on how often a search was killed."""
    document: dict[str, Any] = json.loads(text)
    wanted = ("states", "transitions", "cut", "depth", "complete", "coverage", "properties")
    found = {key: document[key] for key in wanted}
    return {key: _without_time(value) for key, value in found.items()}


def _without_time(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_time(each)
            for key, each in value.items()
            if not any(word in key for word in ("seconds", "memory", "rate", "worker", "resum"))
        }
    return [_without_time(each) for each in value] if isinstance(value, list) else value


def run(*more: str) -> tuple[int, str]:
    """To the end."""
    done = subprocess.run(command(*more), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def killed(save: Path, at: float, *more: str) -> None:
    """One that saves all the time, and is killed `at` seconds after its first checkpoint."""
    saving = ("--checkpoint", str(save), "--interval", "0.05")
    process = subprocess.Popen(
        command(*saving, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        began = time.monotonic()
        while not save.exists() and process.poll() is None:
            assert time.monotonic() - began < SLOWEST
            time.sleep(0.01)
        time.sleep(at)
    finally:
        process.kill()
        process.wait()


def check_moments(folder: Path, moments: list[float], *more: str) -> None:
    """Killed at each of the moments, resumed, and compared."""
    code, out = run(*more)
    whole = counts(out)
    for number, at in enumerate(moments):
        save = folder / f"save{number}"
        killed(save, at, *more)
        again, text = run("--resume", str(save), *more)
        assert again == code
        assert counts(text) == whole, f"killed {at} s after its first checkpoint"


@pytest.mark.parametrize("symmetry", [(), ("--symmetry",)], ids=["plain", "symmetry"])
def test_killed_once(symmetry: tuple[str, ...], tmp_path: Path) -> None:
    """In the middle of saving, most of the time."""
    check_moments(tmp_path, [0.3], *symmetry)


@pytest.mark.deep
@pytest.mark.parametrize("symmetry", [(), ("--symmetry",)], ids=["plain", "symmetry"])
def test_killed_at_twenty_moments(symmetry: tuple[str, ...], tmp_path: Path) -> None:
    """Spread over the search."""
    check_moments(tmp_path, [0.13 * number for number in range(20)], *symmetry)


def test_a_killed_parent_leaves_no_workers() -> None:
    """The processes of `study` end with the one that started them."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pfntrack", "study", "--preset", "quick", "--jobs", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    children: list[int] = []
    try:
        began = time.monotonic()
        while len(children) < 2:
            assert process.poll() is None
            assert time.monotonic() - began < SLOWEST
            time.sleep(0.1)
            children = _children(process.pid)
        time.sleep(2)
    finally:
        process.kill()
        process.wait()
    began = time.monotonic()
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() - began < SLOWEST
        time.sleep(0.1)


def _children(parent: int) -> list[int]:
    """Processes that a process has started, but the tracker of the standard library."""
    path = Path(f"/proc/{parent}/task/{parent}/children")
    found = [int(word) for word in path.read_text().split()]
    return [
        child
        for child in found
        if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
