"""Warnings with their stack traces: where, who, which kernel, and the frames in order."""

from __future__ import annotations

import re

import attrs

from pfntrack.field.read.facts import Fact, Value
from pfntrack.field.read.kernelrelease import release_in_line
from pfntrack.field.read.lines import Line

_WARNING = re.compile(
    r"WARNING: (?:CPU: \d{1,5} )?(?:PID: (\d{1,8}) )?(?:at )?"
    r"(\S{1,200}):(\d{1,6}),? (?:at )?([A-Za-z_][\w.]{1,80})(?:\+ ?0x|\(\)|/| )"
)
_WARNING_SPLIT = re.compile(
    r"WARNING: (?:CPU: \d{1,5} )?(?:PID: (\d{1,8}) )?at (\S{1,200}):(\d{1,6})\s*$"
)
_COMM = re.compile(
    r"(?:PID: (\d{1,8}) {1,4}Comm: (.{1,40}?) (?:Not tainted|Tainted:|Kdump)"
    r"|Pid: (\d{1,8}), comm: (.{1,40}?) (?:Not tainted|Tainted:|Not))"
)
# `func+0x1f/0x30`, `[<addr>] func+0x..`, `func file.c:12`, `func (file.c:12`; `?` marks guesses.
_FRAME = re.compile(
    r"^(?:\[<[0-9a-f]{1,16}>\] )?(\? )?([A-Za-z_][\w.]{1,80})"
    r"(?:\+ ?0x[0-9a-f]{1,8}|\s\(?[\w./-]{1,120}\.[chS]:\d{1,6})"
)
_END = re.compile(r"end trace|cut here|Kernel panic - not")
FRAME_LINES = 140
# Functions of the reporting machinery, which say nothing about the path.
_NOISE = re.compile(
    r"^(?:__warn|warn_slowpath|report_bug|handle_bug|exc_|asm_exc|do_error_trap|do_invalid_op"
    r"|invalid_op|dump_stack|__dump_stack|do_syscall|entry_SYSCALL|system_call|ret_from|srso_|RIP)"
)


@attrs.define(slots=True)
class Trace:
    """A warning (or a bare trace) while it is being read."""

    line: Line
    values: dict[str, Value]
    frames: list[str]
    last: int
    bare: bool = False

    def fact(self) -> Fact:
        """The finished fact; what a bare trace does not say is left out."""
        return Fact(
            "warning",
            self.line.number,
            self.line.text.strip(),
            self.values,
            time=self.line.time,
            last_line=self.last,
            frames=tuple(dict.fromkeys(self.frames)),
        )


def begin(line: Line) -> Trace | None:
    """A trace if this line reports a warning."""
    body = line.body
    if "WARNING: " not in body:
        return None
    match = _WARNING.search(body)
    if match:
        func: str | None = match.group(4)
    else:
        match = _WARNING_SPLIT.search(body)
        func = None
        if match is None:
            return None
    file, number = match.group(2), int(match.group(3))
    at = file.find("/arch/")
    values: dict[str, Value] = {"file": file[at + 1 :] if at > 0 else file, "line": number}
    if func:
        values["func"] = func
    if match.group(1):
        values["pid"] = int(match.group(1))
    release = release_in_line(body)
    if release is not None:
        values["kernel"] = str(release)
    return Trace(line, values, [], line.number)


def begin_bare(line: Line) -> Trace | None:
    """A trace whose warning line is missing: it starts at a frame of the tracking code."""
    match = _FRAME.match(line.body)
    if (
        match is None
        or match.group(1)
        or not re.match(r"(?:un)?track_pfn|get_pat_info", match.group(2))
    ):
        return None
    return Trace(line, {"func": match.group(2)}, [match.group(2)], line.number, bare=True)


def feed(trace: Trace, line: Line) -> bool:
    """Take in one more line; False when the trace is over."""
    body = line.body
    if line.number - trace.line.number > FRAME_LINES or _END.search(body):
        return False
    if "func" not in trace.values:
        first = re.match(r"([A-Za-z_]\w{1,80})\+? ?0?x?", body)
        if first:
            trace.values["func"] = first.group(1)
    if "omm: " in body:
        match = _COMM.search(body)
        if match:
            pid, comm = (match.group(1), match.group(2)) if match.group(2) else match.group(3, 4)
            trace.values["comm"], trace.values["pid"] = comm.strip(), int(pid)
            release = release_in_line(body)
            if release is not None:
                trace.values["kernel"] = str(release)
        return True
    match = _FRAME.match(body)
    if match:
        name = match.group(2)
        if not match.group(1) and not _NOISE.match(name):
            trace.frames.append(name.split(".")[0])
        trace.last = line.number
    elif body.startswith("Tainted:") or "Hardware name" in body:
        return True
    return True
