"""Warnings, bugs, oopses and stalls with their stack traces: where, who, which kernel, the frames.

A trace is judged by its functions, not by its offsets or line numbers, so headers of all
releases, output of decode_stacktrace and traces that were cut short are read alike.
"""

from __future__ import annotations

import re

import attrs

from pfntrack.field.read.facts import Fact, Value
from pfntrack.field.read.kernelrelease import release_in_line
from pfntrack.field.read.lines import Line

_FUNC = r"([A-Za-z_][\w.]{1,80})"
_WARNING = re.compile(
    r"WARNING: (?:CPU: \w{1,5} )?(?:PID: (\w{1,8}) )?(?:at )?"
    rf"(\S{{1,200}}?):(\d{{1,6}}),? (?:at )?{_FUNC}(?:\+ ?0x|\(\)|/|,|\s|$)"
)
_WARNING_SPLIT = re.compile(
    r"WARNING: (?:CPU: \w{1,5} )?(?:PID: (\w{1,8}) )?(?:at )?(\S{1,200}\.[ch]):(\d{1,6})\s*$"
)
# From 7.0 the task stands at the end of the header: `, CPU#6: (udev-worker)/599`.
_TAIL_TASK = re.compile(r", CPU#\d{1,5}: (.{1,32})/(\d{1,8})\s*$")
_COMM = re.compile(
    r"(?:PID: (\d{1,8}) {1,4}Comm: (.{1,40}?) (?:Not tainted|Tainted:|Kdump)"
    r"|Pid: (\d{1,8}), comm: (.{1,40}?) (?:Not tainted|Tainted:|Not))"
)
# `func+0x1f/0x30`, `[<addr>] func+0x..`, `func file.c:12`, `func (file.c:12`; `?` marks guesses.
# The place of the failure: `RIP: 0010:func+0x..`, with addresses before 4.10, `EIP is at func`.
_PLACE = re.compile(
    r"^(?:RIP: (?:\w{4}:)?|EIP: (?:\w{4}:)?|EIP is at |pc : )(?:\[<[0-9a-f]{1,16}>\] {0,3}){0,2}"
    rf"{_FUNC}(?:\+ ?0x|\s\()"
)
_FRAME = re.compile(
    rf"^(?:\[<[0-9a-f]{{1,16}}>\] )?(\? )?{_FUNC}"
    r"(?:\+ ?0x[0-9a-f]{1,8}(?:/0x[0-9a-f]{1,8})?|\s\(?[\w./-]{1,120}\.[chS]:\d{1,6})"
)
_MMAP_OF = re.compile(r"\bmmap:([A-Za-z_]\w{1,60})(?:\+0x\S{1,24})?(?: \[([\w-]{1,40})\])?")
_MODULE = re.compile(r"\[([a-z][\w-]{1,40})\]")
_END = re.compile(r"end trace|cut here|Kernel panic - not")
FRAME_LINES = 140
# Functions of the reporting machinery, which say nothing about the path.
_NOISE = re.compile(
    r"^(?:__warn|warn_slowpath|report_bug|handle_bug|exc_|asm_exc|do_error_trap|do_invalid_op"
    r"|invalid_op|dump_stack|__dump_stack|do_syscall|entry_SYSCALL|system_call|ret_from|srso_|RIP"
    r"|show_stack|print_report|kasan_report|asm_sysvec|sysvec_)"
)
_CRASHES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "bad_page_map",
        re.compile(r"BUG: Bad page (?:map|state) in process (.{1,32}?) (?:pte:|pfn:)"),
    ),
    ("kasan", re.compile(rf"BUG: (?:KASAN|KMSAN|KCSAN|UBSAN): .{{1,60}} in {_FUNC}")),
    ("lockup", re.compile(r"BUG: soft lockup|hard LOCKUP|watchdog: BUG")),
    ("stall", re.compile(r"(?:rcu|INFO): .{0,40}(?:detected stall|self-detected stall)")),
    ("hung", re.compile(r"INFO: task (.{1,32}):(\d{1,8}) blocked for more than")),
    ("lockdep", re.compile(r"WARNING: (?:possible|suspicious|lock held|bad unlock|inconsistent)")),
    ("oops", re.compile(r"BUG: (?:unable to handle|kernel NULL)|general protection fault|^Oops")),
    ("oops", re.compile(r"BUG: (?:sleeping function|scheduling while|spinlock)")),
    ("bug", re.compile(r"kernel BUG at (\S{1,120}?):(\d{1,6})")),
)
_CRASH_WORDS = ("BUG", "INFO: ", "LOCKUP", "stall", "general protection", "Oops", "WARNING: ")
_BARE = re.compile(
    r"(?:un)?track_pfn\w*$|get_pat_info$|pfnmap_(?:un)?track\w*$|remap_pfn_range\w*$|follow_pte$"
    r"|memtype_(?:reserve|free)\w*$"
)


@attrs.define(slots=True)
class Trace:
    """A report of the kernel (or a bare trace) while it is being read."""

    line: Line
    values: dict[str, Value]
    frames: list[str]
    last: int
    bare: bool = False
    kind: str = "warning"

    def fact(self) -> Fact:
        """The finished fact; what a bare trace does not say is left out."""
        return Fact(
            self.kind,
            self.line.number,
            self.line.text.strip(),
            self.values,
            time=self.line.time,
            last_line=self.last,
            frames=tuple(dict.fromkeys(self.frames)),
        )


def begin(line: Line) -> Trace | None:
    """A trace if this line reports a warning, a bug, an oops, a stall or a lockup."""
    body = line.body
    if not any(word in body for word in _CRASH_WORDS):
        return None
    if "WARNING: " in body:
        found = _warning(line)
        if found is not None:
            return found
    for what, pattern in _CRASHES:
        match = pattern.search(body)
        if match is None:
            continue
        values: dict[str, Value] = {"what": what}
        if what == "bug":
            values["file"], values["line"] = _path(match.group(1)), int(match.group(2))
        elif what == "kasan":
            values["func"] = match.group(1)
        elif what in ("bad_page_map", "hung"):
            values["comm"] = match.group(1)
        return Trace(line, values, [], line.number, kind="crash")
    return None


def continues(trace: Trace, begun: Trace) -> bool:
    """Whether a new report is the rest of the one before: a BUG goes on with its Oops line."""
    near = begun.line.number - trace.line.number <= 3
    return near and trace.values.get("what") == "bug" and begun.values.get("what") == "oops"


def _warning(line: Line) -> Trace | None:
    body = line.body
    match = _WARNING.search(body)
    func = match.group(4) if match else None
    if match is None or func in ("CPU", "PID"):
        match, func = _WARNING_SPLIT.search(body), None
        if match is None:
            return None
    # The function may be missing: `at 0x0` where the kernel has no symbols.
    func = None if func in ("at", "CPU") else func
    values: dict[str, Value] = {"file": _path(match.group(2)), "line": int(match.group(3))}
    if func:
        values["func"] = func.split(".")[0]
    # People replace numbers by letters when they write the title of a report.
    if match.group(1) and match.group(1).isdigit():
        values["pid"] = int(match.group(1))
    task = _TAIL_TASK.search(body)
    if task is not None:
        values["comm"], values["pid"] = task.group(1), int(task.group(2))
    module = _MODULE.search(body[match.end() :])
    if module is not None:
        values["module"] = module.group(1)
    release = release_in_line(body)
    if release is not None:
        values["kernel"] = str(release)
    return Trace(line, values, [], line.number)


def _path(file: str) -> str:
    """The path inside the source tree, whatever directory the kernel was built in."""
    at = file.find("/arch/")
    return file[at + 1 :] if at > 0 else file.removeprefix("./")


def begin_bare(line: Line) -> Trace | None:
    """A trace whose warning line is missing: it starts at a frame of the tracking code."""
    match = _FRAME.match(line.body)
    if match is None or match.group(1) or not _BARE.match(match.group(2)):
        return None
    return Trace(line, {"func": match.group(2)}, [match.group(2)], line.number, bare=True)


def feed(trace: Trace, line: Line) -> bool:
    """Take in one more line; False when the trace is over."""
    body = line.body
    if line.number - trace.line.number > FRAME_LINES or _END.search(body):
        return False
    if "func" not in trace.values and trace.kind == "warning":
        # A header that was cut before its function goes on in the next line.
        first = re.match(rf"(?:at )?{_FUNC}\+ ?0x", body) if line.number - trace.last <= 1 else None
        if first and not first.group(1).startswith("RIP"):
            trace.values["func"] = first.group(1).split(".")[0]
    place = _PLACE.match(body)
    if place:
        name = place.group(1).split(".")[0]
        trace.values.setdefault("func", name)
        if not _NOISE.match(name):
            trace.frames.append(name)
        trace.last = line.number
        return True
    if "omm: " in body:
        match = _COMM.search(body)
        if match:
            pid, comm = (match.group(1), match.group(2)) if match.group(2) else match.group(3, 4)
            trace.values["comm"], trace.values["pid"] = comm.strip(), int(pid)
            release = release_in_line(body)
            if release is not None:
                trace.values["kernel"] = str(release)
        return True
    if "mmap:" in body and trace.values.get("what") == "bad_page_map":
        maker = _MMAP_OF.search(body)
        if maker is not None:
            trace.values["mmap"] = maker.group(1)
            if maker.group(2):
                trace.values.setdefault("module", maker.group(2))
    if "vm_flags:" in body:
        flags = re.search(r"vm_flags:([0-9a-f]{4,16})", body)
        if flags:
            trace.values["vm_flags"] = int(flags.group(1), 16)
    match = _FRAME.match(body)
    if match:
        name = match.group(2)
        if not match.group(1) and not _NOISE.match(name):
            trace.frames.append(name.split(".")[0])
            module = _MODULE.search(body[match.end() :])
            if module is not None and module.group(1) != "inline":
                trace.values.setdefault("module", module.group(1))
        trace.last = line.number
    return True
