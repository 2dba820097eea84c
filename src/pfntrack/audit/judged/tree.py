"""The kernel's erase rule on a large reservation list, with undo.

Same results as `pat.memtype_interval.memtype_erase` (a test holds the two
against one another), but a release costs logarithmic time: exact matches are
looked up by range, end matches by end. Entries keep their identity when an
end match shrinks them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping

from pfntrack.pat.intervals import Range


class ReplayTree:
    """Reservations by number; `spans[n]` is the current range of entry n, None once freed.

    Only entries that some release can reach need to be in it: those that end
    where a release begins or ends.
    """

    def __init__(
        self, spans: Mapping[int, Range], order: Iterable[int], *, end_match: bool
    ) -> None:
        """`order` is the order in which equal entries are taken; it decides nothing else."""
        self.spans: dict[int, Range | None] = dict(spans)
        self._end_match = end_match
        self._exact: dict[Range, list[int]] = {}
        self._ends: dict[int, list[tuple[int, int, int]]] = {}
        self._undo: list[tuple[int, Range]] = []
        self._rank = 0
        self._ranks: dict[int, int] = {}
        for number in order:
            span = spans[number]
            self._exact.setdefault(span, []).append(number)
            if end_match:
                self._ends.setdefault(span[1], []).append((span[0], self._rank, number))
            self._ranks[number] = self._rank
            self._rank += 1
        for numbers in self._exact.values():
            if len(numbers) > 1:
                numbers.reverse()
        for heap in self._ends.values():
            if len(heap) > 1:
                heapq.heapify(heap)

    def release(self, start: int, end: int) -> int | None:
        """Free `[start, end)`; the entry removed or shrunk, or None if nothing fits."""
        numbers = self._exact.get((start, end), [])
        while numbers:
            number = numbers.pop()
            if self.spans[number] == (start, end):
                self._undo.append((number, (start, end)))
                self.spans[number] = None
                return number
        return self._shrink(start, end) if self._end_match else None

    def _shrink(self, start: int, end: int) -> int | None:
        heap = self._ends.get(end, [])
        while heap and self.spans[heap[0][2]] != (heap[0][0], end):
            heapq.heappop(heap)
        if not heap or heap[0][0] >= start:
            return None
        low, _, number = heapq.heappop(heap)
        self._undo.append((number, (low, end)))
        self.spans[number] = (low, start)
        # Behind its equals, as the kernel puts it back.
        self._exact.setdefault((low, start), []).insert(0, number)
        heapq.heappush(self._ends.setdefault(start, []), (low, self._rank, number))
        self._rank += 1
        return number

    def touched(self) -> list[tuple[int, Range]]:
        """Entries that were removed or shrunk since then, with the range they had."""
        return self._undo

    def rollback(self) -> None:
        """Take back all releases since the tree was made or last rolled back."""
        for number, span in reversed(self._undo):
            self.spans[number] = span
            self._exact.setdefault(span, []).append(number)
            if self._end_match:
                heap = self._ends.setdefault(span[1], [])
                heapq.heappush(heap, (span[0], self._ranks[number], number))
        self._undo.clear()
