"""Values of the state schema, version 1, and their JSON form.

Physical addresses are bytes, virtual places are pages of the modelled arena
(for an audited machine: of the address space), ranges are half-open. Types
have the kernel's names (`write-combining`). Every group of fields carries its
confidence: read from the state itself, inferred from other facts, or unknown.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import attrs

from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.ram import PAGE_SHIFT

VERSION = 1
NAME = f"pfntrack.state/{VERSION}"


class Confidence(enum.Enum):
    """How a value is known."""

    READ = "read"
    INFERRED = "inferred"
    UNKNOWN = "unknown"


@attrs.frozen
class Place:
    """Pages `[first, end)` of a window: how people name physical ranges."""

    window: str
    first: int
    end: int

    def __str__(self) -> str:
        return f"{self.window}[{self.first},{self.end})"


@attrs.frozen
class WindowState:
    """A named physical range: a BAR, RAM that a driver holds."""

    name: str
    start: int
    end: int


@attrs.frozen
class Reservation:
    """One entry of the reservation list, in the kernel's order."""

    start: int
    end: int
    type: CacheMode
    place: Place | None = None

    def __str__(self) -> str:
        where = self.place or f"[{self.start:#x},{self.end:#x})"
        return f"{where} {self.type}"


@attrs.frozen
class Entry:
    """Present page-table entries for pages `[start, end)`; `pfn` None is a copy in RAM."""

    start: int
    end: int
    pfn: int | None
    type: CacheMode
    write: bool
    huge: bool = False
    accessible: bool = True
    place: Place | None = None

    def __str__(self) -> str:
        if self.pfn is None:
            target = "copied"
        else:
            target = str(self.place) if self.place else f"pfn {self.pfn:#x}"
        marks = ("" if self.write else " read-only") + (" huge" if self.huge else "")
        hidden = "" if self.accessible else " (PROT_NONE)"
        return f"[{self.start},{self.end}) -> {target} {self.type}{marks}{hidden}"


@attrs.frozen
class VmaState:
    """One VMA of interest."""

    start: int
    end: int
    permissions: str
    flags: str
    pgoff: int
    file: str
    tracked: bool
    context: int | None
    prot: CacheMode
    entries: tuple[Entry, ...] = ()

    def __str__(self) -> str:
        tracked = "tracked" if self.tracked else "untracked"
        where = self.file.rpartition("/")[2] or "anonymous"
        return f"[{self.start},{self.end}) {self.permissions} {where}, {tracked}"


@attrs.frozen
class Process:
    """A process and its VMAs."""

    name: str
    pid: int
    vmas: tuple[VmaState, ...] = ()


@attrs.frozen
class Context:
    """A tracking context and how many VMAs hold it."""

    id: int
    start: int
    end: int
    refs: int
    place: Place | None = None


@attrs.frozen
class KernelMapping:
    """A range that kernel code holds: an ioremap, or (unmapped) a bare reservation."""

    owner: str
    start: int
    end: int
    type: CacheMode
    mapped: bool = True


@attrs.frozen
class State:
    """Everything that can be seen of one moment."""

    kernel: str
    tracking_model: str
    pat: str | None
    windows: tuple[WindowState, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    processes: tuple[Process, ...] = ()
    contexts: tuple[Context, ...] = ()
    kernel_mappings: tuple[KernelMapping, ...] = ()
    claims: tuple[tuple[int, int, str], ...] = ()
    ram_types: tuple[tuple[int, int, CacheMode], ...] = ()
    confidence: Mapping[str, Confidence] = attrs.field(factory=dict)


GROUPS = (
    "reservations",
    "processes",
    "entries",
    "contexts",
    "kernel_mappings",
    "claims",
    "ram_types",
)


def to_json(state: State) -> dict[str, Any]:
    """The JSON form; `pfntrack schema state` prints its schema."""
    known = dict.fromkeys(GROUPS, Confidence.READ) | dict(state.confidence)
    return {
        "schema": NAME,
        "kernel": state.kernel,
        "tracking_model": state.tracking_model,
        "pat": state.pat,
        "windows": [attrs.asdict(window) for window in state.windows],
        "reservations": [
            {"start": r.start, "end": r.end, "type": r.type.cattr, "place": _place(r.place)}
            for r in state.reservations
        ],
        "processes": [
            {"name": p.name, "pid": p.pid, "vmas": [_vma(vma) for vma in p.vmas]}
            for p in state.processes
        ],
        "contexts": [
            {"id": c.id, "start": c.start, "end": c.end, "refs": c.refs, "place": _place(c.place)}
            for c in state.contexts
        ],
        "kernel_mappings": [
            {
                "owner": m.owner,
                "start": m.start,
                "end": m.end,
                "type": m.type.cattr,
                "mapped": m.mapped,
            }
            for m in state.kernel_mappings
        ],
        "claims": [
            {"start": start, "end": end, "owner": owner} for start, end, owner in state.claims
        ],
        "ram_types": [
            {"start": first << PAGE_SHIFT, "end": end << PAGE_SHIFT, "type": kind.cattr}
            for first, end, kind in state.ram_types
        ],
        "confidence": {group: known[group].value for group in sorted(known)},
    }


def _place(place: Place | None) -> dict[str, Any] | None:
    return None if place is None else attrs.asdict(place)


def _vma(vma: VmaState) -> dict[str, Any]:
    return {
        "start": vma.start,
        "end": vma.end,
        "permissions": vma.permissions,
        "flags": vma.flags,
        "pgoff": vma.pgoff,
        "file": vma.file,
        "tracked": vma.tracked,
        "context": vma.context,
        "prot": vma.prot.cattr,
        "entries": [
            {
                "start": e.start,
                "end": e.end,
                "pfn": e.pfn,
                "type": e.type.cattr,
                "write": e.write,
                "huge": e.huge,
                "accessible": e.accessible,
                "place": _place(e.place),
            }
            for e in vma.entries
        ],
    }
