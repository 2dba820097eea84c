"""Where things are: physical windows, and user addresses brought close together.

Scenarios count pages from small numbers; recordings hold addresses from all over 47 bits. The
order of places is kept, and so is each page's place inside its page table.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from pfntrack.pat.physical import Window
from pfntrack.pat.ram import PAGE_SHIFT, PAGE_SIZE
from pfntrack.record.format import Resource
from pfntrack.scenario.model import STANDARD_WINDOWS

_TABLE = 512


class Close:
    """Page numbers of user space, squeezed: gaps of more than a page table are shortened."""

    def __init__(self, used: Iterable[tuple[int, int]]) -> None:
        runs: list[list[int]] = []
        for start, end in sorted(used):
            if runs and start <= runs[-1][1] + _TABLE:
                runs[-1][1] = max(runs[-1][1], end)
            else:
                runs.append([start, end])
        self._starts = [run[0] for run in runs]
        self._bases: list[int] = []
        free = 0
        for start, end in runs:
            base = free + (start - free) % _TABLE
            self._bases.append(base)
            free = base + (end - start) + _TABLE

    def page(self, page: int) -> int:
        """The small number of a page; pages outside of what was named are as far off as there."""
        at = max(bisect_right(self._starts, page) - 1, 0)
        if not self._starts:
            return page
        return self._bases[at] + page - self._starts[at]


class Windows:
    """Physical pages by the window that they lie in; windows are made as they are needed."""

    def __init__(self, iomem: Sequence[Resource]) -> None:
        self._iomem = iomem
        self.made: list[Window] = []
        self.ram = tuple(
            (each.start, each.end)
            for each in iomem
            if each.name == "System RAM" and each.end > each.start
        )

    def is_ram(self, pfn: int, pages: int) -> bool:
        """Does RAM lie there, if only in part?"""
        start, end = pfn << PAGE_SHIFT, (pfn + pages) << PAGE_SHIFT
        return any(low < end and start < high for low, high in self.ram)

    def bar(self, pfn: int, pages: int, number: int) -> Window:
        """The BAR `number` that begins at `pfn`, or at least `pages` from there."""
        for window in (*STANDARD_WINDOWS, *self.made):
            if window.pfn == pfn and window.bdf and window.bar == number:
                return window
        found = self._resource(pfn, pages)
        name, length = "", pages
        if found and found.start == pfn << PAGE_SHIFT:
            length = max(pages, -(-(found.end - found.start) // PAGE_SIZE))
            name = found.name
        bdf = name if name.count(":") == 2 else "0000:00:1f.0"
        return self._make(pfn, length, bdf, number)

    def holding(self, pfn: int, pages: int) -> Window:
        """A window with all of these pages."""
        for window in (*STANDARD_WINDOWS, *self.made):
            if window.pfn <= pfn and pfn + pages <= window.pfn + window.pages:
                return window
        found = self._resource(pfn, pages)
        if found:
            first = -(-found.start // PAGE_SIZE)
            length = (found.end // PAGE_SIZE) - first
            if first <= pfn and pfn + pages <= first + length:
                return self._make(first, length)
        return self._make(pfn, pages)

    def _resource(self, pfn: int, pages: int) -> Resource | None:
        start, end = pfn << PAGE_SHIFT, (pfn + pages) << PAGE_SHIFT
        around = [r for r in self._iomem if r.start <= start and end <= r.end]
        devices = [r for r in around if r.name.count(":") == 2]
        return min(devices or around, key=lambda r: r.end - r.start, default=None)

    def _make(self, pfn: int, pages: int, bdf: str = "", bar: int = 0) -> Window:
        name = f"W{len(self.made) + 1}"
        window = Window(name, pfn, pages, bdf, bar)
        self.made.append(window)
        return window
