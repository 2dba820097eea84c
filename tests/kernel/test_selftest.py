"""The kernel's own selftest with our change of it, in guests."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import attrs
import pytest

from pfntrack.errors import GuestError
from pfntrack.lab.guests.guest import BootFiles, Guest
from pfntrack.lab.guests.qemu import require_tools
from pfntrack.lab.images.boot import cpio
from pfntrack.lab.images.build import boot_files
from pfntrack.lab.images.changes import changed_texts, gather_changes
from pfntrack.lab.images.find import find
from pfntrack.lab.images.kbuild import Job, build
from pfntrack.lab.images.sources import find_source

pytestmark = [pytest.mark.lab, pytest.mark.kernel]

_FOLDER = "tools/testing/selftests"
_FILE = "/sys/bus/pci/devices/0000:00:04.0/resource2_wc"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The selftest as it is, and as the change makes it."""
    try:
        require_tools()
        source = find_source("7.3")
        tree = find(build(Job(source), 2, lambda _text: None)).build
    except GuestError as error:
        pytest.skip(f"no kernel can be built here: {error}")
    assert tree is not None
    subprocess.run(["make", "-s", "-C", str(tree), "headers"], check=True)
    made = {}
    for name, changes in (("plain", []), ("changed", ["selftest-pfnmap"])):
        top = tmp_path_factory.mktemp(name)
        texts = changed_texts(source.folder, gather_changes(changes))
        for place in (f"{_FOLDER}/mm/pfnmap.c", *texts):
            (top / place).parent.mkdir(parents=True, exist_ok=True)
            old = source.folder / place
            (top / place).write_bytes(texts[place] if place in texts else old.read_bytes())
        command = ["gcc", "-O1", "-static", "-s", "-w", "-isystem", str(tree / "usr/include")]
        command += [f"-I{source.folder / place}" for place in (f"{_FOLDER}/mm", _FOLDER)]
        command += ["-I", str(source.folder / "tools/include"), "-o", str(top / "out")]
        command += [
            str(top / _FOLDER / "mm/pfnmap.c"),
            str(source.folder / _FOLDER / "mm/vm_util.c"),
        ]
        subprocess.run(command, check=True)
        made[name] = (top / "out").read_bytes()
    return made


def _failed(files: BootFiles, program: bytes, folder: Path) -> list[str]:
    """The tests that fail in a guest."""
    initrd = folder / "initrd"
    initrd.write_bytes(files.initrd.read_bytes() + gzip.compress(cpio({"prog/t": program})))
    with Guest(attrs.evolve(files, initrd=initrd)) as guest:
        said = guest.run(f"/prog/t -- {_FILE}", 60.0)["text"].splitlines()
    assert sum(line.startswith(("ok ", "not ok ")) for line in said) == 6
    return [line.rpartition(".")[2] for line in said if line.startswith("not ok ")]


@pytest.mark.parametrize(
    ("kernel", "failing"),
    [("6.12", ["munmap_split"]), ("7.3", []), ("7.3.4-context-list-early", [])],
)
def test_the_selftest(
    programs: dict[str, bytes], tmp_path: Path, kernel: str, failing: list[str]
) -> None:
    """It passes everywhere; with the list of reservations compared it fails where one leaks."""
    if "-" in kernel:
        changes = tuple(gather_changes([kernel.split("-", 1)[1]]))
        kernel = build(Job(find_source("7.3"), changes), 2, lambda _text: None)
    files = boot_files(find(kernel))
    assert _failed(files, programs["plain"], tmp_path) == []
    assert _failed(files, programs["changed"], tmp_path) == failing
