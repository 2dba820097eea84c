"""The text of a recording, read strictly: every error names the line and what was expected there.

A recording is a head of `KEY VALUE` lines, parts with the number of their lines, and `end`. The
parts `books` and `tasks` are lines of tracefs as the kernel prints them; their time is a counter
that all processors share, so that stamps order all events, and a stamp that is not there is an
event that was not seen (see `gaps`).
"""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from pfntrack.edges import files
from pfntrack.edges.text import brief
from pfntrack.errors import InputFormatError

FORMAT = "pfntrack-recording 1"
PARTS = ("iomem", "mtrr", "before", "books", "tasks", "after")
TRACES = ("books", "tasks")
MAX_BYTES = 1 << 30
MAX_NUMBER = 1 << 64
_LINE = re.compile(
    r"^ *(?P<comm>.*)-(?P<pid>[0-9]{1,10}) +(?:\([^)]*\) +)?\[(?P<cpu>[0-9]{1,4})\] +\S+ +"
    r"(?P<stamp>[0-9]{1,18}): (?P<rest>.*)$",
    re.ASCII,
)
_PROBE = re.compile(r"^([a-z]+(?:_ret)?): \(([^)]*)\)(.*)$", re.ASCII)
_ENTER = re.compile(r"^sys_([a-z0-9_]+)\((.*)\)$", re.ASCII)
_EXIT = re.compile(r"^sys_([a-z0-9_]+) -> 0x([0-9a-f]{1,16})$", re.ASCII)
_FIELD = re.compile(r"([a-z]+)=(-?(?:0x[0-9a-f]{1,16}|[0-9]{1,20}))(?= |$)", re.ASCII)
_FORK = re.compile(r"^sched_process_fork: comm=.* pid=([0-9]+) child_comm=.* child_pid=([0-9]+)$")
_EXEC = re.compile(r"^sched_process_exec: filename=(.*) pid=([0-9]+) old_pid=([0-9]+)$")
_DIED = re.compile(r"^sched_process_exit: comm=.* pid=([0-9]+) prio=")
_LOST = re.compile(r"^CPU:([0-9]{1,4}) \[LOST ?([0-9]*) ?EVENTS\]$", re.ASCII)
_SITE = re.compile(r"^([A-Za-z0-9_.]+)\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[([A-Za-z0-9_]+)\])?")
_MEMTYPE = re.compile(r"^PAT: \[mem 0x([0-9a-f]{1,16})-0x([0-9a-f]{1,16})\] ([a-z-]+)$", re.ASCII)
_VMA = re.compile(
    r"^vma ([0-9]{1,10}) ([0-9a-f]{1,16})-([0-9a-f]{1,16}) ([r-][w-][x-][ps]) ([0-9a-f]{1,16})"
    r" \S+ [0-9]+ *(.*?) \| (.*)$",
    re.ASCII,
)
_IOMEM = re.compile(r"^( *)([0-9a-f]{1,16})-([0-9a-f]{1,16}) : (.*)$", re.ASCII)


@attrs.frozen(slots=True)
class TraceEvent:
    """One event: who, when (a stamp), and its numbers.

    `kind` is `probe`, `return`, `enter`, `exit`, `fork`, `exec`, `died` or `mark`; `name` the
    probe or system call, or the text of a mark. `site` is the caller of a function that
    returns, `module` the module that the caller is in.
    """

    line: int
    part: str
    pid: int
    cpu: int
    stamp: int
    kind: str
    name: str
    values: dict[str, int] = attrs.field(factory=dict)
    args: tuple[int, ...] = ()
    ret: int | None = None
    site: str = ""
    module: str = ""
    comm: str = ""


@attrs.frozen(slots=True)
class Reserved:
    """A line of the reservation list: bytes, half-open, and the type's name."""

    start: int
    end: int
    type: str


@attrs.frozen(slots=True)
class Mapped:
    """A raw pfn mapping at a snapshot: byte addresses, half-open."""

    pid: int
    start: int
    end: int
    access: str
    offset: int
    path: str
    flags: str


@attrs.frozen(slots=True)
class Resource:
    """A line of iomem: bytes, half-open, and how deep it stands."""

    depth: int
    start: int
    end: int
    name: str


@attrs.frozen(slots=True)
class Recording:
    """A recording as it was read."""

    name: str
    release: str
    version: str
    follow: str
    command: str
    roots: tuple[int, ...]
    canaries: tuple[tuple[int, int, int], ...]
    probes: dict[str, tuple[str, bool]]
    lost: dict[str, int]
    missed: dict[str, int]
    cut: bool
    cpus: int
    iomem: tuple[Resource, ...]
    mtrr: tuple[str, ...]
    before: tuple[Reserved, ...]
    mapped_before: tuple[Mapped, ...]
    after: tuple[Reserved, ...]
    mapped_after: tuple[Mapped, ...]
    events: tuple[TraceEvent, ...]


def read(path: str | Path) -> Recording:
    """A recording from a file.

    Raises InputFormatError: it is none; the text names the line.
    """
    name = brief(str(path))
    raw = files.read_bytes(path, "a recording (pfntrack record)", MAX_BYTES)
    return parse(raw.decode("utf-8", "replace"), name)


def parse(text: str, name: str) -> Recording:
    """A recording from its text; `name` begins the messages."""
    return _Reader(name, text.split("\n")).recording()


class _Reader:
    def __init__(self, name: str, lines: list[str]) -> None:
        self.name = name
        self.lines = lines[:-1] if lines and not lines[-1] else lines
        self.at = 0
        self.single: dict[str, str] = {}
        self.many: dict[str, list[tuple[int, str]]] = {}
        self.parts: dict[str, tuple[int, list[str]]] = {}

    def fail(self, line: int, expected: str) -> InputFormatError:
        """The error of a line (counted from 0)."""
        found = repr(brief(self.lines[line])) if line < len(self.lines) else "the end"
        return InputFormatError(f"{self.name}: line {line + 1}: {found}: expected {expected}")

    def recording(self) -> Recording:
        if not self.lines or self.lines[0] != FORMAT:
            raise self.fail(0, f"'{FORMAT}'")
        self._head()
        events, lost = [], 0
        for part in TRACES:
            first, lines = self.parts[part]
            for at, line in enumerate(lines, first):
                loss = _LOST.match(line)
                if loss:
                    lost += int(loss[2] or 1)
                else:
                    events.append(self._event(at, part, line))
        events.sort(key=lambda event: (event.stamp, event.line))
        losses = {w[0]: w[1] for w in self._counts("lost")}
        if lost:
            losses["stream"] = lost
        before, mapped_before = self._snapshot("before")
        after, mapped_after = self._snapshot("after")
        return Recording(
            self.name,
            self.single["release"],
            self.single.get("version", ""),
            self.single["follow"],
            self.single.get("command", ""),
            tuple(w[0] for w in self._numbers("root", 1)),
            tuple((w[0], w[1], w[2]) for w in self._numbers("canary", 3)),
            self._probes(),
            losses,
            {w[0]: w[1] for w in self._counts("missed")},
            "cut" in self.single,
            self._cpus(),
            self._iomem(),
            tuple(self.parts["mtrr"][1]),
            before,
            mapped_before,
            after,
            mapped_after,
            tuple(events),
        )

    def _head(self) -> None:
        at = 1
        while at < len(self.lines) and not self.lines[at].startswith("part "):
            key, space, value = self.lines[at].partition(" ")
            if key in ("root", "canary", "probe", "lost", "missed") and space:
                self.many.setdefault(key, []).append((at, value))
            elif (
                key
                in (
                    "recorder",
                    "release",
                    "version",
                    "machine",
                    "cpus",
                    "date",
                    "follow",
                    "command",
                    "cut",
                )
                and space
                and key not in self.single
            ):
                self.single[key] = value
            else:
                raise self.fail(at, "KEY VALUE, or 'part NAME LINES'")
            at += 1
        for key in ("release", "follow", "cpus"):
            if key not in self.single:
                raise self.fail(at, f"'{key} VALUE' before the first part")
        for name in PARTS:
            at = self._part(at, name)
        if at >= len(self.lines) or self.lines[at] != "end":
            raise self.fail(at, "'end'")
        if at + 1 != len(self.lines):
            raise self.fail(at + 1, "nothing after 'end'")

    def _part(self, at: int, name: str) -> int:
        words = self.lines[at].split(" ") if at < len(self.lines) else []
        if len(words) != 3 or words[:2] != ["part", name] or not _plain(words[2]):
            raise self.fail(at, f"'part {name} LINES'")
        end = at + 1 + int(words[2])
        if end > len(self.lines):
            raise InputFormatError(
                f"{self.name}: line {at + 1}: part {name} of {words[2]} lines: the file has"
                f" {len(self.lines) - at - 1} more: expected a whole recording"
            )
        self.parts[name] = at + 1, self.lines[at + 1 : end]
        return end

    def _cpus(self) -> int:
        if not _plain(self.single["cpus"]):
            raise InputFormatError(f"{self.name}: cpus: expected a number")
        return int(self.single["cpus"])

    def _numbers(self, key: str, count: int) -> list[tuple[int, ...]]:
        found = []
        for at, value in self.many.get(key, []):
            words = value.split(" ")
            try:
                numbers = tuple(int(word, 0) for word in words)
            except ValueError:
                numbers = ()
            if len(numbers) != count or not all(0 <= n < MAX_NUMBER for n in numbers):
                raise self.fail(at, f"'{key}' and {count} number{'s' if count > 1 else ''}")
            found.append(numbers)
        return found

    def _counts(self, key: str) -> list[tuple[str, int]]:
        found = []
        for at, value in self.many.get(key, []):
            words = value.split(" ")
            if len(words) != 2 or not _plain(words[1]):
                raise self.fail(at, f"'{key} NAME NUMBER'")
            found.append((words[0], int(words[1])))
        return found

    def _probes(self) -> dict[str, tuple[str, bool]]:
        found = {}
        for at, value in self.many.get("probe", []):
            words = value.split(" ")
            if len(words) < 3 or words[2] not in ("yes", "no"):
                raise self.fail(at, "'probe EVENT SYMBOL yes' or '... no ERROR'")
            found[words[0]] = words[1], words[2] == "yes"
        return found

    def _snapshot(self, part: str) -> tuple[tuple[Reserved, ...], tuple[Mapped, ...]]:
        held, maps = [], []
        first, lines = self.parts[part]
        for at, line in enumerate(lines, first):
            if match := _MEMTYPE.match(line):
                held.append(Reserved(int(match[1], 16), int(match[2], 16), match[3]))
            elif match := _VMA.match(line):
                start, end, offset = (int(match[n], 16) for n in (2, 3, 5))
                maps.append(Mapped(int(match[1]), start, end, match[4], offset, match[6], match[7]))
            else:
                raise self.fail(at, "a line of the reservation list, or 'vma PID ...'")
        return tuple(held), tuple(maps)

    def _iomem(self) -> tuple[Resource, ...]:
        found = []
        first, lines = self.parts["iomem"]
        for at, line in enumerate(lines, first):
            match = _IOMEM.match(line)
            if not match:
                raise self.fail(at, "'START-END : NAME', as in /proc/iomem")
            start, last = int(match[2], 16), int(match[3], 16)
            found.append(Resource(len(match[1]) // 2, start, last + 1, match[4]))
        return tuple(found)

    def _event(self, at: int, part: str, line: str) -> TraceEvent:
        match = _LINE.match(line)
        if not match:
            raise self.fail(at, "an event as tracefs prints it")
        rest = match["rest"]
        who = (at + 1, part, int(match["pid"]), int(match["cpu"]), int(match["stamp"]))
        comm = match["comm"]
        if found := _PROBE.match(rest):
            return self._probe(at, who, comm, found)
        if found := _ENTER.match(rest):
            return TraceEvent(*who, "enter", found[1], args=self._args(at, found[2]), comm=comm)
        if found := _EXIT.match(rest):
            return TraceEvent(*who, "exit", found[1], ret=_signed(int(found[2], 16)), comm=comm)
        if found := _FORK.match(rest):
            return TraceEvent(*who, "fork", "", ret=int(found[2][:18]), comm=comm)
        if found := _EXEC.match(rest):
            return TraceEvent(*who, "exec", found[1], comm=comm)
        if _DIED.match(rest):
            return TraceEvent(*who, "died", "", comm=comm)
        if rest.startswith("tracing_mark_write: "):
            return TraceEvent(*who, "mark", rest.partition(": ")[2], comm=comm)
        raise self.fail(at, "an event of this recorder")

    def _probe(
        self, at: int, who: tuple[int, str, int, int, int], comm: str, found: re.Match[str]
    ) -> TraceEvent:
        values = {}
        for name, number in _FIELD.findall(found[3]):
            values[name] = int(number, 16 if "x" in number else 10)
            if not -MAX_NUMBER < values[name] < MAX_NUMBER:
                raise self.fail(at, "numbers of at most 64 bits")
        name = found[1]
        if not name.endswith("_ret"):
            return TraceEvent(*who, "probe", name, values, comm=comm)
        site = _SITE.match(found[2])
        unknown = found[2].startswith("[unknown")  # the caller's return is probed as well
        if not site and not unknown:
            raise self.fail(at, "'(CALLER+OFFSET <- FUNCTION)'")
        return TraceEvent(
            *who,
            "return",
            name[:-4],
            ret=_signed(values.get("ret", 0)),
            site=site[1] if site else "",
            module=(site[2] or "") if site else "",
            comm=comm,
        )

    def _args(self, at: int, text: str) -> tuple[int, ...]:
        try:
            found = tuple(int(word.rpartition(":")[2], 16) for word in text.split(", ") if word)
        except ValueError:
            raise self.fail(at, "arguments 'NAME: NUMBER' of a system call") from None
        if not all(0 <= number < MAX_NUMBER for number in found):
            raise self.fail(at, "arguments of at most 64 bits")
        return found


def _plain(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 10


def _signed(number: int) -> int:
    """A 64-bit return value with its sign."""
    return number - MAX_NUMBER if number >= 1 << 63 else number
