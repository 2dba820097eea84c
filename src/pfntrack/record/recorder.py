"""Records what a live machine does with raw pfn mappings. Runs alone on that machine.

Like the collector this file keeps to Python 3.8 and the standard library, and imports nothing
of pfntrack: it is part of the single file that `make collector` builds. It uses tracefs
instances and probes of its own, removes them at its end, and `clean` removes what a killed one
left.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import glob
import mmap
import os
import re
import select
import shlex
import signal
import stat
import sys
import tempfile
import time

VERSION = 1
FORMAT = "pfntrack-recording 1"
PREFIX = "pfntrack"
TRACEFS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
LIST = "/sys/kernel/debug/x86/pat_memtype_list"
PAGE = 4096
LIMIT_MB = 64
BUFFER_KB = 4096
# A probe on return keeps this many calls in progress at once.
ACTIVE = 64
_VMA = "vs=+0({0}):x64 ve=+8({0}):x64"
# A function that returns nothing: newer kernels refuse to fetch its result.
VOID = "-"
# Event, symbol, what to fetch at entry, and at return ("" for no probe there).
# The symbols that a kernel does not have are refused, which the recording says.
BOOKS = (
    ("reserve", "memtype_reserve", "start=%di:x64 end=%si:x64 type=%dx:u32", "ret=$retval:s32"),
    (
        "insert",
        "memtype_check_insert",
        "start=+0(%di):x64 end=+8(%di):x64 type=+24(%di):u32",
        "ret=$retval:s32",
    ),
    ("erase", "memtype_erase", "start=%di:x64 end=%si:x64", "ret=$retval:s64"),
    (
        "ioremap",
        "__ioremap_caller",
        "phys=%di:x64 size=%si:x64 type=%dx:u32",
        "ret=$retval:x64",
    ),
    ("iounmap", "iounmap", "addr=%di:x64", VOID),
    ("claim", "__request_region", "start=%si:x64 size=%dx:x64", "ret=$retval:x64"),
    (
        "zaprange",
        "unmap_mapping_range",
        "file=%di:x64 hole=%si:x64 len=%dx:x64 cows=%cx:u32",
        VOID,
    ),
    (
        "zappages",
        "unmap_mapping_pages",
        "file=%di:x64 first=%si:x64 pages=%dx:x64 cows=%cx:u8",
        VOID,
    ),
)
_REMAP = _VMA.format("%di") + " addr=%si:x64 pfn=%dx:x64 size=%cx:x64 prot=%r8:x64"
TASKS = (
    ("remap", "remap_pfn_range", _REMAP, "ret=$retval:s32"),
    ("remaptrack", "remap_pfn_range_track", _REMAP, "ret=$retval:s32"),
    (
        "fault",
        "vmf_insert_pfn_prot",
        _VMA.format("%di") + " addr=%si:x64 pfn=%dx:x64 prot=%cx:x64",
        "ret=$retval:x32",
    ),
    ("zapvma", "zap_vma_ptes", _VMA.format("%di") + " addr=%si:x64 size=%dx:x64", VOID),
    (
        "zapspecial",
        "zap_special_vma_range",
        _VMA.format("%di") + " addr=%si:x64 size=%dx:x64",
        VOID,
    ),
    ("split", "__split_vma", _VMA.format("%si") + " at=%dx:x64", "ret=$retval:s32"),
    ("copy", "copy_page_range", _VMA.format("%si"), "ret=$retval:s32"),
    ("exitmm", "exit_mmap", "mm=%di:x64", VOID),
    ("clone", "kernel_clone", "flags=+0(%di):x64", "ret=$retval:s32"),
    ("devmem", "mmap_mem", "dummy=%di:x64", ""),
    ("devmemprep", "mmap_mem_prepare", "dummy=%di:x64", ""),
    ("pcimap", "pci_mmap_resource_range", "bar=%si:u32 wc=%r8:u32", ""),
    ("vfiomap", "vfio_pci_core:vfio_pci_core_mmap", "dummy=%di:x64", ""),
    ("vfiomapold", "vfio_pci:vfio_pci_mmap", "dummy=%di:x64", ""),
)
NEEDED = ("insert", "erase")
SYSCALLS = ("mmap", "munmap", "mprotect", "pkey_mprotect", "mremap", "madvise", "mbind")
SCHED = ("sched_process_fork", "sched_process_exec", "sched_process_exit")
# Anonymous memory that replaces nothing cannot touch a mapping of a device.
FILTERS = {"mmap": "flags & 0x10 || !(flags & 0x20)"}
PARTS = ("iomem", "mtrr", "before", "books", "tasks", "after")
_RANGE = re.compile(r"\[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\]")
_NAME = re.compile(rf"^{PREFIX}_(\d+)_(\d+)(?:_\w+)?$")
_DEVICE = re.compile(r" (?:/dev/(?!shm/|zero|hugepages)|/sys/|/proc/|/?anon_inode:)")
_MAPS = re.compile(r"^[0-9a-f]+-[0-9a-f]+ [r-][w-][x-][ps] ")


class RecordError(Exception):
    """Why nothing can be recorded here, in one line."""


def text_of(path: str) -> str:
    """The whole of a file."""
    with open(path, "rb") as stream:
        return stream.read().decode("utf-8", "replace")


def put(path: str, text: str, append: bool = False) -> None:
    """One write(2), which is what tracefs wants."""
    number = os.open(path, os.O_WRONLY | (os.O_APPEND if append else 0))
    try:
        os.write(number, text.encode())
    finally:
        os.close(number)


def reason(error: OSError) -> str:
    """What the system says."""
    return error.strerror or str(error)


def born(pid: int) -> str:
    """When a living process began, in clock ticks; empty if there is none."""
    try:
        words = text_of(f"/proc/{pid}/stat").rpartition(")")[2].split()
        return "" if words[0] in ("Z", "X") else words[19]
    except (OSError, IndexError):
        return ""


def tracefs() -> str:
    """Where tracefs is mounted.

    Raises RecordError: nowhere, or without rights to use it.
    """
    if os.geteuid():
        raise RecordError("root is needed (tracefs, /dev/mem and the reservation list)")
    for path in TRACEFS:
        if os.path.exists(path + "/kprobe_events"):
            break
    else:
        raise RecordError(
            "no tracefs with kprobes at {}: mount -t tracefs tracefs {}".format(
                " or ".join(TRACEFS), TRACEFS[0]
            )
        )
    return path


# ------------------------------------------------------------------ clean


def _dead(name: str) -> bool:
    match = _NAME.match(name)
    return match is not None and born(int(match.group(1))) != match.group(2)


def clean(root: str) -> list[str]:
    """Remove what recorders that live no more have left; returns what was removed."""
    gone = []
    for folder in sorted(glob.glob(f"{root}/instances/{PREFIX}_*")):
        if _dead(os.path.basename(folder)):
            remove_instance(folder)
            gone.append(os.path.basename(folder))
    groups = set()
    with contextlib.suppress(OSError):
        for line in text_of(root + "/kprobe_events").splitlines():
            group = line.split(" ", 1)[0].partition(":")[2].partition("/")[0]
            if _dead(group):
                groups.add(group)
    for group in sorted(groups):
        remove_probes(root, group)
        gone.append(group)
    return gone


def remove_instance(folder: str) -> None:
    """Switch everything off in an instance and remove it."""
    for name in ("tracing_on", "events/enable"):
        with contextlib.suppress(OSError):
            put(f"{folder}/{name}", "0")
    for _ in range(100):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            time.sleep(0.02)
        else:
            return
    raise RecordError(f"{folder}: still in use, so it stays")


def remove_probes(root: str, group: str) -> None:
    """Remove the probes of one recorder."""
    for line in text_of(root + "/kprobe_events").splitlines():
        name = line.split(" ", 1)[0].partition(":")[2]
        if name.startswith(group + "/"):
            for _ in range(100):
                try:
                    put(root + "/kprobe_events", f"-:{name}\n", append=True)
                except OSError as error:
                    if error.errno == errno.ENOENT:
                        break
                    time.sleep(0.02)
                else:
                    break


# --------------------------------------------------------------- snapshots


def reservations() -> list[str]:
    """The lines of the reservation list.

    Raises RecordError: there is none.
    """
    try:
        return [line for line in text_of(LIST).splitlines() if line.startswith("PAT:")]
    except OSError as error:
        raise RecordError(
            f"{LIST}: {reason(error)}: memory types are not tracked here (nopat), or debugfs is"
            " not mounted: mount -t debugfs debugfs /sys/kernel/debug"
        ) from None


def mappings() -> list[str]:
    """One line for each raw pfn mapping of each process: pid, the line of maps, its flags."""
    found = []
    for name in sorted((n for n in os.listdir("/proc") if n.isdigit()), key=int):
        try:
            if not _DEVICE.search(text_of(f"/proc/{name}/maps")):
                continue
            head = ""
            for line in text_of(f"/proc/{name}/smaps").splitlines():
                if _MAPS.match(line):
                    head = line
                elif line.startswith("VmFlags:"):
                    flags = line.split()[1:]
                    if "pf" in flags and "[vvar" not in head and "[vdso" not in head:
                        found.append("vma {} {} | {}".format(name, head, " ".join(flags)))
        except OSError:
            continue
    return found


def lines_of(path: str) -> list[str]:
    """A file's lines; none if it cannot be read."""
    try:
        return text_of(path).splitlines()
    except OSError:
        return []


# ------------------------------------------------------------------ tracing


class Instance:
    """One tracefs instance: its events go into a file of ours as they come."""

    def __init__(self, root: str, group: str, kind: str, folder: str) -> None:
        self.kind = kind
        self.path = f"{root}/instances/{group}_{kind}"
        self.events = f"{self.path}/events"
        os.mkdir(self.path)
        put(self.path + "/tracing_on", "0")
        # A counter that all processors and instances share: it orders every event.
        put(self.path + "/trace_clock", "counter")
        self.out = open(f"{folder}/{kind}", "w+b")
        self.pipe = os.open(self.path + "/trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
        self.size = 0

    def set(self, name: str, text: str) -> None:
        put(f"{self.path}/{name}", text)

    def buffer(self, kilobytes: int) -> None:
        self.set("buffer_size_kb", str(kilobytes))

    def mark(self, text: str) -> None:
        self.set("trace_marker", text)

    def drain(self) -> int:
        """Copy what is there; returns how many bytes."""
        got = 0
        while True:
            try:
                data = os.read(self.pipe, 1 << 16)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EINTR):
                    break
                raise
            if not data:
                break
            self.out.write(data)
            got += len(data)
        self.size += got
        return got

    def lost(self) -> int:
        """Events that the buffers could not hold."""
        total = 0
        for path in glob.glob(self.path + "/per_cpu/cpu*/stats"):
            for line in text_of(path).splitlines():
                key, _, value = line.partition(":")
                if key in ("overrun", "dropped events"):
                    total += int(value)
        return total

    def lines(self) -> list[str]:
        self.out.seek(0)
        text = self.out.read().decode("utf-8", "replace")
        return [line.replace("\r", "?") for line in text.split("\n") if line]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.pipe)
        self.out.close()
        remove_instance(self.path)


class Recorder:
    """Probes and instances from set-up to removal, as a context manager."""

    def __init__(self, root: str, folder: str, everyone: bool, limit: int) -> None:
        self.root = root
        self.folder = folder
        self.everyone = everyone
        self.limit = limit
        self.group = f"{PREFIX}_{os.getpid()}_{born(os.getpid())}"
        self.instances: list[Instance] = []
        self.rows: list[str] = []
        self.cut = False

    def __enter__(self) -> Recorder:
        try:
            self._set_up()
        except OSError as error:
            self.close()
            name = error.filename or self.root
            raise RecordError(f"{name}: {reason(error)}") from None
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave tracefs as it was."""
        for instance in self.instances:
            instance.close()
        self.instances = []
        remove_probes(self.root, self.group)

    def _probe(self, event: str, symbol: str, fetched: str, returned: str) -> list[str]:
        made = []
        lines = [(f"p:{self.group}/{event} {symbol} {fetched}", event)]
        if returned:
            lines.append(
                (
                    f"r{ACTIVE}:{self.group}/{event}_ret {symbol} {returned.strip(VOID)}",
                    event + "_ret",
                )
            )
        answer = "yes"
        for line, name in lines:
            try:
                put(self.root + "/kprobe_events", line + "\n", append=True)
            except OSError as error:
                answer = "no " + errno.errorcode.get(error.errno or 0, "?")
                if error.errno in (errno.EPERM, errno.EACCES):
                    raise RecordError(f"kprobes: {reason(error)} (kernel lockdown?)") from None
                break
            made.append(name)
        self.rows.append(f"probe {event} {symbol} {answer}")
        return made

    def _set_up(self) -> None:
        clean(self.root)
        for kind, table in (("books", BOOKS), ("tasks", TASKS)):
            made = [name for each in table for name in self._probe(*each)]
            for need in NEEDED if kind == "books" else ():
                if need not in made or need + "_ret" not in made:
                    raise RecordError(f"this kernel refuses the probe {need!r}: nothing to go by")
            instance = Instance(self.root, self.group, kind, self.folder)
            self.instances.append(instance)
            instance.buffer(BUFFER_KB)
            for name in made:
                if kind == "books":  # what this process does to its files is no news
                    own = f"common_pid != {os.getpid()}"
                    instance.set(f"events/{self.group}/{name}/filter", own)
                instance.set(f"events/{self.group}/{name}/enable", "1")
        tasks = self.tasks
        for name in SYSCALLS:
            for side in ("enter", "exit"):
                event = f"events/syscalls/sys_{side}_{name}"
                if not os.path.exists(f"{tasks.path}/{event}"):
                    if name in ("mmap", "munmap"):
                        raise RecordError("this kernel has no events of system calls")
                    continue
                if side == "enter" and name in FILTERS:
                    tasks.set(event + "/filter", FILTERS[name])
                tasks.set(event + "/enable", "1")
        for name in SCHED:
            tasks.set(f"events/sched/{name}/enable", "1")

    @property
    def books(self) -> Instance:
        return self.instances[0]

    @property
    def tasks(self) -> Instance:
        return self.instances[1]

    def follow(self, pids: list[int]) -> None:
        """Whose events are taken, with those of all that they fork."""
        if self.everyone:
            self.tasks.set("set_event_notrace_pid", str(os.getpid()))
            return
        self.tasks.set("options/event-fork", "1")
        self.tasks.set("set_event_pid", " ".join(map(str, pids)))

    def switch(self, on: bool) -> None:
        for instance in self.instances:
            instance.set("tracing_on", "1" if on else "0")

    def mark(self, text: str) -> None:
        for instance in self.instances:
            instance.mark(PREFIX + " " + text)

    def drain(self) -> None:
        """Empty the buffers into files; stop where the bound is reached."""
        for instance in self.instances:
            instance.drain()
        if not self.cut and sum(each.size for each in self.instances) > self.limit:
            self.cut = True
            self.switch(False)

    def wait(self, seconds: float) -> None:
        """Drain while time passes."""
        pipes = [instance.pipe for instance in self.instances]
        with contextlib.suppress(InterruptedError):
            select.select(pipes, [], [], seconds)
        self.drain()

    def header(self) -> list[str]:
        """What was lost, and which probes took what."""
        rows = list(self.rows)
        rows += [f"lost {each.kind} {each.lost()}" for each in self.instances]
        for line in lines_of(self.root + "/kprobe_profile"):
            words = line.split()
            name = words[0].partition("/") if words else ("", "", "")
            # The name stands alone, or behind its group.
            event = name[2] or name[0]
            if name[2] and name[0] != self.group:
                continue
            if len(words) == 3 and words[2] != "0" and f"/{event} " in self._ours():
                rows.append(f"missed {event} {words[2]}")
        if self.cut:
            rows.append("cut yes")
        return rows

    def _ours(self) -> str:
        return "\n".join(
            line + " "
            for line in lines_of(self.root + "/kprobe_events")
            if f":{self.group}/" in line
        )


# ------------------------------------------------------------------- canary


def quiet_page(rows: list[str]) -> int:
    """A page of RAM below 640 KiB that nothing has reserved."""
    taken = []
    for row in rows:
        match = _RANGE.search(row)
        if match:
            taken.append((int(match.group(1), 16), int(match.group(2), 16)))
    for at in range(0x10000, 0x90000, PAGE):
        if not any(start < at + PAGE and at < end for start, end in taken):
            return at
    raise RecordError("no page below 640 KiB is free of reservations: no canary possible")


def canary(page: int) -> int:
    """A child that maps and unmaps one page of /dev/mem when told to; see `let_go`."""
    try:
        number = os.open("/dev/mem", os.O_RDONLY)
    except OSError as error:
        raise RecordError(
            f"/dev/mem: {reason(error)}: no canary can be mapped (kernel lockdown?)"
        ) from None
    try:
        area = mmap.mmap(number, PAGE, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
    except (OSError, ValueError) as error:
        raise RecordError(f"/dev/mem: page {page:#x} cannot be mapped: {error}") from None
    finally:
        os.close(number)
    area.close()
    return 0


class Held:
    """A forked child that waits for a word before it does anything."""

    def __init__(self) -> None:
        self.pid = 0
        self.go = -1

    def start(self, action: object) -> Held:
        """`action` is called in the child, which then exits with what it returns."""
        read_end, self.go = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(read_end)
            return self
        status = 126
        try:
            os.close(self.go)
            if os.read(read_end, 1):
                os.close(read_end)
                status = action()  # type: ignore[operator]
        except RecordError as error:
            os.write(2, f"pfntrack: {error}\n".encode())
        except BaseException:
            status = 126
        os._exit(status)

    def let_go(self) -> None:
        os.write(self.go, b"g")
        os.close(self.go)


def _finish(recorder: Recorder, child: Held) -> int:
    child.let_go()
    while True:
        pid, status = os.waitpid(child.pid, os.WNOHANG)
        if pid:
            return status
        recorder.wait(0.02)


# ------------------------------------------------------------------ a session


class Session:
    """What is to be recorded."""

    def __init__(self, command: list[str], pids: list[int], seconds: float, limit: int) -> None:
        self.command = command
        self.pids = pids
        self.seconds = seconds
        self.limit = limit
        self.status = 0
        self.stop = False


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError as error:
        raise RecordError(f"process {pid}: {reason(error)}") from None


def _run(command: list[str]) -> int:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"pfntrack: {command[0]}: {reason(error)}\n".encode())
    return 127


def record(session: Session, root: str) -> list[str]:
    """One recording as lines, each without its end.

    Raises RecordError: it cannot be made here.
    """
    everyone = not session.command and not session.pids
    page = quiet_page(reservations())
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pfntrack-record-"))
        recorder = stack.enter_context(Recorder(root, folder, everyone, session.limit << 20))
        first, last, child = (Held() for _ in range(3))
        first.start(lambda: canary(page))
        last.start(lambda: canary(page))
        roots = [pid for each in session.pids for pid in _threads(each)]
        if session.command:
            child.start(lambda: _run(session.command))
            roots = [child.pid]
        recorder.follow([first.pid, last.pid, *roots])
        recorder.switch(True)
        status = _finish(recorder, first)
        before = reservations() + mappings()
        recorder.mark("begin")
        if status:
            raise RecordError("the canary could not be mapped")
        _watch(recorder, session, child)
        recorder.mark("end")
        after = reservations() + mappings()
        if recorder.cut:
            with contextlib.suppress(OSError):
                os.close(last.go)
            os.waitpid(last.pid, 0)
        else:
            _finish(recorder, last)
        recorder.switch(False)
        recorder.drain()
        rows = _head(session, roots, everyone)
        rows += [f"canary {each.pid} {page:#x} {page + PAGE:#x}" for each in (first, last)]
        rows += recorder.header()
        parts = {
            "iomem": lines_of("/proc/iomem"),
            "mtrr": lines_of("/proc/mtrr"),
            "before": before,
            "books": recorder.books.lines(),
            "tasks": recorder.tasks.lines(),
            "after": after,
        }
        for name in PARTS:
            rows.append(f"part {name} {len(parts[name])}")
            rows += parts[name]
        return [*rows, "end"]


def _watch(recorder: Recorder, session: Session, child: Held) -> None:
    """Drain until the command has ended, the time is over, or somebody says stop."""

    def stop(*_: object) -> None:
        session.stop = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    begun = time.monotonic()
    if session.command:
        child.let_go()
    while not session.stop:
        recorder.wait(0.05)
        if session.command:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                session.status = status
                return
        elif session.pids and not any(os.path.exists(f"/proc/{pid}") for pid in session.pids):
            return
        if session.seconds and time.monotonic() - begun > session.seconds:
            return


def _head(session: Session, roots: list[int], everyone: bool) -> list[str]:
    system = os.uname()
    shown = " ".join(shlex.quote(word) for word in session.command)
    return [
        FORMAT,
        f"recorder python {VERSION}",
        "release " + system.release,
        "version " + " ".join(lines_of("/proc/version")[:1]),
        "machine " + system.machine,
        f"cpus {os.cpu_count() or 1}",
        "date " + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "follow " + ("all" if everyone else "command" if session.command else "pids"),
        *(["command " + shown.replace("\n", "?")] if session.command else []),
        *("root %d" % pid for pid in roots),
    ]


def store(path: str, rows: list[str]) -> None:
    """Write the recording: the file is complete, or as it was."""
    data = "".join(row + "\n" for row in rows).encode("utf-8", "replace")
    try:
        mode = os.stat(path).st_mode if os.path.exists(path) else 0
        if path == "-" or (mode and not stat.S_ISREG(mode)):
            number = 1 if path == "-" else os.open(path, os.O_WRONLY)
            with os.fdopen(number, "wb", closefd=path != "-") as stream:
                stream.write(data)
            return
        aside = f"{path}.{os.getpid()}"
        with open(aside, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, path)
    except OSError as error:
        raise RecordError(f"{path}: {reason(error)}") from None


# ---------------------------------------------------------------- command line


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options, shared by the single file and by `pfntrack record`."""
    parser.add_argument(
        "-o", "--output", default="pfntrack.rec", metavar="FILE", help="%(default)s"
    )
    parser.add_argument(
        "-p", "--pid", type=int, action="append", default=[], metavar="PID",
        help="a running process, its threads and what they fork; repeatable",
    )  # fmt: skip
    parser.add_argument("-a", "--all", action="store_true", help="every process")
    parser.add_argument(
        "--for", dest="seconds", type=float, default=0.0, metavar="SECONDS",
        help="end after this time",
    )  # fmt: skip
    parser.add_argument(
        "--limit", type=int, default=LIMIT_MB, metavar="MB",
        help="stop taking events beyond this size (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--clean", action="store_true", help="only remove what killed recorders left"
    )
    parser.add_argument("command", nargs="*", metavar="CMD", help="after --, what to run")


def run(args: argparse.Namespace) -> int:
    """Record as asked: the status of the command, or 0.

    Raises RecordError: it cannot be done here.
    """
    root = tracefs()
    if args.clean:
        for name in clean(root):
            print(f"removed {name}")
        return 0
    chosen = bool(args.command) + bool(args.pid) + args.all
    if chosen != 1:
        raise RecordError("expected one of: -- CMD, -p PID, -a")
    session = Session(args.command, args.pid, args.seconds, args.limit)
    rows = record(session, root)
    store(args.output, rows)
    size = sum(len(row) + 1 for row in rows)
    sys.stderr.write(f"pfntrack: {args.output}: {size} bytes; pfntrack replay explains them\n")
    if os.WIFSIGNALED(session.status):
        return 128 + os.WTERMSIG(session.status)
    return os.WEXITSTATUS(session.status)


def main(argv: list[str] | None = None) -> int:
    """The single file's entry: the command's status, or 2 if nothing could be recorded."""
    parser = argparse.ArgumentParser(
        prog="pfntrack-record",
        description="Record raw pfn mappings of a live machine for `pfntrack replay`.",
    )
    add_options(parser)
    try:
        return run(parser.parse_args(argv))
    except RecordError as error:
        sys.stderr.write(f"pfntrack-record: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
