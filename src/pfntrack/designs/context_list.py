"""Small changes of the tracking context: what could be sent, in three steps.

Idea: this project, after the field reports on 6.16 (hfi1, comedi). Each step
contains the one before:

`context-ram`: where nothing is reserved (RAM, the ISA hole, no PAT) no context is
made, so a driver that maps its RAM buffers one by one, each as "the whole" of a
narrowed VMA, is served again. `pfnmap_track()` is asked as before.

`context-list`: a VMA may hold several contexts, newest first; a further full remap
adds one. Copies of the VMA share them all: a VMA holds its newest context, and each
context the one made before it.

`context-list-early`: mappings that are replaced or unmapped drop their contexts
with their entries, after the TLB has been flushed and before a new mapping is made;
6.16 waits for the VMA object, which under MAP_FIXED dies after the new mapping.

Stored: as in 6.16, 8 bytes in every VMA, and a context (24 bytes; 32 with the link,
which is the same slab) and a tree entry per full remap of device pages. Work: one
reference per VMA copy; no page-table walk. Forbids: a second full remap of
device pages (`context-ram`), nothing (the others). All keep a whole range reserved
until the last piece of the mapping has gone, and what was zapped and remapped
elsewhere as well.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.designs.base import reservable, whole
from pfntrack.designs.cost import TREE_NODE, Cost
from pfntrack.designs.track_context import (
    TrackContextDesign,
    contexts_of,
    enter,
    kref_get,
    unused_number,
)
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step, TrackContext
from pfntrack.mm.vma import Vma
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.physical import Physical

Numbers = tuple[int, ...]


@attrs.frozen
class ContextList(TrackContextDesign):
    """`Vma.track` holds the numbers of the VMA's contexts, newest first.

    `many`: a VMA that has a context may get another. `early`: what is unmapped
    releases after the flush, and does not wait for the VMA object.
    """

    name: str = "context-list"
    summary: str = "as track-context; a VMA may hold several contexts"
    cost: Cost = attrs.field(
        default=Cost(
            idea="this project, a change of 6.16 by 16 lines",
            every_vma=8,
            mapping=32 + TREE_NODE,
        )
    )
    many: bool = True
    early: bool = False

    def context(self, phys: Physical, vma: Vma) -> TrackContext | None:
        """The newest."""
        held = numbers(vma)
        return (
            next((each for each in contexts_of(phys) if each.id == held[0]), None) if held else None
        )

    def remap(
        self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, cache: CacheMode
    ) -> tuple[int, CacheMode, Vma]:
        """remap_pfn_range_track(): a full remap makes a context if something is reserved."""
        if not whole(vma, at, pages):
            step.note("remap_pfn_range_track", "a part of the VMA: types are looked up only")
            error, cache = self._setup_cachemode(step, pfn, pages, cache)
            return error, cache, vma
        reserves = reservable(step, pfn, pages)
        if reserves and numbers(vma) and not self.many:
            step.note("remap_pfn_range_track", "the VMA already has a context: -EINVAL")
            return -errno.EINVAL, cache, vma
        step.point("memtype_reserve", "memtype_lock")
        number = step.ask(unused_number) if reserves else 0
        error, cache = self._pfnmap_track(step, number, pfn, pages, cache)
        if error:
            return -errno.EINVAL, cache, vma
        if not reserves:
            step.note("remap_pfn_range_track", "nothing to reserve here: no context is made")
            return 0, cache, vma
        if step.fails("pfnmap_track_ctx_alloc"):
            self._pfnmap_untrack(step, number, pfn, pages)
            return -errno.ENOMEM, cache, vma
        step.ask(enter, TrackContext(number, pfn, pages, 1))
        step.note("remap_pfn_range_track", "the whole VMA: reserved, and a context made for it")
        vma = step.reread(mm, vma)
        return 0, cache, mm.change(vma, track=(number, *numbers(vma)))

    def remap_failed(self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int) -> Vma:
        """The context of this remap, the newest, goes; older ones stay."""
        held = numbers(vma)
        if not held or not whole(vma, at, pages) or not reservable(step, pfn, pages):
            return vma
        self._put(step, held[0])
        return mm.change(vma, track=held[1:] or None)

    def dup(self, step: Step, vma: Vma) -> tuple[int, Vma]:
        """The newest is held by the copy as well; each holds the one made before it."""
        for number in numbers(vma)[:1]:
            step.ask(kref_get, number)
        return 0, vma

    def free(self, step: Step, vma: Vma) -> None:
        self._release(step, numbers(vma))

    def _release(self, step: Step, held: Numbers) -> None:
        """pfnmap_track_ctx_release(): one that goes lets go of the next."""
        for number in held:
            if not self._put(step, number):
                return

    def zap(self, step: Step, mm: Mm, vma: Vma, start: int, end: int, *, region: bool) -> Vma:
        """The contexts of what is unmapped are queued until the flush."""
        held = numbers(vma)
        if not (region and self.early and held):
            return vma
        step.dying.append(held)
        return mm.change(vma, track=None)

    def flushed(self, step: Step) -> None:
        """vms_clean_up_area(), after the flush: no CPU uses the pages any more."""
        while step.dying:
            self._release(step, step.dying.pop(0))


def numbers(vma: Vma) -> Numbers:
    """The numbers of the contexts that a VMA holds, newest first."""
    return vma.track if isinstance(vma.track, tuple) else ()


CONTEXT_RAM = ContextList(
    name="context-ram",
    summary="as track-context; no context where nothing is reserved (RAM)",
    cost=Cost(
        idea="this project, a change of 6.16 by about 12 lines",
        every_vma=8,
        mapping=32 + TREE_NODE,
        forbids=("a second full remap of device pages, even after all was zapped",),
    ),
    many=False,
)
CONTEXT_LIST_EARLY = ContextList(
    name="context-list-early",
    summary="as context-list; what is replaced releases before the new mapping is made",
    cost=attrs.evolve(ContextList().cost, idea="this project, a change of 6.16 by 21 lines"),
    early=True,
)
