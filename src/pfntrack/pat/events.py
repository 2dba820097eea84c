"""Everything the modelled kernel says: log lines, warnings and tracking calls.

Each log line is a value that renders to the kernel's exact text (formats of
5.10 to 7.3: arch/x86/mm/pat/memtype.c, memtype_interval.c,
arch/x86/mm/ioremap.c). Ranges are kept half-open; whether a line prints the
last byte or the end is the business of its `text()`.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from pfntrack.pat.cachemode import CacheMode

EMERG, ERR, WARN_LEVEL, INFO, DEBUG = 0, 3, 4, 6, 7


@attrs.frozen
class Task:
    """Who executes the kernel code: `current->comm` and `current->pid`."""

    comm: str
    pid: int

    def __str__(self) -> str:
        return f"{self.comm}:{self.pid}"


@attrs.frozen
class Event:
    """Base of all events."""

    kind: ClassVar[str]
    level: ClassVar[int] = INFO

    def text(self) -> str | None:
        """The kernel's line without time stamp, or None for what is not logged."""
        return None


def _mem(start: int, end: int) -> str:
    """`[mem %#010Lx-%#010Lx]`: the last byte, not the end."""
    return f"[mem {start:#010x}-{end - 1:#010x}]"


@attrs.frozen
class Added(Event):
    """`debugpat`: an entry went in."""

    kind: ClassVar[str] = "added"
    start: int
    end: int
    track: CacheMode
    req: CacheMode
    ret: CacheMode | None

    def text(self) -> str:
        ret = self.ret.cattr if self.ret is not None else "-"
        return (
            f"x86/PAT: memtype_reserve added {_mem(self.start, self.end)}, "
            f"track {self.track.cattr}, req {self.req.cattr}, ret {ret}"
        )


@attrs.frozen
class Freed(Event):
    """`debugpat`: an entry went away or was shrunk."""

    kind: ClassVar[str] = "freed"
    start: int
    end: int

    def text(self) -> str:
        return f"x86/PAT: memtype_free request {_mem(self.start, self.end)}"


@attrs.frozen
class Overlap(Event):
    """`debugpat`: the first overlap met, its end exclusive."""

    kind: ClassVar[str] = "overlap"
    start: int
    end: int

    def text(self) -> str:
        return f"x86/PAT: Overlap at 0x{self.start:x}-0x{self.end:x}"


@attrs.frozen
class FreeInvalid(Event):
    """A release that no entry fits."""

    kind: ClassVar[str] = "free_invalid"
    task: Task
    start: int
    end: int

    def text(self) -> str:
        return f"x86/PAT: {self.task} freeing invalid memtype {_mem(self.start, self.end)}"


@attrs.frozen
class ConflictingTypes(Event):
    """Two types within one requested range; the end is exclusive and bare."""

    kind: ClassVar[str] = "conflict"
    task: Task
    start: int
    end: int
    a: CacheMode
    b: CacheMode

    def text(self) -> str:
        return (
            f"x86/PAT: {self.task} conflicting memory types {self.start:x}-{self.end:x} "
            f"{self.a.cattr}<->{self.b.cattr}"
        )


@attrs.frozen
class ReserveFailed(Event):
    """Follows `ConflictingTypes`."""

    kind: ClassVar[str] = "reserve_failed"
    start: int
    end: int
    track: CacheMode
    req: CacheMode

    def text(self) -> str:
        return (
            f"x86/PAT: memtype_reserve failed {_mem(self.start, self.end)}, "
            f"track {self.track.cattr}, req {self.req.cattr}"
        )


@attrs.frozen
class ExpectedType(Event):
    """The granted type was refused by the mapper."""

    kind: ClassVar[str] = "expected_type"
    level: ClassVar[int] = ERR
    task: Task
    want: CacheMode
    start: int
    end: int
    got: CacheMode

    def text(self) -> str:
        return (
            f"x86/PAT: {self.task} map pfn expected mapping type {self.want.cattr} "
            f"for {_mem(self.start, self.end)}, got {self.got.cattr}"
        )


@attrs.frozen
class RamType(Event):
    """RAM is mapped with the type of its page flags, not the one asked for."""

    kind: ClassVar[str] = "ram_type"
    level: ClassVar[int] = WARN_LEVEL
    task: Task
    want: CacheMode
    start: int
    end: int
    got: CacheMode

    def text(self) -> str:
        return (
            f"x86/PAT: {self.task} map pfn RAM range req {self.want.cattr} "
            f"for {_mem(self.start, self.end)}, got {self.got.cattr}"
        )


@attrs.frozen
class RamReserveFailed(Event):
    """A RAM page already has a type; the numbers are enum values."""

    kind: ClassVar[str] = "ram_reserve_failed"
    start: int
    end: int
    track: CacheMode
    req: CacheMode

    def text(self) -> str:
        return (
            f"x86/PAT: reserve_ram_pages_type failed {_mem(self.start, self.end)}, "
            f"track 0x{self.track.value:x}, req 0x{self.req.value:x}"
        )


@attrs.frozen
class ChangeAttrFailed(Event):
    """The direct map could not follow."""

    kind: ClassVar[str] = "change_attr_failed"
    task: Task
    type: CacheMode
    start: int
    end: int

    def text(self) -> str:
        return (
            f"x86/PAT: {self.task} ioremap_change_attr failed {self.type.cattr} "
            f"for {_mem(self.start, self.end)}"
        )


@attrs.frozen
class IoremapError(Event):
    """`ioremap()` refuses what it was granted; end exclusive, enum numbers."""

    kind: ClassVar[str] = "ioremap_error"
    level: ClassVar[int] = ERR
    start: int
    end: int
    req: CacheMode
    got: CacheMode

    def text(self) -> str:
        return (
            f"ioremap error for 0x{self.start:x}-0x{self.end:x}, "
            f"requested 0x{self.req.value:x}, got 0x{self.got.value:x}"
        )


@attrs.frozen
class IoremapReserveFailed(Event):
    """`ioremap()` could not reserve; `error` is negative."""

    kind: ClassVar[str] = "ioremap_reserve_failed"
    level: ClassVar[int] = ERR
    error: int

    def text(self) -> str:
        return f"ioremap memtype_reserve failed {self.error}"


@attrs.frozen
class Warn(Event):
    """A WARN: the function that holds it and the call chain, innermost first.

    `message` is the line it prints, if it has one. Which name the kernel shows
    depends on inlining; `chain` names the functions as the source has them.
    """

    kind: ClassVar[str] = "warn"
    level: ClassVar[int] = WARN_LEVEL
    file: str
    chain: tuple[str, ...]
    message: str | None = None

    def text(self) -> str:
        return self.message or f"WARNING: {self.file} {self.chain[0]}"


@attrs.frozen
class Oops(Event):
    """A BUG: the task dies in the kernel."""

    kind: ClassVar[str] = "oops"
    level: ClassVar[int] = EMERG
    file: str
    function: str

    def text(self) -> str:
        return f"kernel BUG at {self.file} in {self.function}"


@attrs.frozen
class Log(Event):
    """Any other line that the kernel prints on a modelled path."""

    kind: ClassVar[str] = "log"
    level: ClassVar[int] = WARN_LEVEL
    line: str

    def text(self) -> str:
        return self.line


@attrs.frozen
class WrongOwner(Event):
    """A ghost: this release of `[start, end)` took or cut what another had reserved."""

    kind: ClassVar[str] = "wrong_owner"
    start: int
    end: int


@attrs.frozen
class Call(Event):
    """Entry or return (`..._ret`) of a tracking function; not a log line.

    `via` names the calling function where a kernel inlines the callee in some
    callers only. `fields` are (name, value) pairs: `range` in bytes, `vma` and
    `addr` in pages, `pfn`, `pages`, `type`, `ret`.
    """

    kind: ClassVar[str] = "call"
    function: str
    task: Task
    fields: tuple[tuple[str, object], ...] = ()
    via: str = ""


@attrs.frozen
class Note(Event):
    """Why a step went as it did: the rule of one kernel function, in plain words."""

    kind: ClassVar[str] = "note"
    function: str
    rule: str
