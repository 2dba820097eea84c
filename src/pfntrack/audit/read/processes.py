"""Processes with raw pfn mappings: the `pid` folders of a snapshot."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path

import attrs

from pfntrack.audit.read.files import folders, read
from pfntrack.field.read.lines import printable
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.state import Process, VmaState

_VMA = r"([0-9a-f]{1,16})-([0-9a-f]{1,16}) ([r-][w-][x-][ps]) ([0-9a-f]{1,16}) \S+ \d+ *([^\n]*)"
_SMAPS = re.compile(rf"^(?:{_VMA}|Anonymous: +(\d{{1,15}}) kB|VmFlags:([^\n]*))$", re.MULTILINE)
_MAPS = re.compile(rf"^{_VMA}$", re.MULTILINE)
_STATUS = re.compile(r"^(Name|Tgid|Pid|PPid):[ \t]*([^\n]*)$", re.MULTILINE)
_SYSPATH = re.compile(r"^vfio-device-syspath:\s*(\S+)", re.MULTILINE)
_BDF = re.compile(r"([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$")
_PCI_FILE = re.compile(r"/resource(\d{1,2})(_wc)?$")
MAX_ADDRESS = 1 << 64


@attrs.frozen
class Processes:
    """All processes of a snapshot and what was seen beside their VMAs."""

    processes: tuple[Process, ...]
    copied: Mapping[tuple[int, int], int]
    parents: Mapping[int, int]
    vfio_devices: Mapping[int, tuple[str, ...]]
    malformed: tuple[str, ...]


def file_kind(vma: VmaState) -> str:
    """`devmem`, `pci`, `vfio` or `other`: what kind of file the VMA maps."""
    return _kind(vma.file)


def asked_type(vma: VmaState) -> CacheMode | None:
    """The type that the mapping asked for, where the file alone decides it."""
    return file_type(vma.file)


@functools.lru_cache(maxsize=4096)
def _kind(name: str) -> str:
    if name == "/dev/mem":
        return "devmem"
    if (name.startswith("/sys/") and _PCI_FILE.search(name)) or name.startswith("/proc/bus/pci/"):
        return "pci"
    if "[vfio-device]" in name or name.startswith("/dev/vfio/devices/"):
        return "vfio"
    return "other"


@functools.lru_cache(maxsize=4096)
def file_type(name: str) -> CacheMode | None:
    """The same for a file name."""
    match = _PCI_FILE.search(name) if name.startswith("/sys/") else None
    if match:
        return CacheMode.WC if match[2] else CacheMode.UC_MINUS
    return CacheMode.UC_MINUS if _kind(name) == "vfio" else None


def load(folder: Path) -> Processes:
    """Read every `pid/N`; what makes no sense is counted, never guessed."""
    found: list[Process] = []
    copied: dict[tuple[int, int], int] = {}
    parents: dict[int, int] = {}
    vfio: dict[int, tuple[str, ...]] = {}
    malformed: list[str] = []
    for path in folders(folder / "pid"):
        if not path.name.isascii() or not path.name.isdigit() or len(path.name) > 10:
            malformed.append(f"pid/{printable(path.name)}: not a process id")
            continue
        pid = int(path.name)
        status = dict(_STATUS.findall(read(path / "status") or ""))
        if status.get("Tgid", path.name).strip() != path.name:
            continue
        vmas, counted = _vmas(path)
        parent = status.get("PPid", "").strip()
        if parent.isascii() and parent.isdigit() and len(parent) <= 10:
            parents[pid] = int(parent)
        if not vmas:
            malformed.append(f"pid/{pid}: no mapping could be read (it may have been exiting)")
            continue
        if any(not vma.flags for vma in vmas):
            malformed.append(f"pid/{pid}: no smaps: whether its mappings are tracked is not known")
        copied.update({(pid, start): size for start, size in counted.items()})
        info = read(path / "fdinfo.vfio") or ""
        names = [m[1] for line in _SYSPATH.findall(info) if (m := _BDF.search(line))]
        if names:
            vfio[pid] = tuple(dict.fromkeys(names))
        name = printable(status.get("Name", "?")).strip() or "?"
        found.append(Process(name, pid, tuple(sorted(vmas, key=lambda vma: vma.start))))
    return Processes(tuple(found), copied, parents, vfio, tuple(malformed))


def _vmas(path: Path) -> tuple[list[VmaState], dict[int, int]]:
    """VMAs with raw pfn mappings; without smaps those whose file says so."""
    smaps = read(path / "smaps.pfnmap")
    vmas: list[VmaState] = []
    counted: dict[int, int] = {}
    if smaps:
        header: re.Match[str] | None = None
        anonymous: int | None = None
        for match in _SMAPS.finditer(smaps):
            if match[1] is not None:
                header, anonymous = match, None
            elif match[6] is not None:
                anonymous = int(match[6]) << 10
            elif header is not None:
                flags, wanted, tracked = _flags(match[7])
                vma = _vma(header, flags, tracked=tracked) if wanted else None
                if vma is not None:
                    vmas.append(vma)
                    if anonymous is not None:
                        counted[vma.start] = anonymous
                header = None
        return vmas, counted
    for match in _MAPS.finditer(read(path / "maps") or ""):
        vma = _vma(match, "", tracked=False)
        if vma is not None and file_kind(vma) != "other":
            vmas.append(vma)
    return vmas, counted


@functools.lru_cache(maxsize=4096)
def _flags(line: str) -> tuple[str, bool, bool]:
    """The flags of a VmFlags line, whether it is a mapping of interest, whether tracked."""
    flags = line.split()
    return " ".join(flags), "pf" in flags or "mm" in flags, "ar" in flags


@functools.lru_cache(maxsize=4096)
def _file(name: str) -> str:
    return printable(name).strip().removesuffix(" (deleted)")


def _vma(match: re.Match[str], flags: str, *, tracked: bool) -> VmaState | None:
    start, end = int(match[1], 16), int(match[2], 16)
    name = _file(match[5])
    if start >= end or (start | end) & 0xFFF or name.startswith(("[vvar", "[vdso", "[vsyscall")):
        return None
    return VmaState(
        start=start >> PAGE_SHIFT,
        end=end >> PAGE_SHIFT,
        permissions=match[3],
        flags=flags,
        pgoff=int(match[4], 16) >> PAGE_SHIFT,
        file=name,
        tracked=tracked,
        context=None,
        prot=file_type(name) or CacheMode.UC_MINUS,
    )
