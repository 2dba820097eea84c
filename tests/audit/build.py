"""Snapshots made to order: written as files, so that the whole way in is tested."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from pfntrack.audit.judged.checks import Audit, audit
from pfntrack.audit.judged.finding import Finding
from pfntrack.audit.read import collector
from pfntrack.audit.read.snapshot import SnapshotCollector
from pfntrack.state import Process, State

SNAPSHOTS = Path(__file__).parent / "snapshots"
RECORDED = sorted(path.name for path in SNAPSHOTS.iterdir())
VERSION = "Linux version {} (builder@host) (gcc 12.2.0) #1 SMP"
RELEASES = {"5.10": "5.10.223", "6.1": "6.1.192", "6.12": "6.12.117", "7.3": "7.3.4"}
BAR = 0xFE000000
# No kernel is without areas that are none of ioremap.
STACK = "0x0000000011a8510e-0x00000000e0d5a480   20480 dup_task_struct+0x1/0x2 pages=4 vmalloc\n"
TRACKED = "rd wr sh mr mw me ms pf io de ar dd sd"
UNTRACKED = "rd wr sh mr mw me ms pf io de dd sd"
COW = "rd wr mr mw me pf io de ar dd ac sd"
IOMEM = """\
00001000-0009fbff : System RAM
00100000-0bfcffff : System RAM
c0000000-febfffff : PCI Bus 0000:00
  fe000000-fe3fffff : 0000:00:06.0
  fea00000-feafffff : 0000:00:07.0
  feb04000-feb07fff : 0000:00:05.0
    feb04000-feb07fff : nvme
"""
DEVICES = {
    "0000:00:05.0": ("nvme", [(0, 0xFEB04000, 0xFEB07FFF, 0x140204)]),
    "0000:00:06.0": (None, [(2, 0xFE000000, 0xFE3FFFFF, 0x14220C)]),
    "0000:00:07.0": (None, [(0, 0xFEA00000, 0xFEAFFFFF, 0x40200)]),
}

Row = tuple[int, int, str]


@attrs.frozen
class Vma:
    """One block of smaps: pages of the BAR (or any address) through a file."""

    at: int
    first: int
    end: int
    flags: str = TRACKED
    file: str = "/dev/mem"
    base: int = BAR
    copied: int = 0
    offset: int | None = None

    @property
    def text(self) -> str:
        start = self.at << 12
        size = self.end - self.first
        offset = self.base + (self.first << 12) if self.offset is None else self.offset
        mode = "rw-s" if "sh" in self.flags.split() else "rw-p"
        return (
            f"{start:x}-{start + (size << 12):x} {mode} {offset:08x} 00:05 3      {self.file}\n"
            f"Size:     {size * 4} kB\nAnonymous:     {self.copied * 4} kB\n"
            f"VmFlags: {self.flags} \n"
        )


@attrs.frozen
class Proc:
    """One process of a snapshot."""

    pid: int
    name: str
    vmas: tuple[Vma, ...]
    parent: int = 1


def listing(rows: Sequence[Row]) -> str:
    """The list as the kernel prints it."""
    if not rows:
        return ""
    body = "".join(f"PAT: [mem 0x{s:016x}-0x{e:016x}] {kind}\n" for s, e, kind in rows)
    return "PAT memtype list:\n" + body


def pages(first: int, end: int, kind: str = "uncached-minus", base: int = BAR) -> Row:
    """A row in pages of the BAR."""
    return base + (first << 12), base + (end << 12), kind


def write(
    folder: Path,
    rows: Sequence[Row] = (),
    procs: Sequence[Proc] = (),
    *,
    release: str = "6.1",
    before: Sequence[Row] | None = None,
    samples: Sequence[Sequence[Row]] = (),
    areas: Sequence[tuple[int, int, str]] = (),
    log: Sequence[str] = (),
    devices: dict[str, Any] | None = None,
    iomem: str = IOMEM,
) -> Path:
    """Write a whole snapshot; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "version": VERSION.format(RELEASES.get(release, release)) + "\n",
        "cmdline": "quiet\n",
        "iomem": iomem,
        "mtrr": "reg00: base=0x0c0000000 ( 3072MB), size= 1024MB, count=1: uncachable\n",
        "vmallocinfo": STACK
        + "".join(
            f"0x0000000011a8510e-0x00000000e0d5a480 {e - s + 4096:7} {owner}+0x1/0x2 "
            f"phys=0x{s:016x} ioremap\n"
            for s, e, owner in areas
        ),
        "dmesg": "".join(f"[    1.000000] x86/PAT: {line}\n" for line in log),
        "cpuinfo": "flags : fpu pat\n",
        "pat_memtype_list.before": listing(rows if before is None else before),
        "pat_memtype_list": listing(rows),
    }
    if samples:
        parts = (f"## {n}.00\n{listing(sample)}" for n, sample in enumerate(samples))
        files["pat_memtype_list.samples"] = "".join(parts)
    for name, (driver, bars) in (DEVICES if devices is None else devices).items():
        rows_of = "".join(f"bar {n} 0x{a:016x} 0x{z:016x} 0x{f:016x}\n" for n, a, z, f in bars)
        files[f"pci/{name}"] = (f"driver {driver}\n" if driver else "") + rows_of
    for proc in procs:
        status = f"Name:\t{proc.name}\nTgid:\t{proc.pid}\nPid:\t{proc.pid}\nPPid:\t{proc.parent}\n"
        files[f"pid/{proc.pid}/status"] = status
        files[f"pid/{proc.pid}/smaps.pfnmap"] = "".join(vma.text for vma in proc.vmas)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def judge(folder: Path) -> Audit:
    """Audit a folder."""
    return audit(SnapshotCollector(folder).collect())


def made(folder: Path, *args: Any, **how: Any) -> Audit:
    """Write a snapshot and audit it."""
    return judge(write(folder, *args, **how))


def codes(result: Audit) -> list[str]:
    """Codes of the findings, sorted."""
    return sorted(finding.code for finding in result.findings)


def only(result: Audit, code: str) -> Finding:
    """The one finding of that code."""
    (found,) = [finding for finding in result.findings if finding.code == code]
    return found


def left(result: Audit) -> list[Row]:
    """What stays without owner if all exit."""
    return [(start, end, kind.cattr) for start, end, kind in result.forecast.everyone]


def from_state(folder: Path, state: State, release: str) -> Path:
    """A state of the model as the snapshot that a machine in it would give."""
    return write(
        folder,
        [(r.start, r.end, r.type.cattr) for r in state.reservations],
        [_proc(process) for process in state.processes if process.vmas],
        release=release,
        areas=[(m.start, m.end, m.owner) for m in state.kernel_mappings if m.mapped],
        iomem="00100000-0bfcffff : System RAM\n",
        devices={},
    )


def _proc(process: Process) -> Proc:
    vmas = tuple(
        Vma(
            at=0x7F0000000 + vma.start,
            first=0,
            end=vma.end - vma.start,
            flags=vma.flags,
            file=vma.file,
            offset=vma.pgoff << 12,
            copied=sum(e.end - e.start for e in vma.entries if e.pfn is None),
        )
        for vma in process.vmas
        if "pf" in vma.flags.split()
    )
    return Proc(process.pid, process.name, vmas)


def machine(root: Path) -> None:
    """A small tree of kernel files with one process that maps a BAR."""
    source = write(root / "source", [pages(0, 4)])
    files = {
        "proc/version": (source / "version").read_text(),
        "proc/cmdline": "quiet\n",
        "proc/iomem": (source / "iomem").read_text(),
        "proc/mtrr": (source / "mtrr").read_text(),
        "proc/vmallocinfo": (source / "vmallocinfo").read_text(),
        "proc/cpuinfo": "flags : pat\n\nprocessor : 1\n",
        "proc/uptime": "5.00 1.00\n",
        collector.DEBUGFS: (source / "pat_memtype_list").read_text(),
        "dev/kmsg": f"6,1,2500000,-;seen on {os.uname().nodename} now\n SUBSYSTEM=x\n",
        "proc/90/maps": "7f0000000000-7f0000004000 rw-s fe000000 00:05 3   /dev/mem\n",
        "proc/90/status": "Name:\tmapper\nUmask:\t0022\nTgid:\t90\nPid:\t90\nPPid:\t1\n",
        "proc/90/cmdline": "mapper\0--secret\0",
        "proc/90/smaps": "7f0000000000-7f0000004000 rw-s fe000000 00:05 3   /dev/mem\n"
        "Anonymous:  0 kB\nVmFlags: rd wr sh mr mw me ms pf io de ar dd sd \n"
        "7f0000005000-7f0000006000 r--p 00000000 00:00 0  [vvar]\nVmFlags: rd mr pf io de \n",
        "proc/91/maps": "00400000-00401000 r--p 00000000 00:02 19   /bin/sh\n",
    }
    for name, (_, bars) in DEVICES.items():
        base = f"sys/bus/pci/devices/{name}"
        files[f"{base}/vendor"] = "0x8086\n"
        rows = ["0x0 0x0 0x0\n"] * 3
        for number, start, last, flags in bars:
            rows[number] = f"0x{start:016x} 0x{last:016x} 0x{flags:016x}\n"
        files[f"{base}/resource"] = "".join(rows)
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
