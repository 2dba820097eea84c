"""What a log says, before any judgement: facts with their line numbers."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from pfntrack.pat.cachemode import CacheMode

Value = str | int | bool

CACHE_MODES = tuple(mode.cattr for mode in CacheMode)
# Before 3.19 the messages printed raw page-table bits: PWT is bit 3, PCD bit 4.
_RAW_BITS = {0x00: "write-back", 0x08: "write-combining", 0x10: "uncached-minus", 0x18: "uncached"}
# The pairs is_new_memtype_allowed() refuses: (wanted, existing).
REFUSED_PAIRS = frozenset(
    {
        ("uncached-minus", "write-back"),
        ("write-combining", "write-back"),
        ("write-through", "write-back"),
        ("write-through", "write-combining"),
    }
)


def cache_mode_name(number: int) -> str:
    """The memory type behind a number in a message, new numbering or old page-table bits."""
    if 0 <= number < len(CACHE_MODES):
        return CACHE_MODES[number]
    return _RAW_BITS.get(number, "unknown")


@attrs.frozen(slots=True)
class Fact:
    """One parsed message: its kind, where it stands, what it says.

    Addresses are bytes; `start` is inclusive and `end_excl` exclusive whatever
    notation the kernel used. `values` holds the remaining fields by name. `match_end` is
    where the message ended in its line (characters), which tells a line that was cut.
    """

    kind: str
    line: int
    text: str
    values: Mapping[str, Value] = attrs.field(factory=dict)
    start: int | None = None
    end_excl: int | None = None
    time: float | None = None
    count: int = 1
    last_line: int = 0
    last_time: float | None = None
    frames: tuple[str, ...] = ()
    match_end: int = attrs.field(default=0, eq=False)

    def text_of(self, name: str) -> str:
        """A string field, empty if absent."""
        value = self.values.get(name, "")
        return value if isinstance(value, str) else str(value)

    def number(self, name: str) -> int | None:
        """An integer field, None if absent."""
        value = self.values.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @property
    def has_range(self) -> bool:
        return self.start is not None and self.end_excl is not None

    @property
    def span(self) -> tuple[int, int]:
        """The half-open range; only for facts that have one."""
        if self.start is None or self.end_excl is None:
            raise ValueError(f"{self.kind} on line {self.line} has no range")
        return self.start, self.end_excl

    @property
    def size(self) -> int:
        return self.span[1] - self.span[0] if self.has_range else 0

    @property
    def key(self) -> tuple[object, ...]:
        """Facts with equal keys are repeats of one another."""
        return (
            self.kind,
            self.start,
            self.end_excl,
            tuple(sorted(self.values.items())),
            self.frames,
        )


def hex_range(start: int, end_excl: int) -> str:
    """The half-open range in the notation used in every report."""
    return f"[0x{start:x}, 0x{end_excl:x})"


def human_size(size: int) -> str:
    """A byte count for people: 16 KiB, 256 MiB; exact, never rounded."""
    for shift, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size and size % (1 << shift) == 0:
            return f"{size >> shift} {unit}"
    return f"{size} bytes"
