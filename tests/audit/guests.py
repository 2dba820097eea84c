"""A booted guest in several situations at once: dumped, and described by its own text files."""

from __future__ import annotations

import functools
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import attrs
from drgn import Architecture, FaultError, Platform, Program

from pfntrack.audit.judged.checks import Audit, audit
from pfntrack.audit.memory import note
from pfntrack.audit.memory.collect import MemoryCollector
from pfntrack.audit.memory.program import open_qemu, open_vmcore
from pfntrack.audit.memory.qmp import Monitor
from pfntrack.audit.read.collector import pfnmap_blocks
from pfntrack.audit.read.snapshot import SnapshotCollector
from pfntrack.lab.guests.guest import Guest
from pfntrack.lab.images.build import boot_files
from pfntrack.lab.images.find import find
from pfntrack.lab.observe.state import Details, parse_state
from pfntrack.lab.play.ops import Translator

LIST = "/sys/kernel/debug/x86/pat_memtype_list"
PCI = "/sys/bus/pci/devices"
DEVICES = ("0000:00:04.0", "0000:00:05.0", "0000:00:06.0")
Op = dict[str, Any]

# Process A and its child B keep what they have; C leaves a piece behind on kernels with VM_PAT.
STEPS: tuple[Op, ...] = (
    {"op": "driver_unbind", "bar": "R"},
    {"op": "open", "p": "A", "fd": 0, "target": "sysfs", "bar": "H", "wc": True},
    {"op": "open", "p": "A", "fd": 1, "target": "devmem", "sync": True},
    {"op": "open", "p": "A", "fd": 2, "target": "sysfs", "bar": "L"},
    {"op": "mmap", "p": "A", "fd": 0, "at": 0, "pages": 16, "prot": "rw", "share": "shared"},
    {"op": "mmap", "p": "A", "fd": 1, "at": 100, "pages": 8, "prot": "rw", "share": "shared",
     "bar": "L", "off": 32},
    {"op": "mmap", "p": "A", "fd": 2, "at": 200, "pages": 8, "prot": "rw", "share": "private",
     "off": 64},
    {"op": "mmap", "p": "A", "fd": 1, "at": 300, "pages": 6, "prot": "r", "share": "shared",
     "bar": "R"},
    {"op": "fork", "p": "A", "child": "B"},
    {"op": "munmap", "p": "A", "at": 0, "pages": 4},
    {"op": "munmap", "p": "B", "at": 106, "pages": 2},
    {"op": "mprotect", "p": "B", "at": 8, "pages": 4, "prot": "r"},
    {"op": "write", "p": "A", "at": 200},
    {"op": "write", "p": "B", "at": 203},
    {"op": "kernel", "what": "ioremap", "bar": "L", "off": 512, "pages": 4, "cache": "WC",
     "id": "1"},
    {"op": "open", "p": "C", "fd": 2, "target": "sysfs", "bar": "L"},
    {"op": "mmap", "p": "C", "fd": 2, "at": 0, "pages": 16, "prot": "rw", "share": "shared",
     "off": 128},
    {"op": "munmap", "p": "C", "at": 0, "pages": 4},
    {"op": "exit", "p": "C"},
    {"op": "driver_bind", "bar": "R"},
)  # fmt: skip


@attrs.frozen
class Observed:
    """One guest at one moment, seen in every way, and what its processes' exits led to."""

    kernel: str
    dump: Path
    kdump: Path
    snapshot: Path
    details: dict[str, dict[int, Details]]
    from_dump: Audit
    from_qemu: Audit
    from_text: Audit
    list_after: str
    log_after: tuple[str, ...]


class Player:
    """Plays operations in a guest."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.translate = Translator(guest.bars, guest.regions, "")
        self.alive: list[str] = []

    def play(self, op: Op) -> None:
        process = op.get("p", "A")
        if process not in self.alive:
            self.guest.command(f"start {process}")
            self.alive.append(process)
        command = self.translate.command(op, process)
        for line in command.lines:
            if command.process:
                answer = self.guest.in_process(command.process, line)
            else:
                answer = self.guest.command(line)
            assert answer.error == 0, (op, answer)
        if op["op"] == "fork":
            self.translate.forked(process, op["child"])
            self.alive.append(op["child"])
        if op["op"] == "exit":
            self.alive.remove(process)


def dump(guest: Guest, path: Path, form: str = "elf") -> None:
    """A memory dump as QEMU writes it, `elf` or `kdump-zlib`."""
    where = f"file:{path}"
    with Monitor(guest.outside) as monitor:
        monitor.execute("dump-guest-memory", paging=False, protocol=where, format=form)


def observe(kernel: str, folder: Path) -> Observed:
    """Boot, play, look in every way, let everybody exit, look at the list again."""
    with Guest(boot_files(find(kernel))) as guest:
        player = Player(guest)
        for op in STEPS:
            player.play(op)
        seen = guest.observe()
        details = {
            f"lab{name}": parse_state(process["state"])
            for name, process in seen.processes.items()
            if name in player.alive
        }
        path = folder / "vmcore"
        dump(guest, path)
        dump(guest, folder / "kdump", "kdump-zlib")
        from_dump = audit(MemoryCollector(lambda: open_vmcore(path)).collect())
        from_qemu = audit(MemoryCollector(lambda: open_qemu(guest.outside)).collect())
        processes = from_dump.evidence.state.processes
        snapshot(guest, folder / "text", [p.pid for p in processes], seen.log)
        from_text = audit(SnapshotCollector(folder / "text").collect())
        names = {process.name.removeprefix("lab") for process in processes}
        for name in sorted(names):
            player.play({"op": "exit", "p": name})
        after = guest.observe()
    return Observed(
        kernel,
        path,
        folder / "kdump",
        folder / "text",
        details,
        from_dump,
        from_qemu,
        from_text,
        after.memtype,
        after.log,
    )


def snapshot(guest: Guest, folder: Path, pids: list[int], log: tuple[str, ...]) -> None:
    """The guest's own text files in the layout of the collector."""

    def write(name: str, text: str) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    for name in ("version", "cmdline", "iomem", "mtrr", "vmallocinfo"):
        write(name, guest.text(f"/proc/{name}"))
    for name in ("pat_memtype_list.before", "pat_memtype_list"):
        write(name, guest.text(LIST))
    write("dmesg", "".join(f"[    1.000000] {line}\n" for line in log))
    for device in DEVICES:
        rows = guest.text(f"{PCI}/{device}/resource").splitlines()
        lines = [f"bar {number} {row}" for number, row in enumerate(rows)]
        driver = guest.text(f"{PCI}/{device}/uevent")
        lines += [
            f"driver {line[7:]}" for line in driver.splitlines() if line.startswith("DRIVER=")
        ]
        write(f"pci/{device}", "\n".join(lines) + "\n")
    for pid in pids:
        write(f"pid/{pid}/status", guest.text(f"/proc/{pid}/status"))
        write(f"pid/{pid}/maps", guest.text(f"/proc/{pid}/maps"))
        blocks = pfnmap_blocks(guest.text(f"/proc/{pid}/smaps"))
        write(f"pid/{pid}/smaps.pfnmap", "".join(blocks))


def rows_of(text: str) -> Counter[tuple[int, int, str]]:
    """The entries of a list as the guest prints it, as a multiset."""
    found: Counter[tuple[int, int, str]] = Counter()
    for line in text.splitlines():
        if line.startswith("PAT: ["):
            span, kind = line.removeprefix("PAT: [mem ").split("] ")
            start, end = (int(part, 16) for part in span.split("-"))
            found[start, end, kind] += 1
    return found


class Holey:
    """A dump read through a sieve: which pages were asked for, and which are not there."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("rb")
        self.touched: set[int] = set()
        self.holes: set[int] = set()
        self.prog = Program(Platform(Architecture.X86_64))
        for start, size, offset in self._segments():
            self.prog.add_memory_segment(
                start, size, functools.partial(self._read, offset), physical=True
            )
        self.prog.set_linux_kernel_custom(note.in_file(path)[0], is_live=False)

    def close(self) -> None:
        self._stream.close()

    def _segments(self) -> list[tuple[int, int, int]]:
        """(physical address, size, offset) of the ELF file's PT_LOAD segments."""
        head = self._stream.read(64)
        table, number = struct.unpack_from("<Q", head, 32)[0], struct.unpack_from("<H", head, 56)[0]
        self._stream.seek(table)
        found = []
        for _ in range(number):
            kind, _, offset, _, start, size, _, _ = struct.unpack(
                "<IIQQQQQQ", self._stream.read(56)
            )
            if kind == 1:
                found.append((start, size, offset))
        return found

    def _read(self, base: int, address: int, count: int, offset: int, _physical: bool) -> bytes:
        pages = range(address >> 12, address + count + 0xFFF >> 12)
        self.touched.update(pages)
        for page in pages:
            if page in self.holes:
                raise FaultError("page is not in the dump", address)
        self._stream.seek(base + offset)
        return self._stream.read(count)
