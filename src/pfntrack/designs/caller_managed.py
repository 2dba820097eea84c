"""Caller-managed: the driver reserves its window, mmap only looks up.

Idea: discussed in July 2024, and what graphics drivers do with
arch_io_reserve_memtype_wc(). Stored: nothing in VMAs; one 56-byte tree entry
and a counter per device window. Work: a lookup per page mapped; a counter at
each vm_ops->open and close; no walk. Forbids nothing, but a window can have one
type only, and every driver must be changed.

The reading with the best chance: the driver reserves its whole window with the
type of the first full mapping and frees it when the last VMA of the window has
gone, so nobody leaks. The reservation is the driver's own, as one behind an
ioremap() is: that it is larger than what is mapped does not count against
*tight*. /dev/mem has no window: it only looks up. Pages that a driver inserts
at fault time get what is reserved by then.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.designs.base import Design
from pfntrack.designs.cost import LOOKUP, TREE_NODE, Cost
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step, TrackContext, unused
from pfntrack.mm.vma import Vma
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.physical import Physical, Window

Held = tuple[TrackContext, ...]


@attrs.frozen
class CallerManaged(Design):
    """`Vma.track` says that the driver counts this VMA, and for which reservation."""

    name: str = "caller-managed"
    summary: str = "the driver reserves its window, mmap only looks up (July 2024)"
    caller_holds: bool = True
    cost: Cost = attrs.field(
        default=Cost(
            idea="discussed in July 2024",
            mapping=TREE_NODE + 16,
            split=LOOKUP,
            move=LOOKUP,
            fork=LOOKUP,
            unmap=LOOKUP,
            forbids=("two types in one window",),
            drivers="reserve at first use, count in vm_ops->open and close, free after the last",
        )
    )

    def context(self, phys: Physical, vma: Vma) -> TrackContext | None:
        return next((each for each in _held(phys) if each.id == vma.track), None)

    def remap(
        self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, cache: CacheMode
    ) -> tuple[int, CacheMode, Vma]:
        window, before = vma.file.window if vma.file else None, step.phys
        if vma.track is None and window is not None and vma.file and vma.file.kind != "devmem":
            error, vma = self._first_map(step, mm, vma, window, cache)
            if error:
                return error, cache, vma
        error, cache = self.lookup_range(step, pfn, pages, cache)
        if error:
            step.phys = before
            vma = mm.change(vma, track=None) if self.context(before, vma) is None else vma
        return error, cache, vma

    def remap_failed(self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int) -> Vma:
        self.free(step, vma)
        return mm.change(vma, track=None)

    def dup(self, step: Step, vma: Vma) -> tuple[int, Vma]:
        """vm_ops->open."""
        self._count(step, vma, +1)
        return 0, vma

    def zap(self, step: Step, mm: Mm, vma: Vma, start: int, end: int, *, region: bool) -> Vma:
        if not region:
            return vma
        self.free(step, vma)
        return mm.change(vma, track=None)

    def free(self, step: Step, vma: Vma) -> None:
        """vm_ops->close: the last VMA frees the window."""
        self._count(step, vma, -1)

    def _first_map(
        self, step: Step, mm: Mm, vma: Vma, window: Window, cache: CacheMode
    ) -> tuple[int, Vma]:
        step.point("memtype_reserve", "memtype_lock")
        held = _held(step.phys)
        found = next((each for each in held if each.pfn == window.pfn), None)
        if found is None:
            number = unused({each.id for each in held})
            error, _ = self.reserve_now(step, number, window.pfn, window.pages, cache)
            if error:
                step.note(self.name, "the driver cannot reserve its window: -EINVAL")
                return -errno.EINVAL, vma
            found = TrackContext(number, window.pfn, window.pages, 0)
            _store(step, (*held, found))
        vma = mm.change(vma, track=found.id)
        self._count(step, vma, +1)
        return 0, vma

    def _count(self, step: Step, vma: Vma, change: int) -> None:
        found = self.context(step.phys, vma)
        if found is None:
            return
        left = attrs.evolve(found, refs=found.refs + change)
        rest = (left if each is found else each for each in _held(step.phys))
        _store(step, tuple(each for each in rest if each.refs))
        if not left.refs:
            self.release(step, left.id, left.pfn, left.pages)


def _held(phys: Physical) -> Held:
    return phys.tracking if isinstance(phys.tracking, tuple) else ()


def _store(step: Step, held: Held) -> None:
    ordered = tuple(sorted(held, key=lambda each: each.id))
    step.phys = attrs.evolve(step.phys, tracking=ordered or None)
