"""Calls of the tracking functions, seen through kprobe events.

No module is needed for this: the probes are written into tracefs.
"""

from __future__ import annotations

import re
from typing import Any

import attrs

from pfntrack.lab.observe.regions import PAGE_SIZE, Regions, arena_page, cache_name

Call = dict[str, Any]

_PFN_MASK = (1 << 40) - 1
_VMA = "vs=+0(%di):x64 ve=+8(%di):x64"


@attrs.frozen(slots=True)
class Probe:
    """A function to watch: how to fetch its arguments, and whether to see it return."""

    name: str
    fetch: str
    returns: bool = False


PROBES = (
    Probe("track_pfn_remap", f"{_VMA} pfn=%dx:x64 addr=%cx:x64 size=%r8:x64", returns=True),
    Probe("track_pfn_copy", _VMA, returns=True),
    Probe("track_pfn_insert", f"{_VMA} pfn=%dx:x64"),
    Probe("untrack_pfn", f"{_VMA} pfn=%si:x64 size=%dx:x64"),
    Probe("untrack_pfn_moved", _VMA),
    Probe("untrack_pfn_clear", _VMA),
    Probe("untrack_pfn_copy", f"{_VMA} pfn=%si:x64"),
    Probe("memtype_reserve", "start=%di:x64 end=%si:x64 type=%dx:u32", returns=True),
    Probe("memtype_free", "start=%di:x64 end=%si:x64", returns=True),
    Probe("memtype_kernel_map_sync", "start=%di:x64 size=%si:x64 type=%dx:u32"),
    Probe("pfnmap_track", "pfn=%di:x64 size=%si:x64", returns=True),
    Probe("pfnmap_untrack", "pfn=%di:x64 size=%si:x64"),
    Probe("pfnmap_setup_cachemode", "pfn=%di:x64 size=%si:x64", returns=True),
)


def probe_lines() -> list[str]:
    """Lines for tracefs' ``kprobe_events``; a kernel refuses those it lacks."""
    lines = []
    for probe in PROBES:
        lines.append(f"p:pfntrack/{probe.name} {probe.name} {probe.fetch}")
        if probe.returns:
            lines.append(f"r:pfntrack/{probe.name}_ret {probe.name} ret=$retval:s32")
    return lines


_LINE = re.compile(
    r"^\s*(?P<comm>.+?)-(?P<pid>\d+)\s+\[\d+\].*?:\s(?P<fn>\w+): \(.*?\)(?P<args>.*)$"
)
_ARG = re.compile(r"(\w+)=(\S+)")


def _number(text: str | None) -> int | None:
    try:
        return int(text, 0) if text is not None else None
    except ValueError:
        return None


def _page(pfn: int, regions: Regions) -> list[str | int] | int:
    """A page number as passed; older kernels pass some with flags above the number.

    Flags stay visible where the number is the same on every run, which it is
    for the windows but not for memory.
    """
    hit = regions.find(pfn & _PFN_MASK)
    if hit and hit[0].name.startswith("ram"):
        return [hit[0].name, hit[1]]
    return regions.page(pfn)


def _neutral(fn: str, who: str, raw: dict[str, str], regions: Regions) -> Call | None:
    """One call without addresses; None if it concerns a mapping outside the arena."""
    call: Call = {"fn": fn, "who": who}
    if "ret" in raw:
        call["ret"] = _number(raw["ret"])
        return call
    if "vs" in raw:
        start, end = _number(raw["vs"]), _number(raw.get("ve"))
        if start is None or end is None:
            call["vma"] = None
        elif (first := arena_page(start)) is None:
            return None
        else:
            call["vma"] = [first, first + (end - start) // PAGE_SIZE]
    if (pfn := _number(raw.get("pfn"))) is not None:
        call["pfn"] = _page(pfn, regions)
    if (addr := _number(raw.get("addr"))) is not None:
        page = arena_page(addr)
        call["addr"] = hex(addr) if page is None else page
    start, end, size = (_number(raw.get(key)) for key in ("start", "end", "size"))
    if start is not None:
        call["range"] = regions.span(start, end if end is not None else start + (size or 0))
    elif size is not None:
        call["pages"] = size // PAGE_SIZE
    if (cache := _number(raw.get("type"))) is not None:
        call["type"] = cache_name(cache)
    return call


_SHORT = re.compile(r"^(\S+) (\w+):(.*)$", re.MULTILINE)


def full_lines(short: str) -> str:
    """The agent's short form of calls as lines of tracefs."""
    return _SHORT.sub(r"\1 [000] 0: \2: ()\3", short)


def parse_trace(text: str, regions: Regions) -> list[Call]:
    """Calls made by the scenario's processes, in order, from tracefs' ``trace``."""
    calls: list[Call] = []
    dropped: dict[tuple[str, str], list[bool]] = {}
    for line in text.splitlines():
        m = None if line.startswith("#") else _LINE.match(line)
        if not m or not m["comm"].startswith("lab"):
            continue
        fn = m["fn"]
        call = _neutral(fn, m["comm"], dict(_ARG.findall(m["args"])), regions)
        if fn.endswith("_ret"):
            open_calls = dropped.get((m["pid"], fn.removesuffix("_ret")), [])
            if open_calls and open_calls.pop():
                continue
        else:
            dropped.setdefault((m["pid"], fn), []).append(call is None)
        if call is not None:
            calls.append(call)
    return calls
