"""What one process has mapped raw: pieces of virtual pages and the pfns behind them.

A kernel would keep them in one small interval tree per process, keyed by
address, so that a VMA needs no field and a split nothing at all. The model
keeps in each VMA (`Vma.track`) the pieces inside its bounds: the same set.

A piece is *held* while its entries are present; it then counts in the shared
runs. A piece that was zapped is a *wish*: it holds nothing, and only remembers
the type for the case that the driver inserts the pages again.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from pfntrack.mm.pagetable import PTRS_PER_PTE
from pfntrack.mm.vma import Vma
from pfntrack.pat.cachemode import CacheMode


@attrs.frozen
class Piece:
    """Virtual pages `[start, end)` map pfns from `pfn` on, or did; `huge` in whole leaves."""

    start: int
    end: int
    pfn: int
    type: CacheMode
    held: bool = True
    huge: bool = False

    @property
    def pages(self) -> int:
        return self.end - self.start

    def cut(self, start: int, end: int) -> Piece:
        """The part inside `[start, end)`, which must not be empty."""
        low, high = max(self.start, start), min(self.end, end)
        return attrs.evolve(self, start=low, end=high, pfn=self.pfn + low - self.start)


Pieces = tuple[Piece, ...]


def pieces_of(vma: Vma) -> Pieces:
    """The pieces of a VMA."""
    return vma.track if isinstance(vma.track, tuple) else ()


def inside(pieces: Iterable[Piece], start: int, end: int) -> Pieces:
    """The parts of `pieces` within `[start, end)`."""
    return tuple(each.cut(start, end) for each in pieces if each.start < end and start < each.end)


def outside(pieces: Iterable[Piece], start: int, end: int) -> Pieces:
    """The parts of `pieces` that are not within `[start, end)`."""
    kept: list[Piece] = []
    for each in pieces:
        if each.end <= start or end <= each.start:
            kept.append(each)
            continue
        if each.start < start:
            kept.append(each.cut(each.start, start))
        if end < each.end:
            kept.append(each.cut(end, each.end))
    return tuple(kept)


def joined(pieces: Iterable[Piece]) -> Pieces:
    """Sorted, and neighbours that continue each other as one."""
    out: list[Piece] = []
    for each in sorted(pieces, key=lambda piece: piece.start):
        last = out[-1] if out else None
        if (
            last
            and attrs.evolve(last, end=each.end)
            == attrs.evolve(each, start=last.start, pfn=each.pfn - last.pages)
            and last.end == each.start
        ):
            out[-1] = attrs.evolve(last, end=each.end)
        else:
            out.append(each)
    return tuple(out)


def leaf(pieces: Iterable[Piece], at: int) -> tuple[int, int] | None:
    """The huge leaf that a cut at page `at` would go through: its bounds."""
    start = at - at % PTRS_PER_PTE
    if start == at or not any(each.huge and each.start < at < each.end for each in pieces):
        return None
    return start, start + PTRS_PER_PTE
