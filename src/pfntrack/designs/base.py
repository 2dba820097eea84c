"""What all tracking designs share.

`Design` answers every moment of the interface (`pfntrack.mm.step.Tracking`)
with "nothing to do"; a design overrides the moments it cares about. The
lookups of partial and fault-time mappings are the same in every kernel since
3.7, so they live here.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable

import attrs

from pfntrack.designs.cost import NOTHING, Cost
from pfntrack.mm.pagetable import PteRun
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step, TrackContext
from pfntrack.mm.vma import Vma
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.context import Context
from pfntrack.pat.memtype import (
    free_pfn_range,
    is_untracked_pat_range,
    lookup_memtype,
    reserve_pfn_range,
)
from pfntrack.pat.physical import Physical
from pfntrack.pat.ram import NOT_RAM, PAGE_SHIFT, pat_pagerange_is_ram

PFN_DEV = 1 << 61


@attrs.frozen
class Design:
    """A design that tracks nothing; the base of the others."""

    name: str = "untracked"
    summary: str = "nothing is reserved for user mappings"
    # Functions of the design that an armed failure can strike.
    symbols: frozenset[str] = frozenset()
    cost: Cost = attrs.field(default=Cost(remap=NOTHING, fault=NOTHING))
    # What is reserved is the drivers' own, not that of the mappings: it counts as
    # theirs for as long as they keep it, as a kernel mapping does.
    caller_holds: bool = False
    # Zaps are reported batch by batch, for entries that are there, under their lock.
    follows_entries: bool = False
    # The release whose other code the design is put into.
    base: str = "7.3"

    def tracked(self, vma: Vma) -> bool:
        return vma.track is not None

    def context(self, phys: Physical, vma: Vma) -> TrackContext | None:
        return None

    def remap(
        self,
        step: Step,
        mm: Mm,
        vma: Vma,
        at: int,
        pfn: int,
        pages: int,
        cache: CacheMode,
    ) -> tuple[int, CacheMode, Vma]:
        error, cache = self.lookup_range(step, pfn, pages, cache)
        return error, cache, vma

    def remap_failed(
        self,
        step: Step,
        mm: Mm,
        vma: Vma,
        at: int,
        pfn: int,
        pages: int,
    ) -> Vma:
        return vma

    def insert(self, step: Step, vma: Vma, pfn: int, cache: CacheMode) -> CacheMode:
        tag = PFN_DEV if step.quirks.pfn_t else 0
        step.call("track_pfn_insert", vma=(vma.start, vma.end), pfn=pfn | tag)
        return self.lookup_page(step, pfn, cache)

    def inserted(
        self, step: Step, mm: Mm, vma: Vma, page: int, pfn: int, pages: int, cache: CacheMode
    ) -> None:
        """The entry is in place."""

    def cow(self, step: Step, mm: Mm, vma: Vma, page: int) -> None:
        """A copy has replaced the raw page."""

    def may_zap(self, step: Step, vma: Vma, start: int, end: int) -> bool:
        """May `[start, end)` be cleared while the VMA stays? If not, nothing happens."""
        return True

    def zap(
        self,
        step: Step,
        mm: Mm,
        vma: Vma,
        start: int,
        end: int,
        *,
        region: bool,
    ) -> Vma:
        return vma

    def promised(self, step: Step, mm: Mm, vma: Vma, pfn: int, cache: CacheMode) -> tuple[int, Vma]:
        """The driver's mmap says that the VMA, from its first page, will map `pfn` on."""
        return 0, vma

    def counts(self, step: Step, pfn: int, pages: int) -> bool:
        """Are entries of these pages marked as counted?"""
        return False

    def insert_pages(
        self, step: Step, vma: Vma, pfn: int, pages: int, cache: CacheMode
    ) -> CacheMode:
        """Insertion of one page or one huge leaf: the type to use."""
        return self.insert(step, vma, pfn, cache)

    def not_inserted(self, step: Step, pfn: int, pages: int) -> None:
        """There was an entry already, or no page table."""

    def replaced(self, step: Step, run: PteRun) -> None:
        """A copy has replaced the raw entry `run`, and the TLB was flushed."""

    def cleared(self, step: Step, runs: Iterable[PteRun]) -> None:
        """Counted entries `runs` are being cleared; CPUs may use them until the flush."""

    def torn(self, step: Step, runs: Iterable[PteRun]) -> None:
        """Counted huge leaves `runs` are cleared, and flushed, by a cut through them."""

    def may_copy(self, step: Step) -> int:
        """May raw entries be copied for a child? An error ends the fork."""
        return 0

    def copied(self, step: Step, runs: Iterable[PteRun]) -> None:
        """Entries of a child that copy the counted `runs` are about to be made."""

    def flushed(self, step: Step) -> None:
        """The TLB is flushed: what `zap` put into `step.dying` may be released now.

        A design that releases in `zap` itself does so before the flush; one that
        releases in `free` does so after it, when the VMA object dies.
        """

    def dup(self, step: Step, vma: Vma) -> tuple[int, Vma]:
        return 0, vma

    def split(self, step: Step, mm: Mm, lower: Vma, upper: Vma) -> int:
        return 0

    def fork(self, step: Step, src: Vma, dst: Vma) -> Vma:
        return dst

    def copy(
        self,
        step: Step,
        src_mm: Mm,
        src: Vma,
        dst_mm: Mm,
        dst: Vma,
    ) -> tuple[int, Vma, int]:
        return 0, dst, 0

    def copy_failed(self, step: Step, dst_mm: Mm, dst: Vma, pfn: int) -> Vma:
        return dst

    def carried(self, step: Step, mm: Mm, old: Vma, new: Vma, at: int) -> None:
        """The entries are at their new place."""

    def moved(self, step: Step, mm: Mm, old: Vma) -> Vma:
        return old

    def free(self, step: Step, vma: Vma) -> None:
        """The VMA object is gone."""

    def may_unmap(
        self,
        step: Step,
        mm: Mm,
        vma: Vma,
        start: int,
        end: int,
    ) -> int:
        return 0

    @staticmethod
    def reserve(
        step: Step, owner: int, pfn: int, pages: int, cache: CacheMode, *, strict: bool = False
    ) -> tuple[int, CacheMode]:
        """`reserve_pfn_range()` in pages, in the name of the ghost `owner`."""
        step.point("memtype_reserve", "memtype_lock")
        return step.ask(_reserve, owner, pfn, pages, cache, strict)

    @staticmethod
    def reserve_now(
        step: Step, owner: int, pfn: int, pages: int, cache: CacheMode, *, strict: bool = False
    ) -> tuple[int, CacheMode]:
        """The same where others have been let in already, before `owner` was chosen as free."""
        return step.ask(_reserve, owner, pfn, pages, cache, strict)

    @staticmethod
    def release(step: Step, owner: int, pfn: int, pages: int) -> None:
        """`free_pfn_range()` in pages, in the name of the ghost `owner`."""
        step.point("memtype_free", "memtype_lock")
        step.ask(_release, owner, pfn, pages)

    @staticmethod
    def lookup_page(step: Step, pfn: int, cache: CacheMode) -> CacheMode:
        """Type of one page of a mapping that reserves nothing."""
        if not step.machine.pat_enabled:
            return cache
        step.point("lookup_memtype", "memtype_lock")
        return step.ask(lookup_memtype, pfn << PAGE_SHIFT)

    def lookup_range(
        self, step: Step, pfn: int, pages: int, cache: CacheMode
    ) -> tuple[int, CacheMode]:
        """One type for all pages of a mapping that reserves nothing, or -EINVAL."""
        if not step.machine.pat_enabled:
            return 0, cache
        first = self.lookup_page(step, pfn, cache)
        for page in range(pfn + 1, pfn + pages):
            if step.ask(lookup_memtype, page << PAGE_SHIFT) is not first:
                step.note("track_pfn_remap", "the part covers pages of two types: -EINVAL")
                return -errno.EINVAL, cache
        return 0, first


def _reserve(
    ctx: Context, owner: int, pfn: int, pages: int, cache: CacheMode, strict: bool
) -> tuple[int, CacheMode]:
    start, end = pfn << PAGE_SHIFT, (pfn + pages) << PAGE_SHIFT
    ctx.owner = owner
    error, cache = reserve_pfn_range(ctx, start, end, cache, strict=strict)
    ctx.owner = 0
    return error, cache


def _release(ctx: Context, owner: int, pfn: int, pages: int) -> None:
    ctx.owner = owner
    free_pfn_range(ctx, pfn << PAGE_SHIFT, (pfn + pages) << PAGE_SHIFT)
    ctx.owner = 0


def reservable(step: Step, pfn: int, pages: int) -> bool:
    """Would a reservation of these pages become an entry of the tree?

    Not in RAM (nor where a part is RAM), not in the ISA hole, not without PAT.
    """
    start, end = pfn << PAGE_SHIFT, (pfn + pages) << PAGE_SHIFT
    if not step.machine.pat_enabled or is_untracked_pat_range(start, end):
        return False
    return pat_pagerange_is_ram(step.machine.ram, start, end) == NOT_RAM


def whole(vma: Vma, at: int, pages: int) -> bool:
    """Does `[at, at + pages)` cover the whole VMA?"""
    return at == vma.start and pages == vma.pages
