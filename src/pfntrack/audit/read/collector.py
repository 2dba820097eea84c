"""Takes the text snapshot that `pfntrack audit` reads. Runs alone on the sick machine.

This file is also the whole of the zipapp that `make collector` builds, so it
keeps to Python 3.8 and the standard library and imports nothing of pfntrack.
It only reads, and it says what it could not read and what is missing therefore.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import time
from pathlib import Path

VERSION = 1
SAMPLES = 40
PAUSE = 0.02
# No more than this many seconds go into repeated readings of the list.
SAMPLE_TIME = 4.0
MAX_PAGEMAP = 64
LIST = "pat_memtype_list"
DEBUGFS = "sys/kernel/debug/x86/pat_memtype_list"
# Files copied as they are, and what cannot be answered without them.
FILES = (
    ("version", "proc/version", "the kernel release, so the tracking model is not known"),
    ("cmdline", "proc/cmdline", "boot options such as nopat"),
    ("iomem", "proc/iomem", "who claims a range, and where RAM is"),
    ("ioports", "proc/ioports", ""),
    ("mtrr", "proc/mtrr", "the effective type of a range"),
    ("vmallocinfo", "proc/vmallocinfo", "ioremap owners: their reservations look unowned"),
    ("modules", "proc/modules", ""),
    ("meminfo", "proc/meminfo", ""),
)
STATUS = ("Name", "Tgid", "Pid", "PPid", "Uid", "VmSize")
_HEADER = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) [r-][w-][x-][ps] ")
_DEVICE = re.compile(r" (?:/dev/(?!shm/|zero|hugepages)|/sys/|/proc/|/?anon_inode:)")
_SKIP = ("[vvar", "[vdso")
_KMSG = re.compile(r"^(\d+),(\d+),(\d+),[^;]*;(.*)$")


class Snapshot:
    """One run: where it reads from, where it writes to, what it could not read."""

    def __init__(self, folder: str, root: str = "/", redact: bool = False) -> None:
        self.folder = Path(folder)
        self.root = Path(root)
        self.redact = redact
        self.problems: list[str] = []
        name = os.uname().nodename
        usual = ("", "localhost", "(none)")
        self.host = re.compile(rf"\b{re.escape(name)}\b") if name not in usual else None

    def path(self, name: str) -> Path:
        return self.root / name

    def read(self, name: str) -> str:
        return self.path(name).read_bytes().decode("utf-8", "replace")

    def link(self, name: str) -> str:
        return os.readlink(self.path(name))  # noqa: PTH115 (Path.readlink came with 3.9)

    def write(self, name: str, text: str) -> None:
        if self.redact and self.host is not None:
            text = self.host.sub("HOST", text)
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode("utf-8", "replace"))

    def problem(self, name: str, error: OSError, missing: str = "") -> None:
        reason = error.strerror or str(error)
        tail = ": missing therefore: " + missing if missing else ""
        self.problems.append(f"{self.path(name)}: {reason}{tail}")

    def take(self, samples: int, pause: float) -> None:
        self._list(LIST + ".before", report=True)
        for name, source, missing in FILES:
            try:
                self.write(name, self.read(source))
            except OSError as error:
                self.problem(source, error, missing)
        self._zeroed()
        self._cpu()
        self._log()
        self._pci()
        self._processes()
        self._list(LIST, report=False)
        self._samples(samples, pause)
        self._meta()

    def _list(self, name: str, report: bool) -> None:
        try:
            self.write(name, self.read(DEBUGFS))
        except OSError as error:
            self.write(LIST, "")
            reason = error.strerror or str(error)
            self.write(LIST + ".err", f"cannot open '/{DEBUGFS}': {reason}\n")
            if report:
                missing = "all reservations (root, debugfs and PAT are needed)"
                self.problem(DEBUGFS, error, missing)

    def _samples(self, samples: int, pause: float) -> None:
        begun = time.monotonic()
        parts: list[str] = []
        for _ in range(samples):
            try:
                parts.append(f"## {self._uptime()}\n{self.read(DEBUGFS)}")
            except OSError:
                return
            if time.monotonic() - begun > SAMPLE_TIME:
                self.problems.append(
                    f"{LIST}: long list: {len(parts)} readings instead of {samples}"
                )
                break
            time.sleep(pause)
        self.write(LIST + ".samples", "".join(parts))

    def _uptime(self) -> str:
        try:
            return (self.read("proc/uptime").split() or ["0"])[0]
        except OSError:
            return "0"

    def _zeroed(self) -> None:
        """Without rights iomem shows zeros instead of failing."""
        target = self.folder / "iomem"
        if target.exists():
            addresses = re.sub(r" :.*", "", target.read_text("utf-8"))
            if not re.search(r"[1-9a-f]", addresses):
                self.problems.append("iomem: all addresses are zero: root is needed")

    def _cpu(self) -> None:
        try:
            self.write("cpuinfo", self.read("proc/cpuinfo").split("\n\n")[0] + "\n")
        except OSError as error:
            self.problem("proc/cpuinfo", error)

    def _log(self) -> None:
        lines: list[str] = []
        try:
            number = os.open(self.path("dev/kmsg"), os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            self.problem("dev/kmsg", error, "the log: nothing can be proved stale")
            return
        try:
            while True:
                try:
                    record = os.read(number, 1 << 16)
                except BlockingIOError:
                    break
                except OSError:
                    continue  # a record was overwritten while reading
                if not record:
                    break
                for row in record.decode("utf-8", "replace").split("\n"):
                    match = _KMSG.match(row)
                    if match:
                        stamp = int(match.group(3)) / 1e6
                        lines.append(f"[{stamp:12.6f}] {match.group(4)}\n")
        finally:
            os.close(number)
        self.write("dmesg", "".join(lines))

    def _pci(self) -> None:
        base = "sys/bus/pci/devices"
        try:
            names = sorted(path.name for path in self.path(base).iterdir())
        except OSError as error:
            self.problem(base, error, "BARs and the drivers bound to devices")
            return
        for name in names:
            lines = []
            for field in ("vendor", "device", "class", "enable"):
                try:
                    lines.append("{} {}".format(field, self.read(f"{base}/{name}/{field}")))
                except OSError:
                    continue
            text = "".join(line.rstrip("\n") + "\n" for line in lines)
            with contextlib.suppress(OSError):
                text += f"driver {Path(self.link(f'{base}/{name}/driver')).name}\n"
            try:
                rows = self.read(f"{base}/{name}/resource").splitlines()
            except OSError as error:
                self.problem(f"{base}/{name}/resource", error, "BARs of this device")
                rows = []
            text += "".join(f"bar {at} {row}\n" for at, row in enumerate(rows))
            self.write("pci/" + name, text)

    def _processes(self) -> None:
        denied = 0
        for name in sorted(
            (n.name for n in self.path("proc").iterdir() if n.name.isdigit()), key=int
        ):
            try:
                maps = self.read(f"proc/{name}/maps")
                if not _DEVICE.search(maps):
                    continue
                blocks = pfnmap_blocks(self.read(f"proc/{name}/smaps"))
                if blocks:
                    self._process(name, maps, blocks)
            except PermissionError:
                denied += 1
            except OSError:
                continue  # it has exited
        if denied:
            self.problems.append(
                f"proc: no right to read {denied} processes: missing therefore: their mappings"
            )

    def _process(self, name: str, maps: str, blocks: list[str]) -> None:
        source, target = "proc/" + name, "pid/" + name
        status = self.read(source + "/status").splitlines()
        kept = [line for line in status if line.split(":")[0] in STATUS]
        self.write(target + "/status", "\n".join(kept) + "\n")
        line = self.read(source + "/cmdline").replace("\0", " ")
        self.write(target + "/cmdline", "REDACTED " if self.redact else line)
        self.write(target + "/maps", maps)
        self.write(target + "/smaps.pfnmap", "".join(blocks))
        self.write(target + "/pagemap", self._pagemap(source, blocks))
        links, vfio = [], []
        try:
            numbers = sorted((n.name for n in self.path(source + "/fd").iterdir()), key=int)
        except OSError:
            numbers = []
        for number in numbers:
            try:
                link = self.link(f"{source}/fd/{number}")
                links.append(f"{number} {link}\n")
                if "vfio" in link:
                    vfio.append("{}\n{}".format(number, self.read(f"{source}/fdinfo/{number}")))
            except OSError:
                continue
        self.write(target + "/fd", "".join(links))
        if vfio:
            self.write(target + "/fdinfo.vfio", "".join(vfio))

    def _pagemap(self, source: str, blocks: list[str]) -> str:
        """The first raw entries of each mapping, two to a line."""
        out: list[str] = []
        try:
            with self.path(source + "/pagemap").open("rb", buffering=0) as stream:
                for block in blocks:
                    span = block.split(" ", 1)[0]
                    first, last = (int(part, 16) >> 12 for part in span.split("-"))
                    stream.seek(first * 8)
                    raw = stream.read(8 * min(last - first, MAX_PAGEMAP)) or b""
                    words = [
                        "{:016x}".format(int.from_bytes(raw[at : at + 8], "little"))
                        for at in range(0, len(raw), 8)
                    ]
                    out.append(span + "\n")
                    for at in range(0, len(words), 2):
                        out.append(" {}\n".format(" ".join(words[at : at + 2])))
        except (OSError, ValueError, OverflowError):
            pass
        return "".join(out)

    def _meta(self) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            uptime = self.read("proc/uptime").strip()
        except OSError:
            uptime = "unknown"
        rows = [f"collector {VERSION}", "date " + now, "uptime " + uptime]
        rows.append("uname " + " ".join(os.uname()))
        rows += ["unread " + line for line in self.problems]
        self.write("meta", "\n".join(rows) + "\n")


def pfnmap_blocks(smaps: str) -> list[str]:
    """The smaps blocks of raw pfn and mixed mappings, except the kernel's own."""
    blocks: list[list[str]] = []
    for line in smaps.splitlines(True):
        if _HEADER.match(line):
            blocks.append([line])
        elif blocks:
            blocks[-1].append(line)
    found = []
    for block in blocks:
        flags = block[-1].split()
        wanted = flags[:1] == ["VmFlags:"] and ("pf" in flags or "mm" in flags)
        if wanted and not any(name in block[0] for name in _SKIP):
            found.append("".join(block))
    return found


def collect(
    folder: str, root: str = "/", redact: bool = False, samples: int = SAMPLES, pause: float = PAUSE
) -> list[str]:
    """Write a snapshot into `folder`; returns lines about what could not be read."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    if any(Path(folder).iterdir()):
        raise FileExistsError(17, "directory is not empty: expected a new one", folder)
    snapshot = Snapshot(folder, root, redact)
    snapshot.take(samples, pause)
    return snapshot.problems


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options, shared by the zipapp and by `pfntrack collect`."""
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="a new directory")
    parser.add_argument(
        "--redact", action="store_true", help="hide the host name and command lines"
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=SAMPLES,
        metavar="N",
        help="readings of the list (%(default)s)",
    )


def main(argv: list[str] | None = None) -> int:
    """The zipapp's entry: 0 all read, 2 cannot write."""
    parser = argparse.ArgumentParser(
        prog="pfntrack-collect",
        description="Take a text snapshot of memory-type tracking for `pfntrack audit`.",
    )
    add_options(parser)
    args = parser.parse_args(argv)
    try:
        problems = collect(args.output, redact=args.redact, samples=args.samples)
    except OSError as error:
        sys.stderr.write(f"pfntrack-collect: {args.output}: {error.strerror or error}\n")
        return 2
    for line in problems:
        sys.stderr.write(f"pfntrack-collect: {line}\n")
    sys.stdout.write(f"{args.output}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
