"""A process' mappings and page tables, from smaps and the module's report."""

from __future__ import annotations

import re
from typing import Any

import attrs

from pfntrack.lab.observe.regions import PAGE_SIZE, Regions, arena_page, cache_of_bits

_HEAD = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) \S+ \d+\s*(.*)$")
_WRITE_BIT = 1 << 1
_SPECIAL_BIT = 1 << 9
_TRACKED_FLAG = "ar"
"""VM_PAT in smaps' letters; nothing else on x86 uses that flag."""
_PFNMAP_FLAG = "pf"


@attrs.frozen(slots=True)
class Leaf:
    """A run of present entries as the module reports it."""

    at: int
    pages: int
    pfn: int
    bits: int
    huge: bool


@attrs.frozen(slots=True)
class Details:
    """What only the module can see of one mapping."""

    prot: int
    ctx: tuple[int, int, int, int] | None
    leaves: tuple[Leaf, ...]


_LETTERS = dict(
    enumerate(
        "rd wr ex sh mr mw me ms gd um pf gu uw lo io sr rr dc de lf ac nr ht sf ar wf dd sd "
        "mm hg nh mg".split()
    )
)
_LETTERS |= {39: "??", 42: "sl", 63: "sl"}  # smaps knows no letters for the first; VM_SEALED
_UNREAL_BIT = 11
"""VM_MAYBE_GUARD of newer kernels, something else on older ones; no program here sets it."""
_MAYSHARE_BIT = 7


def smaps_of(state: str) -> str:
    """What smaps would show of the mappings in the module's report, at a fraction of its price."""
    lines = []
    for line in state.splitlines():
        if not line.startswith("V "):
            continue
        _, start, end, pgoff, *_, flags, path = [*line.split(" ", 10), ""][:11]
        bits = int(flags, 16)
        access = "".join(c if bits >> i & 1 else "-" for i, c in enumerate("rwx"))
        share = "s" if bits >> _MAYSHARE_BIT & 1 else "p"
        offset = int(pgoff, 16) * PAGE_SIZE if path else 0
        letters = " ".join(
            word for bit, word in _LETTERS.items() if bits >> bit & 1 and bit != _UNREAL_BIT
        )
        lines.append(f"{start}-{end} {access}{share} {offset:08x} 00:00 0 {path}".rstrip())
        lines.append(f"VmFlags: {letters}")
    return "\n".join(lines)


def parse_state(text: str) -> dict[int, Details]:
    """The module's report, by start address of the mapping."""
    found: dict[int, Details] = {}
    start = None
    for line in text.splitlines():
        words = line.split()
        if words[0] == "V":
            start = int(words[1], 16)
            ctx, pfn = int(words[5], 16), int(words[6], 16)
            tracked = (ctx, pfn, int(words[7]), int(words[8])) if ctx else None
            found[start] = Details(int(words[4], 16), tracked, ())
        elif words[0] == "P" and start is not None:
            leaf = Leaf(
                int(words[1], 16),
                int(words[2]),
                int(words[3], 16),
                int(words[4], 16),
                words[5] == "1",
            )
            found[start] = attrs.evolve(found[start], leaves=(*found[start].leaves, leaf))
    return found


class ContextNames:
    """Numbers tracking contexts in the order in which a scenario shows them.

    A context is known by its address, so one that reuses freed memory gets the
    old number: the numbers say which mappings share a context, no more.
    """

    def __init__(self) -> None:
        self._ids: dict[int, int] = {}
        self._last = 0

    def number(self, pointer: int) -> int:
        """The number of a context."""
        if pointer not in self._ids:
            self._last += 1
            self._ids[pointer] = self._last
        return self._ids[pointer]


def _run(leaf: Leaf, regions: Regions, *, ordinary: bool) -> dict[str, Any]:
    # In ordinary memory a raw entry is the zero page: RAM like any other.
    special = bool(leaf.bits & _SPECIAL_BIT) and not ordinary
    hit = regions.find(leaf.pfn)
    to: Any
    if hit:
        to = [hit[0].name, hit[1]]
    elif special:
        to = ["phys", leaf.pfn]
    else:
        to = "ram"
    run: dict[str, Any] = {
        "at": arena_page(leaf.at),
        "n": leaf.pages,
        "to": to,
        "cache": cache_of_bits(leaf.bits),
        "w": int(bool(leaf.bits & _WRITE_BIT)),
    }
    if leaf.huge:
        run["huge"] = 1
    elif not special:
        run["special"] = 0
    return run


def _continues(run: dict[str, Any], after: dict[str, Any]) -> bool:
    """True if ``after`` is the same kind of memory right behind ``run``."""
    if run["at"] + run["n"] != after["at"]:
        return False
    if any(run.get(key) != after.get(key) for key in ("cache", "w", "huge", "special")):
        return False
    if isinstance(run["to"], list) and isinstance(after["to"], list):
        return bool(run["to"] == [after["to"][0], after["to"][1] - run["n"]])
    return bool(run["to"] == after["to"])


def page_runs(
    leaves: tuple[Leaf, ...], regions: Regions, *, ordinary: bool = False
) -> list[dict[str, Any]]:
    """Runs of entries that lead to consecutive pages, or to anonymous copies.

    ``ordinary``: the mapping is anonymous memory.
    """
    runs: list[dict[str, Any]] = []
    for leaf in leaves:
        run = _run(leaf, regions, ordinary=ordinary)
        if runs and _continues(runs[-1], run):
            runs[-1]["n"] += run["n"]
        else:
            runs.append(run)
    return runs


def parse_vmas(
    smaps: str, state: str | None, regions: Regions, contexts: ContextNames
) -> list[dict[str, Any]]:
    """The mappings of one process in the form of a trace."""
    details = parse_state(state) if state else {}
    vmas: list[dict[str, Any]] = []
    head: re.Match[str] | None = None
    for line in smaps.splitlines():
        if m := _HEAD.match(line):
            head = m
        elif line.startswith("VmFlags:") and head:
            vmas.append(_vma(head, line.removeprefix("VmFlags:"), details, regions, contexts))
            head = None
    return vmas


def _vma(
    head: re.Match[str],
    flags: str,
    details: dict[int, Details],
    regions: Regions,
    contexts: ContextNames,
) -> dict[str, Any]:
    start, end = int(head[1], 16), int(head[2], 16)
    pgoff = int(head[4], 16) // PAGE_SIZE
    hit = regions.find(pgoff)
    vmflags = " ".join(flags.split())
    detail = details.get(start)
    vma: dict[str, Any] = {
        "at": arena_page(start),
        "pages": (end - start) // PAGE_SIZE,
        "perm": head[3],
        "off": ["bar", hit[0].name, hit[1]] if hit else pgoff,
        "file": head[5],
        "tracked": _TRACKED_FLAG in vmflags.split() or bool(detail and detail.ctx),
    }
    if detail:
        vma["prot_cache"] = cache_of_bits(detail.prot)
        if detail.ctx:
            pointer, pfn, pages, refs = detail.ctx
            vma["ctx"] = {
                "id": contexts.number(pointer),
                "pfn": regions.page(pfn),
                "pages": pages,
                "refs": refs,
            }
    vma["vmflags"] = vmflags
    if detail:
        ordinary = not head[5] and _PFNMAP_FLAG not in vmflags.split()
        vma["ptes"] = page_runs(detail.leaves, regions, ordinary=ordinary)
    return vma
