"""Ranges, indexed: which of many half-open ranges overlap a given one.

`Intervals` takes any ranges and finds the overlaps of a query in logarithmic
time per hit; `Disjoint` is a union of ranges for yes-or-no questions.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

Range = tuple[int, int]


class Intervals:
    """A static set of ranges; hits come as positions in the given sequence, by start."""

    def __init__(self, ranges: Sequence[Range]) -> None:
        self._order = sorted(range(len(ranges)), key=lambda at: ranges[at])
        self._starts = [ranges[at][0] for at in self._order]
        self._size = 1
        while self._size < len(ranges):
            self._size *= 2
        self._top = [0] * (2 * self._size)
        for position, at in enumerate(self._order):
            self._top[self._size + position] = ranges[at][1]
        for node in range(self._size - 1, 0, -1):
            self._top[node] = max(self._top[2 * node], self._top[2 * node + 1])

    def overlapping(self, start: int, end: int) -> Iterator[int]:
        """Positions of the ranges that share a byte with `[start, end)`."""
        limit = bisect_left(self._starts, end)
        stack = [1] if limit else []
        while stack:
            node = stack.pop()
            if self._top[node] <= start:
                continue
            if node >= self._size:
                if node - self._size < limit:
                    yield self._order[node - self._size]
                continue
            depth = self._size.bit_length() - node.bit_length()
            left = (2 * node + 1 << depth - 1) - self._size
            if left < limit:
                stack.append(2 * node + 1)
            stack.append(2 * node)


class Disjoint:
    """The union of ranges."""

    def __init__(self, ranges: Iterable[Range]) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        begun = last = -1
        for start, end in sorted(ranges):
            if start <= last:
                last = max(last, end)
            elif start < end:
                if begun >= 0:
                    self.starts.append(begun)
                    self.ends.append(last)
                begun, last = start, end
        if begun >= 0:
            self.starts.append(begun)
            self.ends.append(last)

    def __bool__(self) -> bool:
        return bool(self.starts)

    def touches(self, start: int, end: int) -> bool:
        """Whether any byte of `[start, end)` is in the union."""
        at = bisect_right(self.ends, start)
        return at < len(self.starts) and self.starts[at] < end

    def holds(self, start: int, end: int) -> bool:
        """Whether all of `[start, end)` is in the union."""
        at = bisect_right(self.starts, start) - 1
        return at >= 0 and end <= self.ends[at]

    def outside(self, start: int, end: int) -> list[Range]:
        """The parts of `[start, end)` that are not in the union."""
        found = []
        at = bisect_right(self.ends, start)
        while start < end and at < len(self.starts) and self.starts[at] < end:
            if start < self.starts[at]:
                found.append((start, self.starts[at]))
            start = max(start, self.ends[at])
            at += 1
        if start < end:
            found.append((start, end))
        return found
