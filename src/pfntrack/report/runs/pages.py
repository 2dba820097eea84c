"""A small picture of the pages of a state, in text: who maps which, and what is reserved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from pfntrack.check.judged.properties import Violation
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.state.schema import State, WindowState

# One column per page; a window that needs more is cut, and the picture says so.
MOST = 48
_LETTERS = {
    CacheMode.UC_MINUS: "u",
    CacheMode.UC: "U",
    CacheMode.WC: "C",
    CacheMode.WT: "T",
    CacheMode.WP: "P",
    CacheMode.WB: "B",
}
LEGEND = "pages: u UC-, U UC, C WC, T WT, P WP, B WB, * two types, ! broken, . nothing"


@attrs.frozen
class _Part:
    """Pages `[first, end)` with one letter in a row of the picture."""

    row: str
    first: int
    end: int
    letter: str


def picture(state: State, start: State, broken: Iterable[Violation] = ()) -> list[str]:
    """Lines with a row for reservations, each process, the kernel, and what is broken.

    What was there at `start` is left out. Only windows in which there is something are shown,
    from their first such page to the last.
    """
    before = set(_parts(start, ()))
    parts = [part for part in _parts(state, broken) if part not in before]
    lines: list[str] = []
    for window in state.windows:
        lines += _window(window, parts)
    return lines


def _parts(state: State, broken: Iterable[Violation]) -> Iterator[_Part]:
    for held in state.reservations:
        yield _part("reserved", held.start, held.end, held.type)
    for process in state.processes:
        for vma in process.vmas:
            for entry in vma.entries:
                if entry.pfn is not None:
                    end = entry.pfn + entry.end - entry.start
                    letter = _LETTERS.get(entry.type, "?")
                    yield _Part(f"{process.name} maps", entry.pfn, end, letter)
    for mapping in state.kernel_mappings:
        yield _part("kernel", mapping.start, mapping.end, mapping.type)
    for violation in broken:
        yield _Part("broken", violation.first, violation.end, "!")


def _part(row: str, start: int, end: int, kind: CacheMode) -> _Part:
    return _Part(row, start >> PAGE_SHIFT, -(-end >> PAGE_SHIFT), _LETTERS.get(kind, "?"))


def _window(window: WindowState, parts: Iterable[_Part]) -> Iterator[str]:
    low, high = window.start >> PAGE_SHIFT, window.end >> PAGE_SHIFT
    inside = [
        attrs.evolve(part, first=max(part.first, low), end=min(part.end, high))
        for part in parts
        if part.first < high and low < part.end
    ]
    if not inside:
        return
    first = min(part.first for part in inside)
    last = max(part.end for part in inside)
    end = min(last, first + MOST)
    cut = f"  (and {last - end} pages more)" if end < last else ""
    ruler = "".join(str((page - low) % 10) for page in range(first, end))
    yield f"{f'{window.name}[{first - low},{last - low})':<12} {ruler}{cut}"
    for row in dict.fromkeys(part.row for part in inside):
        cells = ["."] * (end - first)
        for part in inside:
            if part.row == row:
                for page in range(part.first, min(part.end, end)):
                    cells[page - first] = _both(cells[page - first], part.letter)
        yield f"  {row:<10} {''.join(cells)}"


def _both(old: str, new: str) -> str:
    return new if old in (".", new) else "*"
