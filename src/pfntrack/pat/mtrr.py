"""MTRRs: the firmware's memory types, asked when a request is for write-back.

Source: arch/x86/kernel/cpu/mtrr/generic.c, `mtrr_type_lookup()`. Two
generations are *faithful*: to 6.3 a range that begins below 1 MiB is judged
by the fixed register at its start alone; later kernels merge every part.
AMD's TOM2 area is *ignored*.

Addresses are bytes, ranges half-open.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator

import attrs

UC, WC, WT, WP, WB = 0, 1, 4, 5, 6
_NAMES = {
    "uncachable": UC,
    "write-combining": WC,
    "write-through": WT,
    "write-protect": WP,
    "write-back": WB,
}
MIB = 1 << 20
_REGISTER = re.compile(
    r"^reg\d+: base=0x([0-9a-f]{1,14}) [^\n]{0,40}size= *(\d{1,9})([KMG]?)B[^\n]*: ([a-z-]{2,20})",
    re.MULTILINE,
)
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30}


class MtrrLookup(enum.Enum):
    """The generation of `mtrr_type_lookup()`."""

    FIXED_AT_START = "the fixed register at the start decides below 1 MiB (to 6.3)"
    MERGED_MAP = "all ranges are merged (from 6.4)"


@attrs.frozen
class Variable:
    """One variable range register: `[base, base + size)`, size 0 = unused."""

    base: int
    size: int
    type: int

    @property
    def end(self) -> int:
        return self.base + self.size


@attrs.frozen
class Mtrr:
    """All range registers.

    `fixed` covers 0 to 1 MiB as sorted, adjacent `(start, end, type)` triples.
    """

    enabled: bool = True
    default: int = WB
    variable: tuple[Variable, ...] = ()
    fixed: tuple[tuple[int, int, int], ...] = ()

    def lookup(self, start: int, end: int, generation: MtrrLookup) -> int | None:
        """Type of `[start, end)`; None where MTRRs are off and no type is known."""
        if not self.enabled:
            return None
        if generation is MtrrLookup.FIXED_AT_START and start < MIB and self.fixed:
            return next(kind for low, high, kind in self.fixed if low <= start < high)
        fixed = self.fixed if generation is MtrrLookup.MERGED_MAP else ()
        merged: int | None = None
        for kind in self._parts(start, end, fixed):
            merged = kind if merged is None else _combine(merged, kind)
        return merged

    def _parts(
        self, start: int, end: int, fixed: tuple[tuple[int, int, int], ...]
    ) -> Iterator[int]:
        """Types of the pieces of `[start, end)`, in address order."""
        cuts = {start, end}
        for low, high, _ in (*fixed, *((v.base, v.end, v.type) for v in self.variable if v.size)):
            cuts.update(edge for edge in (low, high) if start < edge < end)
        for low in sorted(cuts - {end}):
            yield self._at(low, fixed)

    def _at(self, address: int, fixed: tuple[tuple[int, int, int], ...]) -> int:
        for low, high, kind in fixed:
            if low <= address < high:
                return kind
        hits = [v.type for v in self.variable if v.size and v.base <= address < v.end]
        if not hits:
            return self.default
        merged = hits[0]
        for kind in hits[1:]:
            merged = _combine(merged, kind)
        return merged

    def write(self, text: str) -> Mtrr:
        """The registers after `text` was written to /proc/mtrr.

        Understands `disable=N` and `base=A size=B type=NAME`.
        Raises ValueError for any other text.
        """
        words = dict(_pairs(text))
        if set(words) == {"disable"}:
            number = int(words["disable"], 0)
            if not 0 <= number < len(self.variable):
                raise ValueError(f"no variable register {number}")
            unused = Variable(0, 0, UC)
            kept = self.variable
            return attrs.evolve(self, variable=(*kept[:number], unused, *kept[number + 1 :]))
        if set(words) == {"base", "size", "type"} and words["type"] in _NAMES:
            entry = Variable(int(words["base"], 0), int(words["size"], 0), _NAMES[words["type"]])
            return attrs.evolve(self, variable=(*self.variable, entry))
        raise ValueError(f"expected 'disable=N' or 'base=A size=B type=NAME', got {text!r}")


def registers(text: str) -> tuple[Variable, ...]:
    """The variable registers of /proc/mtrr; lines that are none say nothing."""
    return tuple(
        Variable(int(base, 16), int(size) << _UNITS[unit], _NAMES[kind])
        for base, size, unit, kind in _REGISTER.findall(text)
        if kind in _NAMES
    )


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for word in text.split():
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"expected KEY=VALUE, got {word!r}")
        yield key, value


def _combine(a: int, b: int) -> int:
    """Overlap rule: equal stays; UC wins; WB with WT is WT; any other mix is UC."""
    if a == b:
        return a
    return WT if {a, b} == {WB, WT} else UC


def pc_fixed() -> tuple[tuple[int, int, int], ...]:
    """Fixed registers as PC firmware leaves them: RAM, then video, then ROM."""
    return ((0, 0xA0000, WB), (0xA0000, 0xC0000, UC), (0xC0000, MIB, WP))
