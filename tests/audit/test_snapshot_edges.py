"""A snapshot comes from somebody else: what is no file of its own is not read."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from audit.build import TRACKED, Proc, Vma, pages, write
from pfntrack.audit.read.snapshot import SnapshotCollector
from pfntrack.errors import InputFormatError

NAMES = ("dmesg", "iomem", "mtrr", "vmallocinfo", "version", "pat_memtype_list", "pid/90/maps")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["pipe", "link", "device", "folder"])
def test_only_files_of_its_own(tmp_path: Path, name: str, kind: str) -> None:
    """A pipe without a writer does not block; a link shows nothing of this machine."""
    secret = tmp_path / "secret"
    secret.write_text("root:x\n")
    folder = write(
        tmp_path / "s", [pages(0, 4)], [Proc(90, "p", (Vma(0x7F0000000, 0, 4, TRACKED),))]
    )
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(secret)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    if name == "pid/90/maps":
        # Read only where there is no smaps.
        (folder / "pid" / "90" / "smaps.pfnmap").unlink(missing_ok=True)
    begun = time.monotonic()
    with pytest.raises(InputFormatError) as caught:
        SnapshotCollector(folder).collect()
    assert time.monotonic() - begun < 3
    assert path.name in str(caught.value)
    assert "root:x" not in str(caught.value)


@pytest.mark.parametrize("name", ["pid", "pid/90", "pci"])
def test_folders_that_lead_out(tmp_path: Path, name: str) -> None:
    """The same for directories."""
    folder = write(
        tmp_path / "s", [pages(0, 4)], [Proc(90, "p", (Vma(0x7F0000000, 0, 4, TRACKED),))]
    )
    path = folder / name
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputFormatError, match="a link"):
        SnapshotCollector(folder).collect()
