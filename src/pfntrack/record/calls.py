"""From events to calls: what each task did, one call after the other, and what it did inside.

Each task has a stack of what it is in: system calls, the probed functions. A change of the
reservations (`Act`) knows that stack, so that it is known in whose name it was made. What does
not fit together is a fault of the recording, never repaired by a guess.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from pfntrack.record.format import Recording, TraceEvent

# Probes at entry only.
MOMENTS = frozenset({"devmem", "devmemprep", "pcimap", "vfiomap", "vfiomapold"})
# Counted bytes from one new page of the kernel's ring buffer to the next: 4300 to 4450 were seen.
_PAGE_FROM, _PAGE_TO = 4150, 4650
# Counted bytes of an event beside its fields, and of a field.
_EVENT, _WORD = 12, 8


@attrs.frozen(slots=True)
class Act:
    """One change of the reservations: `insert` or `erase` of bytes `[start, end)`.

    `type` is the actual type of an insertion, `asked` the type that was asked for (the
    kernel's numbers); `ret` 0 or a negative errno; `inside` names what the task was in, outermost
    first.
    """

    kind: str
    start: int
    end: int
    type: int | None
    ret: int
    pid: int
    stamp: int
    line: int
    inside: tuple[str, ...]
    caller: str
    asked: int | None = None

    def shown(self) -> str:
        """In words."""
        result = {0: "ok", -22: "EINVAL", -16: "EBUSY", -12: "ENOMEM"}.get(self.ret, str(self.ret))
        name = "memtype_check_insert" if self.kind == "insert" else "memtype_erase"
        return f"{name}([{self.start:#x},{self.end:#x})) = {result}"


@attrs.define(slots=True)
class Call:
    """A system call, a probed function or a moment of a task, with what happened inside."""

    name: str
    kind: str
    pid: int
    comm: str
    line: int
    start: int
    end: int = 0
    args: tuple[int, ...] = ()
    values: dict[str, int] = attrs.field(factory=dict)
    ret: int | None = None
    site: str = ""
    module: str = ""
    inner: list[Call] = attrs.field(factory=list)
    acts: list[Act] = attrs.field(factory=list)

    def all_acts(self) -> list[Act]:
        """Acts of this call and of all inside, in order."""
        found = list(self.acts)
        for each in self.inner:
            found += each.all_acts()
        return sorted(found, key=lambda act: act.stamp)

    def inside(self, *names: str) -> list[Call]:
        """Calls inside of those names, outermost only, in order."""
        found = []
        for each in self.inner:
            if each.name in names:
                found.append(each)
            else:
                found += each.inside(*names)
        return found


@attrs.frozen(slots=True)
class Calls:
    """What a recording holds between its marks, and what is wrong with it.

    `items` are outermost calls in the order of their ends (a change of the reservations lies
    inside); `faults` say why the recording proves nothing beyond `sound`, a stamp.
    """

    items: tuple[Call, ...]
    faults: tuple[str, ...]
    sound: int
    events: int


def calls_of(recording: Recording) -> Calls:
    """Put the events of a recording together."""
    builder = _Builder(recording)
    for event in recording.events:
        builder.take(event)
    return builder.result()


class _Builder:
    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.stacks: dict[int, list[Call]] = {}
        self.opened: dict[int, list[TraceEvent]] = {}
        self.items: list[Call] = []
        self.faults: list[tuple[int, str]] = []
        self.marks: list[str] = []
        self.begun = self.ended = 0

    def fault(self, stamp: int, text: str) -> None:
        self.faults.append((stamp, text))

    def take(self, event: TraceEvent) -> None:
        match event.kind:
            case "mark":
                self._mark(event)
            case "enter":
                self._push(event, "sys", event.args)
            case "exit":
                self._pop(event, "sys")
            case "probe":
                self._probe(event)
            case "return" if event.name in ("insert", "erase"):
                self._act(event)
            case "return":
                self._pop(event, "probe")
            case "exec" | "died" | "fork":
                call = Call(event.kind, event.kind, event.pid, event.comm, event.line, event.stamp)
                call.end, call.ret = event.stamp, event.ret
                call.site = event.name
                self._place(call)

    def _mark(self, event: TraceEvent) -> None:
        text = event.name.strip()
        self.marks.append(f"{event.part} {text}")
        if text == "pfntrack begin":
            self.begun = max(self.begun, event.stamp)
        elif text == "pfntrack end":
            self.ended = event.stamp if not self.ended else min(self.ended, event.stamp)

    def _probe(self, event: TraceEvent) -> None:
        if event.name in ("insert", "erase"):
            self.opened.setdefault(event.pid, []).append(event)
        elif event.name in MOMENTS:
            call = Call(event.name, "probe", event.pid, event.comm, event.line, event.stamp)
            call.end, call.values = event.stamp, event.values
            self._place(call)
        else:
            self._push(event, "probe", ())

    def _push(self, event: TraceEvent, kind: str, args: tuple[int, ...]) -> None:
        call = Call(
            event.name, kind, event.pid, event.comm, event.line, event.stamp, 0, args, event.values
        )
        self.stacks.setdefault(event.pid, []).append(call)

    def _pop(self, event: TraceEvent, kind: str) -> None:
        stack = self.stacks.get(event.pid, [])
        if not any(each.name == event.name and each.kind == kind for each in stack):
            # A system call that began before the recording, or was filtered at its entry.
            if kind == "probe" or event.name not in ("mmap",):
                self.fault(
                    event.stamp, f"line {event.line}: a return of {event.name} without entry"
                )
            return
        while stack:
            call = stack.pop()
            call.end = event.stamp
            if call.name == event.name and call.kind == kind:
                call.ret, call.site, call.module = event.ret, event.site, event.module
                self._place(call)
                return
            self.fault(call.start, f"line {call.line}: {call.name} has no return")
            self._place(call)

    def _act(self, event: TraceEvent) -> None:
        waiting = self.opened.get(event.pid, [])
        if not waiting or waiting[-1].name != event.name:
            self.fault(event.stamp, f"line {event.line}: a return of {event.name} without entry")
            return
        first = waiting.pop()
        values = first.values
        if "start" not in values or "end" not in values:
            self.fault(first.stamp, f"line {first.line}: {first.name} without its range")
            return
        ret = event.ret or 0
        stack = self.stacks.get(event.pid, [])
        act = Act(
            first.name,
            values["start"],
            values["end"],
            values.get("type"),
            ret if -4096 < ret < 0 else 0,
            event.pid,
            first.stamp,
            first.line,
            tuple(each.name for each in stack),
            event.site,
            stack[-1].values.get("type") if stack and stack[-1].name == "reserve" else None,
        )
        if stack:
            stack[-1].acts.append(act)
            return
        call = Call("loose", "loose", event.pid, event.comm, first.line, first.stamp, event.stamp)
        call.acts.append(act)
        self.items.append(call)

    def _place(self, call: Call) -> None:
        stack = self.stacks.get(call.pid, [])
        if stack:
            stack[-1].inner.append(call)
        else:
            self.items.append(call)

    def result(self) -> Calls:
        recording = self.recording
        for stack in self.stacks.values():
            for call in stack:
                # The last call of a task that exits or is killed does not return.
                if call.kind == "probe" or call.inner or call.acts:
                    self.fault(call.start, f"line {call.line}: {call.name} has no return")
                    self.items.append(call)
        for waiting in self.opened.values():
            for event in waiting:
                self.fault(event.stamp, f"line {event.line}: {event.name} has no return")
        wanted = [
            f"{part} pfntrack {mark}" for part in ("books", "tasks") for mark in ("begin", "end")
        ]
        faults = [text for _, text in sorted(self.faults)]
        if sorted(self.marks) != sorted(wanted):
            faults.insert(0, "the marks of begin and end are not both there, once, in both parts")
        faults += [
            f"{count} events lost ({where})" for where, count in recording.lost.items() if count
        ]
        faults += [f"{count} returns of {name} missed" for name, count in recording.missed.items()]
        if recording.cut:
            faults.append("the recording was cut at its bound of size")
        faults += _canary(recording)
        missing = gaps(recording.events)
        faults += [
            f"{count} event{'s' * (count > 1)} missing before line {event.line}"
            for event, count in missing
        ]
        stops = [stamp for stamp, _ in self.faults] + [event.stamp for event, _ in missing]
        items = sorted(self.items, key=lambda call: (call.end or call.start, call.start))
        kept = tuple(
            call
            for call in items
            if self.begun < call.start and (not self.ended or call.start < self.ended)
        )
        return Calls(kept, tuple(faults), min(stops, default=1 << 62), len(recording.events))


def _canary(recording: Recording) -> list[str]:
    """Faults of the canary: what every recording must have seen, and has not."""
    if len(recording.canaries) != 2:
        return ["no canary was mapped before and after: nothing proves that probes see all"]
    faults = []
    for (pid, start, end), when in zip(recording.canaries, ("first", "last"), strict=True):
        seen = [
            event.name
            for event in recording.events
            if event.pid == pid
            and event.kind == "probe"
            and event.name in ("insert", "erase")
            and (event.values.get("start"), event.values.get("end")) == (start, end)
        ]
        if seen != ["insert", "erase"]:
            faults.append(f"the {when} canary was not seen: expected an insertion and a release")
    return faults


# -------------------------------------------------------------------- gaps


def gaps(events: Sequence[TraceEvent]) -> list[tuple[TraceEvent, int]]:
    """Where stamps are missing: the event behind the gap, and how many.

    Every event takes one stamp, and so does every page that the kernel's ring buffer begins
    (one for each processor and part). A stamp is excused by a page only where one can have
    begun; an excuse that what follows disproves is taken back.
    """
    pages = _Pages()
    for at, event in enumerate(events):
        missing = event.stamp - events[at - 1].stamp - 1 if at else 0
        if missing < 0:
            pages.found.append((event, 1))
        elif missing:
            pages.gap(event, missing, events[at : at + 4])
        pages.count(event)
    return sorted(pages.found, key=lambda each: each[0].stamp)


class _Pages:
    """Pages of the ring buffers, one for each part and processor, by what was counted in them."""

    def __init__(self) -> None:
        self.found: list[tuple[TraceEvent, int]] = []
        self.filled: dict[tuple[str, int], int] = {}
        self.excused: dict[tuple[str, int], tuple[TraceEvent, int]] = {}

    def gap(self, event: TraceEvent, missing: int, near: Sequence[TraceEvent]) -> None:
        """Excuse missing stamps by pages that can have begun with the events near; or none."""
        lanes = list(dict.fromkeys((each.part, each.cpu) for each in near))
        begun = [lane for lane in lanes if _PAGE_FROM <= self.filled.get(lane, 0) <= _PAGE_TO]
        if len(begun) >= missing:
            for lane in begun[:missing]:
                self.excused[lane] = event, self.filled[lane]
                self.filled[lane] = 0
            return
        self.found.append((event, missing))
        for lane in lanes:
            # Perhaps the page began here, and what was excused was an event.
            if self.filled.get(lane, 0) + self.excused.get(lane, (event, 0))[1] <= _PAGE_TO:
                self._take_back(lane)

    def count(self, event: TraceEvent) -> None:
        """One more event in its page, which may be more than a page holds."""
        lane = event.part, event.cpu
        before = self.filled.get(lane, 0)
        self.filled[lane] = before + _size(event)
        if before <= _PAGE_TO < self.filled[lane]:
            # A page began without a stamp of its own: somebody else was excused with it.
            for each in list(self.excused):
                self._take_back(each)

    def _take_back(self, lane: tuple[str, int]) -> None:
        if lane in self.excused:
            self.found.append((self.excused.pop(lane)[0], 1))


def _size(event: TraceEvent) -> int:
    """About how many bytes an event takes in the ring buffer."""
    match event.kind:
        case "probe":
            return _EVENT + _WORD * (1 + len(event.values))
        case "return":
            return _EVENT + _WORD * 3
        case "enter":
            return _EVENT + _WORD * (1 + len(event.args))
        case "exit":
            return _EVENT + _WORD * 2
        case _:
            return _EVENT + 40
