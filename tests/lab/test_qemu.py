"""QEMU's process, with a stand-in where no kernel is needed."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pfntrack.errors import GuestError
from pfntrack.lab.guests import machine, qemu
from pfntrack.lab.guests.guest import BootFiles, command_line
from pfntrack.lab.guests.qemu import LineChannel, Qemu, remove_leftovers, require_tool


def test_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(GuestError, match=r"qemu-system-x86$"):
        require_tool("qemu-system-x86_64")
    with pytest.raises(GuestError, match="qemu-utils"):
        require_tool("qemu-img")


def test_lines_arrive_whole_and_in_time() -> None:
    ours, theirs = socket.socketpair()
    channel = LineChannel(ours)
    theirs.sendall(b"one\ntw")
    assert channel.receive(1) == "one"
    with pytest.raises(TimeoutError):
        channel.receive(0.05)
    theirs.sendall(b"o\n")
    assert channel.receive(1) == "two"
    theirs.sendall(b"stale\n")
    channel.drain()
    theirs.close()
    with pytest.raises(EOFError):
        channel.receive(1)
    channel.close()


def _fake(folder: Path, script: str) -> str:
    for name, text in {
        machine.QEMU: script,
        "qemu-img": "exit 0",
        "setpriv": 'shift 2; exec "$@"',
    }.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_qemu_that_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", _fake(tmp_path, "echo bad option >&2; exit 1"))
    with pytest.raises(GuestError, match="bad option"), Qemu([], Path("k"), Path("i"), "quiet"):
        pass


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", _fake(tools, "exit 1"))
    with pytest.raises(GuestError), Qemu([], Path("k"), Path("i"), "quiet"):
        pass
    assert list(tmp_path.glob("pfntrack-lab-*")) == []


def test_folders_of_dead_processes_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead = tmp_path / "pfntrack-lab-999999999-x"
    mine = tmp_path / f"pfntrack-lab-{os.getpid()}-x"
    for path in (dead, mine):
        path.mkdir()
    remove_leftovers()
    assert not dead.exists()
    assert mine.exists()


def test_console_tail_is_bounded(tmp_path: Path) -> None:
    guest = Qemu([], Path("k"), Path("i"), "quiet")
    log = guest._dir / "console.log"
    log.write_text("".join(f"line {i}\n" for i in range(100)))
    tail = guest.console_tail().splitlines()
    assert len(tail) == qemu.CONSOLE_LINES
    assert tail[-1] == "line 99"
    mark = guest.console_size()
    with log.open("a") as file:
        file.write("more\n")
    assert guest.console_since(mark) == ["more"]
    assert "line 99" in str(guest.failure("it is lost"))
    guest.close()


def test_dry_run_shows_the_machine() -> None:
    line = command_line(BootFiles("6.1", Path("vmlinuz"), Path("initrd"), (), vfio=True))
    assert line[0] == machine.QEMU
    assert "intel-iommu" in line
    assert any("intel_iommu=on" in word for word in line)
    assert line[line.index("-kernel") + 1] == "vmlinuz"


def test_windows_are_read_from_sysfs() -> None:
    text = "0x0 0x0 0x0\n0x0 0x0 0x0\n0xfc000000 0xfcffffff 0x14220c\n"
    bar = machine.parse_bar(machine.WINDOWS[0], text)
    assert bar is not None
    assert bar.as_json() == {
        "base": 0xFC000000,
        "pages": 4096,
        "flags": "0x14220c",
        "bdf": "0000:00:04.0",
        "n": 2,
    }
    assert machine.parse_bar(machine.WINDOWS[1], text) is None
    assert machine.parse_bar(machine.WINDOWS[2], text) is None
