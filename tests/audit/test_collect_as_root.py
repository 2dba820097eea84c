"""The collector where others plant links, disks fill up and reads hang."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.build import machine
from pfntrack.audit.judged.checks import audit
from pfntrack.audit.read import collector
from pfntrack.audit.read.snapshot import SnapshotCollector

STALE = {"stale-reservation", "suspected-stale-reservation"}


def taken(root: Path, limit: float = 20.0) -> list[str]:
    """Collect from `root` into `root/out`."""
    return collector.collect(str(root / "out"), str(root), samples=2, pause=0, limit=limit)


def stale(folder: Path) -> set[str]:
    """Does the audit of a snapshot call the range that is held stale?"""
    return {found.code for found in audit(SnapshotCollector(folder).collect()).findings} & STALE


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """Copies of files that only root may read are not given to the world, whatever the umask."""
    machine(tmp_path)
    before = os.umask(0)
    try:
        taken(tmp_path)
    finally:
        os.umask(before)
    modes = {
        stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    folders = {path for path in (tmp_path / "out").rglob("*") if path.is_dir()}
    assert modes == {0o600}
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "out", *folders)} == {0o700}


@pytest.mark.parametrize("kind", ["folder", "link", "dangling", "file"])
def test_the_directory_must_not_exist(tmp_path: Path, kind: str) -> None:
    """Even an empty one may belong to somebody else, and a link leads anywhere."""
    machine(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    out = tmp_path / "out"
    if kind == "folder":
        out.mkdir()
    elif kind == "file":
        out.write_text("kept")
    else:
        out.symlink_to(other if kind == "link" else tmp_path / "nowhere")
    with pytest.raises(FileExistsError, match="expected a new directory"):
        taken(tmp_path)
    assert not any(other.iterdir())
    assert not (tmp_path / "nowhere").exists()


def test_a_directory_that_was_exchanged_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making and opening it, in a place where others may rename."""
    machine(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "theirs").write_text("kept")
    real = os.mkdir

    def by_link(path: Path) -> None:
        path.symlink_to(other)

    def by_name(path: Path) -> None:
        other.rename(path)

    for swap in (by_link, by_name):

        def exchanged(name: Any, *rest: Any, swap: Any = swap, **more: Any) -> None:
            real(name, *rest, **more)
            if str(name).endswith("out"):
                Path(name).rmdir()
                swap(Path(name))

        monkeypatch.setattr(os, "mkdir", exchanged)
        with pytest.raises(OSError, match=r"[Dd]irectory"):
            taken(tmp_path)
        monkeypatch.undo()
        found = list((tmp_path / "out").iterdir())
        assert [path.name for path in found] == ["theirs"]
        if (tmp_path / "out").is_symlink():
            (tmp_path / "out").unlink()


def test_links_that_are_planted_meanwhile_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is made anew; what stands in its place is told, and left alone."""
    machine(tmp_path)
    victim = tmp_path / "victim"
    victim.write_text("root's own")
    (tmp_path / "elsewhere").mkdir()
    begin = collector.Reader._start

    def plant(self: collector.Reader) -> None:
        out = tmp_path / "out"
        for name in ("version", "dmesg", collector.LIST):
            (out / name).symlink_to(victim)
        (out / "pid").symlink_to(tmp_path / "elsewhere")
        begin(self)

    monkeypatch.setattr(collector.Reader, "_start", plant)
    problems = taken(tmp_path)
    assert victim.read_text() == "root's own"
    assert not any((tmp_path / "elsewhere").iterdir())
    for name in ("version", "dmesg", collector.LIST, "pid/90/maps"):
        assert any(line.startswith(f"{name}: not written: ") for line in problems), name


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("call", ["pwrite", "open"])
@pytest.mark.parametrize("lasting", [True, False])
def test_each_write_error_is_told_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str, *, lasting: bool
) -> None:
    """Whichever write fails: a line with the reason, or no snapshot; and never a stale range."""
    machine(tmp_path)
    real: Callable[..., Any] = getattr(os, call)
    at = count = failed = 0

    def failing(*arguments: Any, **more: Any) -> Any:
        nonlocal count, failed
        if call == "pwrite" or arguments[1] & os.O_CREAT:
            count += 1
            if count > at if lasting else count == at + 1:
                failed += 1
                raise OSError(number, os.strerror(number))
        return real(*arguments, **more)

    for at in range(100):
        count = failed = 0
        monkeypatch.setattr(os, call, failing)
        out = tmp_path / "out"
        try:
            problems = taken(tmp_path)
        except OSError as error:
            assert os.strerror(number) in str(error)
            problems = []
        else:
            told = [line for line in problems if f"not written: {os.strerror(number)}" in line]
            assert len(told) == failed
        monkeypatch.undo()
        assert not any("exited" in line for line in problems)
        if (out / collector.LIST).exists():
            assert not stale(out), (at, problems)
        if out.exists():
            out.rename(tmp_path / f"out{at}{len(list(tmp_path.iterdir()))}")
        if not failed:
            break
    assert at > 15


@pytest.mark.parametrize("name", ["maps", "smaps", "status"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOMEM, errno.EMFILE])
def test_read_errors_are_no_exits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    """A process that could not be read is missing, with the reason, and holds what it holds."""
    machine(tmp_path)
    real = collector._read

    def failing(path: str) -> bytes:
        if path.endswith(f"90/{name}"):
            raise OSError(number, os.strerror(number))
        return real(path)

    monkeypatch.setitem(collector._WAYS, "read", failing)
    problems = taken(tmp_path)
    assert any(f"90/{name}: {os.strerror(number)}: missing" in line for line in problems)
    assert not stale(tmp_path / "out")
    missing = audit(SnapshotCollector(tmp_path / "out").collect()).evidence.missing
    assert any(os.strerror(number) in line for line in missing)


def test_a_read_that_hangs_is_left(tmp_path: Path) -> None:
    """A pipe without a writer stands for a file of a process that is stuck in the kernel."""
    machine(tmp_path)
    for name in ("proc/90/maps", "proc/mtrr", "proc/91/maps", "proc/modules"):
        (tmp_path / name).unlink(missing_ok=True)
        os.mkfifo(tmp_path / name)
    begun = time.monotonic()
    problems = taken(tmp_path, limit=0.3)
    assert time.monotonic() - begun < 10
    for name in ("proc/90/maps", "proc/mtrr", "proc/modules"):
        assert any(f"{name}: no answer within" in line for line in problems), name
    assert not stale(tmp_path / "out")


def test_a_collector_that_was_killed_leaves_no_whole_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it ends, the reader knows that anything may be missing."""
    machine(tmp_path)

    def killed(_self: collector.Snapshot) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(collector.Snapshot, "_processes", killed)
    with pytest.raises(KeyboardInterrupt):
        taken(tmp_path)
    out = tmp_path / "out"
    assert (out / "meta").read_text().startswith("collector 2 unfinished\n")
    assert not stale(out)
    evidence = audit(SnapshotCollector(out).collect()).evidence
    assert any("did not finish" in line for line in evidence.missing)


def test_what_is_whole_is_judged_as_before(tmp_path: Path) -> None:
    """The other side: with the process gone, the range is suspected."""
    machine(tmp_path)
    for path in (tmp_path / "proc" / "90").iterdir():
        path.unlink()
    taken(tmp_path)
    assert (tmp_path / "out" / "meta").read_text().startswith("collector 2 finished")
    assert stale(tmp_path / "out")
