"""Track context: a reference-counted object shared by VMAs (6.16 to 7.3).

Idea: David Hildenbrand, 2025. Stored: 8 bytes in every VMA, 24 bytes and one
tree entry per mapping made by one remap_pfn_range() call. Work: one reference
per VMA copy; no page-table walk. Forbids a second full remap of a VMA; keeps
the whole range reserved until the last piece has gone.

Source: arch/x86/mm/pat/memtype.c and mm/memory.c (7.3.4). *Faithful*;
saturation of the count is *ignored*.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.designs.base import Design, whole
from pfntrack.designs.cost import TREE_NODE, Cost
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step, TrackContext, unused
from pfntrack.mm.vma import Vma
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.context import Context
from pfntrack.pat.physical import Physical

Contexts = tuple[TrackContext, ...]


@attrs.frozen
class TrackContextDesign(Design):
    """`struct pfnmap_track_ctx` and its callers."""

    name: str = "track-context"
    summary: str = "reference-counted context per remap, shared by VMAs (6.16 to 7.3)"
    symbols: frozenset[str] = frozenset(
        {"pfnmap_track", "pfnmap_setup_cachemode", "pfnmap_track_ctx_alloc"}
    )
    cost: Cost = attrs.field(
        default=Cost(
            idea="David Hildenbrand, 2025",
            every_vma=8,
            mapping=32 + TREE_NODE,
            forbids=("a second full remap of a VMA, even after all was zapped",),
        )
    )

    def context(self, phys: Physical, vma: Vma) -> TrackContext | None:
        return next((each for each in contexts_of(phys) if each.id == vma.track), None)

    def remap(
        self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, cache: CacheMode
    ) -> tuple[int, CacheMode, Vma]:
        """remap_pfn_range_track(): one context per VMA, made by a full remap."""
        if not whole(vma, at, pages):
            step.note("remap_pfn_range_track", "a part of the VMA: types are looked up only")
            error, cache = self._setup_cachemode(step, pfn, pages, cache)
            return error, cache, vma
        if vma.track is not None:
            step.note("remap_pfn_range_track", "the VMA already has a context: -EINVAL")
            return -errno.EINVAL, cache, vma
        step.point("memtype_reserve", "memtype_lock")
        number = step.ask(unused_number)
        error, cache = self._pfnmap_track(step, number, pfn, pages, cache)
        if error:
            return -errno.EINVAL, cache, vma
        if step.fails("pfnmap_track_ctx_alloc"):
            self._pfnmap_untrack(step, number, pfn, pages)
            return -errno.ENOMEM, cache, vma
        step.ask(enter, TrackContext(number, pfn, pages, 1))
        step.note("remap_pfn_range_track", "the whole VMA: reserved, and a context made for it")
        return 0, cache, mm.change(vma, track=number)

    def remap_failed(self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int) -> Vma:
        if not isinstance(vma.track, int) or not whole(vma, at, pages):
            return vma
        self._put(step, vma.track)
        return mm.change(vma, track=None)

    def insert(self, step: Step, vma: Vma, pfn: int, cache: CacheMode) -> CacheMode:
        """pfnmap_setup_cachemode_pfn(): the result is ignored."""
        return self._setup_cachemode(step, pfn, 1, cache)[1]

    def dup(self, step: Step, vma: Vma) -> tuple[int, Vma]:
        if isinstance(vma.track, int):
            step.ask(kref_get, vma.track)
        return 0, vma

    def free(self, step: Step, vma: Vma) -> None:
        if isinstance(vma.track, int):
            self._put(step, vma.track)

    def _pfnmap_track(
        self, step: Step, number: int, pfn: int, pages: int, cache: CacheMode
    ) -> tuple[int, CacheMode]:
        if step.fails("pfnmap_track"):
            return step.struck, cache
        step.call("pfnmap_track", pfn=pfn, pages=pages)
        error, cache = self.reserve_now(step, number, pfn, pages, cache)
        step.call("pfnmap_track_ret", ret=error)
        return error, cache

    def _pfnmap_untrack(self, step: Step, number: int, pfn: int, pages: int) -> None:
        step.call("pfnmap_untrack", pfn=pfn, pages=pages)
        self.release(step, number, pfn, pages)

    def _setup_cachemode(
        self, step: Step, pfn: int, pages: int, cache: CacheMode
    ) -> tuple[int, CacheMode]:
        if step.fails("pfnmap_setup_cachemode"):
            return step.struck, cache
        step.call("pfnmap_setup_cachemode", pfn=pfn, pages=pages)
        error, cache = self.lookup_range(step, pfn, pages, cache)
        step.call("pfnmap_setup_cachemode_ret", ret=error)
        return error, cache

    def _put(self, step: Step, number: int) -> bool:
        """The last reference releases the original range: was it the last?"""
        left = step.ask(_kref_put, number)
        if left is not None:
            step.note("pfnmap_track_ctx_release", "the last VMA with the context has gone")
            self._pfnmap_untrack(step, left.id, left.pfn, left.pages)
        return left is not None


def contexts_of(phys: Physical) -> Contexts:
    """All contexts that live."""
    held = phys.tracking
    return held if isinstance(held, tuple) else ()


def _store(ctx: Context, contexts: Contexts) -> None:
    ctx.phys = attrs.evolve(ctx.phys, tracking=contexts or None)


def unused_number(ctx: Context) -> int:
    """The smallest number that no context has."""
    return unused({each.id for each in contexts_of(ctx.phys)})


def enter(ctx: Context, context: TrackContext) -> None:
    """A new context lives."""
    _store(ctx, (*contexts_of(ctx.phys), context))


def kref_get(ctx: Context, number: int) -> None:
    """One reference more."""
    _count(ctx, number, +1)


def _kref_put(ctx: Context, number: int) -> TrackContext | None:
    """Drop a reference: the context, if that was the last one."""
    left = _count(ctx, number, -1)
    if left.refs:
        return None
    _store(ctx, tuple(each for each in contexts_of(ctx.phys) if each.id != number))
    return left


def _count(ctx: Context, number: int, change: int) -> TrackContext:
    held = contexts_of(ctx.phys)
    found = next(each for each in held if each.id == number)
    changed = attrs.evolve(found, refs=found.refs + change)
    _store(ctx, tuple(changed if each is found else each for each in held))
    return changed
