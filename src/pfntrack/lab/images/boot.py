"""The initramfs: the agent as /init, the modules, and nothing else."""

from __future__ import annotations

import gzip
import lzma
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pfntrack.errors import GuestError

_DEPENDS = re.compile(rb"\x00depends=([^\x00]*)\x00")
_S_IFREG, _S_IFDIR, _S_IFCHR = 0o100000, 0o040000, 0o020000
_CONSOLE_DEVICE = (5, 1)


def module_bytes(path: Path) -> bytes:
    """A module as the kernel wants it, unpacked if it is stored packed."""
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def module_name(path: Path) -> str:
    """``vfio-pci-core.ko.xz`` -> ``vfio_pci_core``."""
    return path.name.split(".ko", 1)[0].replace("-", "_")


def load_order(wanted: list[str], available: Mapping[str, bytes]) -> list[str]:
    """Modules in an order in which each comes after those it depends on."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name in order or name not in available:
            return
        match = _DEPENDS.search(available[name])
        for needed in match[1].decode().split(",") if match else ():
            visit(needed.replace("-", "_"))
        order.append(name)

    for name in wanted:
        visit(name)
    return order


def _entry(name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def cpio(files: Mapping[str, bytes]) -> bytes:
    """A newc archive with the given files, their folders and a console."""
    folders = {"dev", "proc", "sys"}
    for name in files:
        folders |= {str(parent) for parent in Path(name).parents if str(parent) != "."}
    parts = [_entry(folder, _S_IFDIR | 0o755) for folder in sorted(folders)]
    parts.append(_entry("dev/console", _S_IFCHR | 0o600, device=_CONSOLE_DEVICE))
    parts += [_entry(name, _S_IFREG | 0o755, data) for name, data in sorted(files.items())]
    return b"".join(parts) + _entry("TRAILER!!!", 0)


def initramfs(agent: Path, modules: Mapping[str, bytes]) -> bytes:
    """The packed initramfs."""
    files = {"init": agent.read_bytes()}
    files |= {f"mod/{name}.ko": data for name, data in modules.items()}
    return gzip.compress(cpio(files), compresslevel=1, mtime=0)


def build_agent(sources: Path, headers: Path, output: Path) -> None:
    """Compile the guest's agent.

    Raises GuestError: there is no compiler, or it refuses the source.
    """
    files = sorted(str(path) for path in sources.glob("*.c"))
    command = ["gcc", "-O1", "-static", "-s", "-Wall", "-I", str(headers), "-o", str(output)]
    try:
        done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError as error:
        raise GuestError("gcc not found: install the Debian packages gcc and libc6-dev") from error
    if done.returncode:
        raise GuestError(f"the guest's agent does not compile:\n{done.stderr}")
