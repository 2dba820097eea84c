"""The kernel log in neutral form.

Addresses become pages of regions, times and numbers of lines and processes go;
what is left is the same on every run.
"""

from __future__ import annotations

import re
from typing import Any

from pfntrack.lab.observe.regions import PAGE_SIZE, Regions, short_cache

Event = dict[str, Any]

_MEM = r"\[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\]"
_WHO = r"([^ ]+):\d+"
_ADDED = re.compile(rf"memtype_reserve added {_MEM}, track ([\w-]+), req ([\w-]+), ret ([\w-]+)")
_FREED = re.compile(rf"memtype_free request {_MEM}")
_OVERLAP = re.compile(r"Overlap at (0x[0-9a-f]+)-(0x[0-9a-f]+)")
_INVALID = re.compile(rf"{_WHO} freeing invalid memtype {_MEM}")
_CONFLICT = re.compile(
    rf"{_WHO} conflicting memory types ([0-9a-f]+)-([0-9a-f]+) ([\w-]+)<->([\w-]+)"
)
_FAILED = re.compile(rf"memtype_reserve failed {_MEM}, track ([\w-]+), req ([\w-]+)")
_EXPECTED = re.compile(rf"{_WHO} map pfn expected mapping type ([\w-]+) for {_MEM}, got ([\w-]+)")
_RAM = re.compile(rf"{_WHO} map pfn RAM range req ([\w-]+) for {_MEM}, got ([\w-]+)")
_IOREMAP = re.compile(
    r"ioremap error for (0x[0-9a-f]+)-(0x[0-9a-f]+), requested (0x[0-9a-f]+), got (0x[0-9a-f]+)"
)

_CUT = re.compile(r"-+\[ cut here \]-+")
_WARNING = re.compile(r"WARNING: CPU: .* at (\S+):\d+ ([\w.]+)\+0x")
_WARNING_7 = re.compile(r"WARNING: (\S+):\d+ at ([\w.]+)\+0x")
_BUG = re.compile(r"kernel BUG at (\S+):\d+!")
_FAULT = re.compile(
    r"(BUG: .*|Oops: .*|invalid opcode: .*|general protection fault.*|kernel tried to execute .*)"
)
_RIP = re.compile(r"RIP: 0010:([\w.]+)\+0x")
_FRAME = re.compile(r"^ (\? )?([\w.]+)\+0x[0-9a-f]+/0x[0-9a-f]+")
_REGISTERS = re.compile(r"^(RIP|RSP|Code|R[A-Z0-9]{1,2}|FS|CS|CR\d|DR\d|PKRU): ")
_PROCESS = re.compile(r" \(\d+\)|\[\d+\](?= )|(?<=\blab[A-Z]):\d+|\bpid: \d+, ")
_END = re.compile(r"---\[ end trace|^---\[ end Kernel panic")


def _base_name(function: str) -> str:
    """A function without the suffixes of compiler-made copies."""
    return function.split(".", 1)[0]


class _Splat:
    """A warning or an oops, whose lines are being collected."""

    def __init__(self, kind: str, file: str, func: str) -> None:
        self.event: Event = {"ev": kind, "file": file, "func": func, "stack": []}
        self._in_trace = False
        self._first_rip = not func

    def line(self, text: str) -> bool:
        """Take one line; True when the report is complete."""
        if _END.search(text):
            return True
        if rip := _RIP.search(text):
            if self._first_rip:
                self.event["func"] = _base_name(rip[1])
                self._first_rip = False
        elif text.startswith("Call Trace:"):
            self._in_trace = True
        elif text.strip() == "</TASK>" or text.startswith(("RIP: 0033", "Modules linked in")):
            self._in_trace = False
        elif self._in_trace and (frame := _FRAME.match(text)) and not frame[1]:
            self.event["stack"].append(_base_name(frame[2]))
        return False


def _pat_event(text: str, regions: Regions) -> Event | None:
    """An event of one ``x86/PAT:`` line, or None."""
    if m := _ADDED.search(text):
        return {
            "ev": "added",
            "range": regions.span(int(m[1], 16), int(m[2], 16) + 1),
            "track": short_cache(m[3]),
            "req": short_cache(m[4]),
            "ret": short_cache(m[5]),
        }
    if m := _INVALID.search(text):
        return {
            "ev": "free_invalid",
            "who": m[1],
            "range": regions.span(int(m[2], 16), int(m[3], 16) + 1),
        }
    if m := _FREED.search(text):
        return {"ev": "freed", "range": regions.span(int(m[1], 16), int(m[2], 16) + 1)}
    if m := _OVERLAP.search(text):
        return {"ev": "overlap", "range": regions.span(int(m[1], 16), int(m[2], 16))}
    if m := _CONFLICT.search(text):
        return {
            "ev": "conflict",
            "who": m[1],
            "range": regions.span(int(m[2], 16), int(m[3], 16)),
            "a": short_cache(m[4]),
            "b": short_cache(m[5]),
        }
    if m := _FAILED.search(text):
        return {
            "ev": "reserve_failed",
            "range": regions.span(int(m[1], 16), int(m[2], 16) + 1),
            "track": short_cache(m[3]),
            "req": short_cache(m[4]),
        }
    if m := _EXPECTED.search(text):
        return {
            "ev": "expected_type",
            "who": m[1],
            "want": short_cache(m[2]),
            "range": regions.span(int(m[3], 16), int(m[4], 16) + 1),
            "got": short_cache(m[5]),
        }
    if m := _RAM.search(text):
        return {
            "ev": "ram_type",
            "who": m[1],
            "want": short_cache(m[2]),
            "got": short_cache(m[5]),
            "pages": (int(m[4], 16) + 1 - int(m[3], 16)) // PAGE_SIZE,
        }
    return None


def parse_log(lines: list[str], regions: Regions) -> list[Event]:
    """Events of the lines that one step added to the kernel log."""
    events: list[Event] = []
    splat: _Splat | None = None
    cut = False
    for text in lines:
        if _CUT.search(text):
            cut = True
            continue
        if m := _WARNING.search(text) or _WARNING_7.search(text):
            splat = _Splat("warn", m[1].rsplit("/", 1)[-1], _base_name(m[2]))
        elif m := _BUG.search(text):
            splat = _Splat("oops", m[1].rsplit("/", 1)[-1], "")
        elif splat is None and (m := _FAULT.match(text)):
            splat = _Splat("oops", "", "")
            splat.event["text"] = m[1]
        elif splat is not None:
            if splat.line(text):
                splat = None
            continue
        elif cut:
            continue  # a warning's own words, before it says where it stands
        elif event := _pat_event(text, regions):
            events.append(event)
            continue
        elif not _REGISTERS.match(text):  # an oops shows them once more after its end
            events.append({"ev": "log", "text": _neutral_text(text, regions)})
            continue
        else:
            continue
        cut = False
        events.append(splat.event)
    return events


def _neutral_text(text: str, regions: Regions) -> str:
    """A line that is shown as it is, without process numbers and addresses."""

    def shown(start: int, end: int) -> str:
        place = regions.span(start, end)
        return "-".join(map(str, place)) if len(place) == 2 else "{} {}-{}".format(*place)

    if m := _IOREMAP.search(text):
        place = shown(int(m[1], 16), int(m[2], 16))
        return f"ioremap error for {place}, requested {m[3]}, got {m[4]}"
    text = re.sub(_MEM, lambda m: f"[{shown(int(m[1], 16), int(m[2], 16) + 1)}]", text)
    return _PROCESS.sub("", text)


_LIST_LINE = re.compile(r"PAT: \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\] ([\w-]+)")
_OLD_LIST_LINE = re.compile(r"^([\w-]+) @ (0x[0-9a-f]+)-(0x[0-9a-f]+)$")


def parse_memtype_list(text: str, regions: Regions) -> list[list[str | int]]:
    """Entries of ``pat_memtype_list`` in the kernel's order."""
    entries: list[list[str | int]] = []
    for line in text.splitlines():
        if m := _LIST_LINE.search(line):
            start, end, cache = m[1], m[2], m[3]
        elif m := _OLD_LIST_LINE.match(line.strip()):
            start, end, cache = m[2], m[3], m[1]
        else:
            continue
        entries.append([*regions.span(int(start, 16), int(end, 16)), short_cache(cache)])
    return entries
