"""Takes the text snapshot that `pfntrack audit` reads. Runs alone on the sick machine.

This file is also the whole of the zipapp that `make collector` builds, so it
keeps to Python 3.8 and the standard library and imports nothing of pfntrack.
It only reads, and it says what it could not read and what is missing therefore. It runs
as root, so it writes into a directory of its own only, where no link of others can stand.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import multiprocessing
import os
import re
import signal
import sys
import time
from typing import Any

VERSION = 2
SAMPLES = 40
PAUSE = 0.02
# No more than this many seconds go into repeated readings of the list.
SAMPLE_TIME = 4.0
# Seconds for one reading of one file; after some that gave none, the rest gets less.
LIMIT = 20.0
_PATIENCE, _SHORT = 3, 1.0
MAX_FILE = 512 << 20
MAX_PAGEMAP = 64
LIST = "pat_memtype_list"
DEBUGFS = "sys/kernel/debug/x86/pat_memtype_list"
# Files copied as they are, what cannot be answered without them, and in which group a
# holder of a reservation can hide then.
FILES = (
    ("version", "proc/version", "the kernel release, so the tracking model is not known", ""),
    ("cmdline", "proc/cmdline", "boot options such as nopat", ""),
    ("iomem", "proc/iomem", "who claims a range, and where RAM is", ""),
    ("ioports", "proc/ioports", "", ""),
    ("mtrr", "proc/mtrr", "the effective type of a range", ""),
    (
        "vmallocinfo",
        "proc/vmallocinfo",
        "ioremap owners: their reservations look unowned",
        "kernel_mappings",
    ),
    ("modules", "proc/modules", "", ""),
    ("meminfo", "proc/meminfo", "", ""),
)
STATUS = ("Name", "Tgid", "Pid", "PPid", "Uid", "VmSize")
_HEADER = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) [r-][w-][x-][ps] ")
_DEVICE = re.compile(r" (?:/dev/(?!shm/|zero|hugepages)|/sys/|/proc/|/?anon_inode:)")
_SKIP = ("[vvar", "[vdso")
_KMSG = re.compile(r"^(\d+),(\d+),(\d+),[^;]*;(.*)$")
# What a process that exits while it is read looks like.
_GONE = (errno.ENOENT, errno.ESRCH)
_DENIED = (errno.EACCES, errno.EPERM)
_HOLDS = "what the process maps"
# The first line of `meta`; it is put right last, so a snapshot that is cut off says so.
_BEGUN = f"collector {VERSION} unfinished\n"
_DONE = f"collector {VERSION} finished".ljust(len(_BEGUN) - 1) + "\n"


class NotWrittenError(Exception):
    """A file of the snapshot could not be written. No OSError: those tell of what is read."""


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123 - faster, and as plain
        parts: list[bytes] = []
        size = 0
        while True:
            part = stream.read(1 << 20)
            if not part:
                return b"".join(parts)
            parts.append(part)
            size += len(part)
            if size > MAX_FILE:
                raise OSError(errno.EFBIG, f"larger than {MAX_FILE >> 20} MiB")


def _names(path: str) -> list[str]:
    return sorted(os.listdir(path))  # noqa: PTH208


def _records(path: str) -> list[str]:
    """What /dev/kmsg holds now."""
    found: list[str] = []
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while True:
            try:
                record = os.read(number, 1 << 16)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno == errno.EPIPE:
                    continue  # a record was overwritten while reading
                raise
            if not record:
                return found
            found.append(record.decode("utf-8", "replace"))
    finally:
        os.close(number)


def _pagemap(path: str, spans: list[tuple[int, int]]) -> list[bytes]:
    """The first raw entries of each range of pages."""
    found = []
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123
        for first, last in spans:
            # The vsyscall page lies beyond what a file can be asked for.
            if first < 1 << 52:
                stream.seek(first * 8)
                found.append(stream.read(8 * min(last - first, MAX_PAGEMAP)) or b"")
            else:
                found.append(b"")
    return found


_WAYS: dict[str, Any] = {
    "read": _read,
    "link": os.readlink,
    "names": _names,
    "kmsg": _records,
    "pages": _pagemap,
}


class Reader:
    """A process that reads for us: one that hangs in the kernel is left there."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.late = 0
        self.child = 0
        self.pipe: Any = None

    def ask(self, way: str, *arguments: object) -> Any:
        """What `way` gives, or the OSError that it ended in; ETIMEDOUT if it took too long."""
        if not self.child:
            self._start()
        pipe = self.pipe
        seconds = self.limit if self.late < _PATIENCE else min(_SHORT, self.limit)
        try:
            pipe.send((way, arguments))
            if not pipe.poll(seconds):
                self.late += 1
                self.stop()
                raise OSError(errno.ETIMEDOUT, f"no answer within {seconds:g} s")
            good, value = pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.stop()
            raise OSError(errno.EIO, "the process that read it has died") from None
        if not good:
            raise OSError(*value)
        return value

    def stop(self) -> None:
        """Ends the process; it is not waited for long, since it may hang."""
        if self.child:
            self.pipe.close()
            os.kill(self.child, signal.SIGKILL)
            for _ in range(20):
                if os.waitpid(self.child, os.WNOHANG)[0]:
                    break
                time.sleep(0.01)
        self.child, self.pipe = 0, None

    def _start(self) -> None:
        mine, other = multiprocessing.Pipe()
        child = os.fork()
        if child:
            other.close()
            self.child, self.pipe = child, mine
            return
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            mine.close()
            while True:
                way, arguments = other.recv()
                try:
                    other.send((True, _WAYS[way](*arguments)))
                except (OSError, ValueError) as error:
                    number = getattr(error, "errno", None) or errno.EINVAL
                    other.send((False, (number, getattr(error, "strerror", None) or str(error))))
        except BaseException:
            os._exit(0)


class Folder:
    """A new directory of ours; everything in it is made anew, through descriptors."""

    def __init__(self, name: str) -> None:
        os.mkdir(name, 0o700)  # noqa: PTH102
        self.name = name
        self.number = self._open(name, None)
        status = os.fstat(self.number)
        if status.st_uid != os.geteuid() or os.listdir(self.number):  # noqa: PTH208
            raise OSError(errno.EEXIST, "somebody has put another directory in its place", name)
        os.fchmod(self.number, 0o700)

    @staticmethod
    def _open(name: str, where: int | None) -> int:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=where)

    def create(self, name: str, data: bytes) -> int:
        """A new file with this content, open; NotWrittenError, and no file, if that fails."""
        where = os.dup(self.number)
        made = -1
        try:
            *parts, last = name.split("/")
            for part in parts:
                # Ours, if it is there: nobody else can write here.
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=where)
                where, above = self._open(part, where), where
                os.close(above)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            made = os.open(last, flags, 0o600, dir_fd=where)
            self.put(made, data, 0)
            return made
        except OSError as error:
            if made >= 0:
                # A part of a file would be taken for the whole.
                with contextlib.suppress(OSError):
                    os.unlink(last, dir_fd=where)
                with contextlib.suppress(OSError):
                    os.close(made)
            raise NotWrittenError(error.strerror or str(error)) from None
        finally:
            os.close(where)

    @staticmethod
    def put(number: int, data: bytes, at: int) -> None:
        left = memoryview(data)
        while left:
            done = os.pwrite(number, left, at)
            left, at = left[done:], at + done


class Snapshot:
    """One run: where it reads from, where it writes to, what it could not read."""

    def __init__(
        self, folder: str, root: str = "/", redact: bool = False, limit: float = LIMIT
    ) -> None:
        self.root = root
        self.redact = redact
        self.problems: list[str] = []
        self.gaps: set[str] = set()
        name = os.uname().nodename
        usual = ("", "localhost", "(none)")
        self.host = re.compile(rf"\b{re.escape(name)}\b") if name not in usual else None
        self.folder = Folder(folder)
        self.meta = self.folder.create("meta", _BEGUN.encode())
        self.reader = Reader(limit)

    def path(self, name: str) -> str:
        return os.path.join(self.root, name)  # noqa: PTH118

    def read(self, name: str) -> str:
        found: bytes = self.reader.ask("read", self.path(name))
        return found.decode("utf-8", "replace")

    def names(self, name: str) -> list[str]:
        found: list[str] = self.reader.ask("names", self.path(name))
        return found

    def link(self, name: str) -> str:
        return str(self.reader.ask("link", self.path(name)))

    def write(self, name: str, text: str, missing: str = "", group: str = "") -> bool:
        """Writes a file; if that fails, says so, and what is missing therefore."""
        if self.redact and self.host is not None:
            text = self.host.sub("HOST", text)
        try:
            os.close(self.folder.create(name, text.encode("utf-8", "replace")))
        except (NotWrittenError, OSError) as error:
            self.note(f"{name}: not written: {getattr(error, 'strerror', error)}", missing, group)
            return False
        return True

    def problem(self, name: str, error: OSError, missing: str = "", group: str = "") -> None:
        """What could not be read, why, and what is missing therefore."""
        self.note(f"{self.path(name)}: {error.strerror or error}", missing, group)

    def note(self, text: str, missing: str = "", group: str = "") -> None:
        text += f": missing therefore: {missing}" if missing else ""
        self.problems.append(text.replace("\n", " "))
        if group:
            self.gaps.add(group)

    def take(self, samples: int, pause: float) -> None:
        """Everything, in an order that lets what lasts be told from what passes."""
        try:
            self._list(LIST + ".before", report=True)
            for name, source, missing, group in FILES:
                self._copy(name, source, missing, group)
            self._log()
            self._pci()
            self._processes()
            self._list(LIST, report=False)
            self._samples(samples, pause)
            self._meta()
        finally:
            self.reader.stop()

    def _copy(self, name: str, source: str, missing: str, group: str) -> None:
        try:
            text = self.read(source)
        except OSError as error:
            self.problem(source, error, missing, group)
            return
        if name == "iomem" and not re.search(r"[1-9a-f]", re.sub(r" :.*", "", text)):
            # Without rights iomem shows zeros instead of failing.
            self.note("iomem: all addresses are zero: root is needed")
        self.write(name, text, missing, group)
        if name == "version":
            self._cpu()

    def _list(self, name: str, report: bool) -> None:
        missing = "all reservations (root, debugfs and PAT are needed)"
        try:
            text = self.read(DEBUGFS)
        except OSError as error:
            if report:
                reason = error.strerror or str(error)
                self.write(LIST + ".err", f"cannot open '/{DEBUGFS}': {reason}\n")
                self.problem(DEBUGFS, error, missing)
            else:
                self.write(name, "")
            return
        self.write(name, text, "a reading of the list")

    def _samples(self, samples: int, pause: float) -> None:
        begun = time.monotonic()
        parts: list[str] = []
        for _ in range(samples):
            try:
                parts.append(f"## {self._uptime()}\n{self.read(DEBUGFS)}")
            except OSError as error:
                if parts:
                    self.problem(DEBUGFS, error, f"{samples - len(parts)} readings of the list")
                break
            if time.monotonic() - begun > SAMPLE_TIME:
                self.note(f"{LIST}: long list: {len(parts)} readings instead of {samples}")
                break
            time.sleep(pause)
        if parts:
            self.write(LIST + ".samples", "".join(parts), "repeated readings of the list")

    def _uptime(self) -> str:
        try:
            return (self.read("proc/uptime").split() or ["0"])[0]
        except OSError:
            return "0"

    def _cpu(self) -> None:
        try:
            self.write("cpuinfo", self.read("proc/cpuinfo").split("\n\n")[0] + "\n")
        except OSError as error:
            self.problem("proc/cpuinfo", error)

    def _log(self) -> None:
        missing = "the log: nothing can be proved stale"
        try:
            records: list[str] = self.reader.ask("kmsg", self.path("dev/kmsg"))
        except OSError as error:
            self.problem("dev/kmsg", error, missing, "log")
            return
        lines = []
        for row in (row for record in records for row in record.split("\n")):
            match = _KMSG.match(row)
            if match:
                stamp = int(match.group(3)) / 1e6
                lines.append(f"[{stamp:12.6f}] {match.group(4)}\n")
        self.write("dmesg", "".join(lines), missing, "log")

    def _pci(self) -> None:
        base = "sys/bus/pci/devices"
        try:
            names = self.names(base)
        except OSError as error:
            self.problem(base, error, "BARs and the drivers bound to devices", "devices")
            return
        for name in names:
            text = ""
            for field in ("vendor", "device", "class", "enable"):
                try:
                    text += "{} {}\n".format(
                        field, self.read(f"{base}/{name}/{field}").rstrip("\n")
                    )
                except OSError as error:
                    if error.errno != errno.ENOENT:
                        self.problem(f"{base}/{name}/{field}", error)
            try:
                text += "driver {}\n".format(self.link(f"{base}/{name}/driver").rpartition("/")[2])
            except OSError as error:
                if error.errno != errno.ENOENT:
                    self.problem(f"{base}/{name}/driver", error, "its driver", "devices")
            try:
                rows = self.read(f"{base}/{name}/resource").splitlines()
            except OSError as error:
                self.problem(f"{base}/{name}/resource", error, "BARs of this device", "devices")
                rows = []
            text += "".join(f"bar {at} {row}\n" for at, row in enumerate(rows))
            self.write("pci/" + name, text, "BARs of this device", "devices")

    def _processes(self) -> None:
        denied = 0
        try:
            names = [name for name in self.names("proc") if name.isdigit()]
        except OSError as error:
            self.problem("proc", error, "all processes", "processes")
            return
        for name in sorted(names, key=int):
            step = "maps"
            try:
                maps = self.read(f"proc/{name}/maps")
                if not _DEVICE.search(maps):
                    continue
                step = "smaps"
                blocks = pfnmap_blocks(self.read(f"proc/{name}/smaps"))
                if blocks:
                    step = "status"
                    self._process(name, maps, blocks)
            except OSError as error:
                if error.errno in _DENIED:
                    denied += 1
                elif error.errno not in _GONE:
                    self.problem(f"proc/{name}/{step}", error, _HOLDS, "processes")
        if denied:
            self.note(f"proc: no right to read {denied} processes", "their mappings", "processes")

    def _process(self, name: str, maps: str, blocks: list[str]) -> None:
        source, target = "proc/" + name, "pid/" + name
        status = self.read(source + "/status").splitlines()
        kept = [line for line in status if line.split(":")[0] in STATUS]
        line = self._part(source + "/cmdline").replace("\0", " ")
        files = {
            "status": "\n".join(kept) + "\n",
            "cmdline": "REDACTED " if self.redact else line,
            "maps": maps,
            "smaps.pfnmap": "".join(blocks),
            "pagemap": self._entries(source, blocks),
        }
        files["fd"], vfio = self._descriptors(source)
        if vfio:
            files["fdinfo.vfio"] = vfio
        for part, text in files.items():
            group = "" if part in ("cmdline", "pagemap") else "processes"
            self.write(f"{target}/{part}", text, _HOLDS if group else "", group)

    def _part(self, name: str) -> str:
        """A file that helps, or nothing."""
        try:
            return self.read(name)
        except OSError as error:
            if error.errno not in _GONE:
                self.problem(name, error)
            return ""

    def _descriptors(self, source: str) -> tuple[str, str]:
        """Open files, and what is known of VFIO devices among them."""
        links, vfio = [], []
        missing = "its open files, so which VFIO devices it maps"
        try:
            numbers = sorted((n for n in self.names(source + "/fd") if n.isdigit()), key=int)
        except OSError as error:
            if error.errno not in _GONE:
                self.problem(source + "/fd", error, missing, "processes")
            return "", ""
        for number in numbers:
            try:
                link = self.link(f"{source}/fd/{number}")
                links.append(f"{number} {link}\n")
                if "vfio" in link:
                    vfio.append("{}\n{}".format(number, self.read(f"{source}/fdinfo/{number}")))
            except OSError as error:
                if error.errno not in _GONE:  # else it was closed meanwhile
                    self.problem(f"{source}/fd/{number}", error, missing, "processes")
        return "".join(links), "".join(vfio)

    def _entries(self, source: str, blocks: list[str]) -> str:
        """The first raw page-table entries of each mapping, two to a line."""
        names = [block.split(" ", 1)[0] for block in blocks]
        spans = [tuple(int(part, 16) >> 12 for part in name.split("-")) for name in names]
        try:
            found: list[bytes] = self.reader.ask("pages", self.path(source + "/pagemap"), spans)
        except OSError as error:
            if error.errno not in _GONE:
                self.problem(source + "/pagemap", error, "page-table entries")
            return ""
        out: list[str] = []
        for name, raw in zip(names, found):  # noqa: B905 - `strict` came with 3.10
            words = [
                "{:016x}".format(int.from_bytes(raw[at : at + 8], "little"))
                for at in range(0, len(raw), 8)
            ]
            out.append(name + "\n")
            for at in range(0, len(words), 2):
                out.append(" {}\n".format(" ".join(words[at : at + 2])))
        return "".join(out)

    def _meta(self) -> None:
        """What was read and what was not; raises NotWrittenError if that cannot be said."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            uptime = self.read("proc/uptime").strip()
        except OSError:
            uptime = "unknown"
        rows = ["date " + now, "uptime " + uptime, "uname " + " ".join(os.uname())]
        rows += ["gap " + group for group in sorted(self.gaps)]
        rows += ["unread " + line for line in self.problems]
        text = "\n".join(rows) + "\n"
        if self.redact and self.host is not None:
            text = self.host.sub("HOST", text)
        try:
            self.folder.put(self.meta, text.encode("utf-8", "replace"), len(_BEGUN))
            os.fsync(self.meta)
            self.folder.put(self.meta, _DONE.encode(), 0)
            os.close(self.meta)
        except OSError as error:
            reason = error.strerror or str(error)
            raise NotWrittenError(
                f"meta: {reason}: the snapshot says that it is not whole"
            ) from None


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
    folder: str,
    root: str = "/",
    redact: bool = False,
    samples: int = SAMPLES,
    pause: float = PAUSE,
    limit: float = LIMIT,
) -> list[str]:
    """Write a snapshot into the new directory `folder`; returns what could not be read.

    Raises FileExistsError: there is something of that name. Raises OSError: nothing can be
    written there, or not enough to say what is missing.
    """
    try:
        snapshot = Snapshot(folder, root, redact, limit)
        snapshot.take(samples, pause)
    except FileExistsError as error:
        reason = (
            error.strerror if error.errno != errno.EEXIST else "exists: expected a new directory"
        )
        raise FileExistsError(errno.EEXIST, reason, folder) from None
    except NotWrittenError as error:
        raise OSError(errno.EIO, str(error), folder) from None
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
