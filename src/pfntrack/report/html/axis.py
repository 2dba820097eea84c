"""Axes of pages: what is used is drawn, what lies between is a gap of fixed width.

An axis is a list of cells in ascending order. Each cell is a range of pages
that no edge of a drawn range divides; its weight is the share of the width that
it gets. So an axis made of all ranges of a whole run stays the same while one
steps through it, and a BAR at 4 GiB stands beside low memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import attrs

# Pages that are drawn one by one; a longer cell grows with the logarithm of its length only.
SINGLE = 8
# Unused pages up to this many stay part of the axis.
NARROW = 2

Range = tuple[int, int]


@attrs.frozen
class Cell:
    """Pages `[start, end)`, drawn as wide as `weight` says."""

    start: int
    end: int
    weight: float


def weight(pages: int) -> float:
    """How wide a cell of so many pages is, in widths of one page.

    Grows with the number of pages, and is exact up to SINGLE.
    """
    if pages <= SINGLE:
        return float(pages)
    return SINGLE + math.log2(pages / SINGLE) / 2


def axis(ranges: Iterable[Range]) -> list[list[Cell]]:
    """The islands of used pages, ascending; between them lie gaps.

    Every edge of a range is an edge of a cell; empty ranges do not count.
    """
    used = sorted({(start, end) for start, end in ranges if start < end})
    edges = sorted({edge for each in used for edge in each})
    islands: list[list[Cell]] = []
    reach, at = -1, 0
    for start, end in pairwise(edges):
        while at < len(used) and used[at][0] <= start:
            reach = max(reach, used[at][1])
            at += 1
        if reach <= start and end - start > NARROW:
            continue
        cell = Cell(start, end, weight(end - start))
        if islands and islands[-1][-1].end == start:
            islands[-1].append(cell)
        else:
            islands.append([cell])
    return islands
