"""Real kernels: what the other tests of this folder only pretend."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest

from pfntrack.errors import GuestError
from pfntrack.lab.boot import cpio
from pfntrack.lab.build import boot_files
from pfntrack.lab.compare import differences
from pfntrack.lab.guest import BootFiles, Guest
from pfntrack.lab.kernels import find
from pfntrack.lab.record import record

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
    _files("6.1")
    one, two = record(find("debian:6.1"), [HEAD, HEAD])
    assert one.trace is not None
    assert two.trace is not None
    assert list(differences(one.trace, two.trace, exact_warnings=True)) == []


def test_without_the_module() -> None:
    _files("6.1", with_module=False)
    zap = {**HEAD, "name": "zap", "steps": [OPEN, MAP, {"op": "zap", "p": "A", "fd": 0}]}
    plain, refused = record(find("debian:6.1"), [HEAD, zap], with_module=False)
    assert plain.trace is not None
    assert plain.trace["end"]["leaked"] == [["H", 0, 4, "WC"]]
    assert refused.trace is None
    assert "needs the driver module" in refused.error


def test_kernel_by_path_without_anything_else(tmp_path: Path) -> None:
    image = tmp_path / "bzImage"
    image.write_bytes(_files("6.12").kernel.read_bytes())
    (outcome,) = record(find(str(image)), [HEAD])
    assert outcome.trace is not None
    assert outcome.trace["kernel"]["series"] == "6.12"
    assert outcome.trace["end"]["leaked"] == [["H", 0, 4, "WC"]]


def test_panic_shows_the_console(tmp_path: Path) -> None:
    initrd = tmp_path / "initrd"
    initrd.write_bytes(cpio({"init": b"not a program"}))
    files = attrs.evolve(_files("6.1"), initrd=initrd)
    with pytest.raises(GuestError, match="Kernel panic"), Guest(files):
        pass


_HOLD = """
import sys, time
from pfntrack.lab.build import boot_files
from pfntrack.lab.guest import Guest
from pfntrack.lab.kernels import find
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
