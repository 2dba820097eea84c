"""The initramfs."""

from __future__ import annotations

import gzip
import lzma
import shutil
import subprocess
from pathlib import Path

import pytest

from pfntrack.errors import GuestError
from pfntrack.lab.images.boot import (
    build_agent,
    cpio,
    initramfs,
    load_order,
    module_bytes,
    module_name,
)
from pfntrack.lab.images.build import GUEST_SOURCES, MODULE_SOURCES


def _module(depends: str) -> bytes:
    return b"\x7fELF\x00license=GPL\x00depends=" + depends.encode() + b"\x00name=x\x00"


def test_modules_come_after_what_they_need() -> None:
    available = {
        "vfio_pci": _module("vfio-pci-core,vfio"),
        "vfio_pci_core": _module("irqbypass,vfio"),
        "vfio": _module(""),
        "irqbypass": _module(""),
        "unused": _module(""),
    }
    order = load_order(["vfio_pci"], available)
    assert order == ["irqbypass", "vfio", "vfio_pci_core", "vfio_pci"] or order == [
        "vfio",
        "irqbypass",
        "vfio_pci_core",
        "vfio_pci",
    ]


def test_modules_that_are_built_in_are_left_out() -> None:
    assert load_order(["virtio_pci"], {}) == []


def test_packed_modules_are_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "vfio-pci-core.ko.xz"
    path.write_bytes(lzma.compress(b"module"))
    assert module_bytes(path) == b"module"
    assert module_name(path) == "vfio_pci_core"


@pytest.mark.skipif(shutil.which("cpio") is None, reason="the Debian package cpio is missing")
def test_archive_is_what_cpio_reads(tmp_path: Path) -> None:
    archive = cpio({"init": b"hello", "mod/a.ko": b"xyz"})
    listing = subprocess.run(
        ["cpio", "-t", "--quiet"], input=archive, capture_output=True, check=True
    )
    names = listing.stdout.decode().split()
    assert {"init", "mod", "mod/a.ko", "dev/console", "proc", "sys"} <= set(names)


def test_initramfs_is_the_same_each_time(tmp_path: Path) -> None:
    agent = tmp_path / "agent"
    agent.write_bytes(b"program")
    one, two = (initramfs(agent, {"m": b"x"}) for _ in range(2))
    assert one == two
    assert b"program" in gzip.decompress(one)


def test_agent_that_does_not_compile(tmp_path: Path) -> None:
    (tmp_path / "broken.c").write_text("int main(void) { return }\n")
    with pytest.raises(GuestError, match="does not compile"):
        build_agent(tmp_path, MODULE_SOURCES, tmp_path / "out")


def test_sources_are_in_the_package() -> None:
    assert (GUEST_SOURCES / "agent.c").is_file()
    assert "GPL-2.0" in (MODULE_SOURCES / "main.c").read_text().splitlines()[0]
