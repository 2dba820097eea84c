"""Real kernels: what the other tests of this folder only pretend."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest

from pfntrack.cli import main
from pfntrack.errors import GuestError
from pfntrack.lab.guests.guest import BootFiles, Guest
from pfntrack.lab.guests.qemu import CONSOLE_LINES
from pfntrack.lab.images.boot import cpio
from pfntrack.lab.images.build import boot_files
from pfntrack.lab.images.find import find
from pfntrack.lab.play.compare import differences
from pfntrack.lab.play.record import record

pytestmark = pytest.mark.lab

SERIES = ("5.10", "6.1", "6.12", "7.3")
OPEN = {"op": "open", "p": "A", "fd": 0, "target": "sysfs", "bar": "H", "wc": True}
MAP = {
    "op": "mmap",
    "p": "A",
    "at": 0,
    "pages": 16,
    "fd": 0,
    "off": 0,
    "share": "shared",
    "prot": "rw",
}
HEAD: dict[str, Any] = {
    "name": "munmap-head",
    "tags": ["intree"],
    "steps": [OPEN, MAP, {"op": "munmap", "p": "A", "at": 0, "pages": 4}],
}


@cache
def _files(series: str, *, with_module: bool = True) -> BootFiles:
    try:
        return boot_files(find(f"debian:{series}"), with_module=with_module)
    except GuestError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("series", SERIES)
def test_split_mapping_leaks_until_contexts_came(series: str) -> None:
    """One scenario on each kernel: what leaks, what is mapped, what the log says."""
    _files(series)
    (outcome,) = record(find(f"debian:{series}"), [HEAD])
    assert outcome.trace is not None
    leaked = outcome.trace["end"]["leaked"]
    assert leaked == ([] if series.startswith("7") else [["H", 0, 4, "WC"]])
    step = outcome.trace["steps"][2]
    assert step["procs"]["A"]["vmas"][0]["ptes"] == [
        {"at": 4, "n": 12, "to": ["H", 4], "cache": "WC", "w": 1}
    ]
    invalid = [event for event in step["events"] if event["ev"] == "free_invalid"]
    assert bool(invalid) is (not series.startswith("7"))


def test_programs_do_not_see_each_others_leaks() -> None:
    """The snapshot is restored: a program played twice gives the same trace."""
    _files("6.1")
    one, two = record(find("debian:6.1"), [HEAD, HEAD])
    assert one.trace is not None
    assert two.trace is not None
    assert list(differences(one.trace, two.trace, exact_warnings=True)) == []


def test_without_the_module() -> None:
    """A kernel without the module plays what needs none, and refuses the rest."""
    _files("6.1", with_module=False)
    zap = {**HEAD, "name": "zap", "steps": [OPEN, MAP, {"op": "zap", "p": "A", "fd": 0}]}
    plain, refused = record(find("debian:6.1"), [HEAD, zap], with_module=False)
    assert plain.trace is not None
    assert plain.trace["end"]["leaked"] == [["H", 0, 4, "WC"]]
    assert refused.trace is None
    assert "needs the driver module" in refused.error


def test_kernel_by_path_without_anything_else(tmp_path: Path) -> None:
    """Any bzImage can be booted."""
    image = tmp_path / "bzImage"
    image.write_bytes(_files("6.12").kernel.read_bytes())
    (outcome,) = record(find(str(image)), [HEAD])
    assert outcome.trace is not None
    assert outcome.trace["kernel"]["series"] == "6.12"
    assert outcome.trace["end"]["leaked"] == [["H", 0, 4, "WC"]]


def test_panic_shows_the_console(tmp_path: Path) -> None:
    """A guest that dies while booting says why."""
    initrd = tmp_path / "initrd"
    initrd.write_bytes(cpio({"init": b"not a program"}))
    files = attrs.evolve(_files("6.1"), initrd=initrd)
    with pytest.raises(GuestError, match="Kernel panic"), Guest(files):
        pass


_HOLD = """
import sys, time
from pfntrack.lab.images.build import boot_files
from pfntrack.lab.guests.guest import Guest
from pfntrack.lab.images.find import find
with Guest(boot_files(find("debian:6.1"))) as guest:
    print(guest._qemu._process.pid, guest._qemu._dir, flush=True)
    time.sleep(60)
"""


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]
    except OSError:
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_nothing_survives_its_owner(how: signal.Signals) -> None:
    """QEMU ends with the process that started it, however that ends."""
    _files("6.1")
    owner = subprocess.Popen([sys.executable, "-c", _HOLD], stdout=subprocess.PIPE, text=True)
    with owner:
        assert owner.stdout is not None
        pid, folder = owner.stdout.readline().split()
        assert _alive(int(pid))
        os.kill(owner.pid, how)
        owner.wait(timeout=20)
    end = time.monotonic() + 5
    while _alive(int(pid)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _alive(int(pid))
    if how == signal.SIGINT:
        assert not Path(folder).exists()


def _console_lines(text: str) -> list[str]:
    """What an error shows of the guest's console."""
    return text.partition("last lines:\n")[2].splitlines()


def test_hang_is_bounded() -> None:
    """A guest that stands still is given up in time, with at most 40 lines of its console."""
    with Guest(_files("6.1")) as guest:
        guest._qemu._execute("stop")
        began = time.monotonic()
        with pytest.raises(GuestError, match="did not answer within 2 s") as caught:
            guest._ask("hello", timeout=2)
        assert time.monotonic() - began < 10
        assert len(_console_lines(str(caught.value))) <= CONSOLE_LINES


CRASH = {"op": "sysctl", "name": "../sysrq-trigger", "value": "c"}


def _crashing_program(folder: Path) -> str:
    path = folder / "crash.json"
    path.write_text(json.dumps({"name": "crash", "steps": [OPEN, MAP, CRASH, MAP]}))
    return str(path)


def test_panic_while_playing_is_exit_code_255(tmp_path: Path, capsys: Any) -> None:
    """The command says that the guest was lost, with the console's end, and leaves nothing."""
    _files("6.12")
    began = time.monotonic()
    assert main(["lab", "run", _crashing_program(tmp_path), "--kernel", "6.12"]) == 255
    assert time.monotonic() - began < 120
    said = capsys.readouterr()
    assert "the guest was lost" in said.err
    assert "RIP: " in said.err or "Kernel panic" in said.err
    assert 0 < len(_console_lines(said.err)) <= CONSOLE_LINES + 1
    assert not list(Path(tempfile.gettempdir()).glob(f"pfntrack-lab-{os.getpid()}-*"))


def test_programs_after_a_panic_are_played(tmp_path: Path) -> None:
    """A lost guest is booted again, so that one bad program costs no other."""
    _files("6.12")
    crash = json.loads(Path(_crashing_program(tmp_path)).read_text())
    lost, good = record(find("debian:6.12"), [crash, HEAD])
    assert lost.error
    assert lost.trace is not None
    assert lost.trace["steps"][-1]["result"]["signal"] == "LOST"
    assert good.trace is not None
    assert good.trace["end"]["leaked"] == [["H", 0, 4, "WC"]]


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def test_interrupt_is_exit_code_130() -> None:
    """Ctrl-C ends the command in time; QEMU and its files are gone."""
    _files("6.12")
    command = [sys.executable, "-m", "pfntrack", "lab", "conform", "--kernel", "6.12"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        end = time.monotonic() + 90
        while not (children := _children(process.pid)) and time.monotonic() < end:
            time.sleep(0.05)
        assert children
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert not any(_alive(child) for child in children)
    assert not list(Path(tempfile.gettempdir()).glob(f"pfntrack-lab-{process.pid}-*"))
