"""Counted runs that follow the entries: reserved while mapped, and no longer.

Idea: this project. What is mapped raw is known without looking at page tables,
because every place that writes or clears such an entry says so. Per process,
pieces of addresses with their pfns (`pieces`); shared by all, runs of pages with
the number of pieces that hold them (`runs`). A page is reserved exactly while
some entry maps it.

Stored: nothing in VMAs; 8 bytes in every process; 48 bytes per piece and 64 per
run, both only for what is mapped. Work: one change of pieces and runs when
entries are made, zapped, copied by a store, forked, moved or unmapped; nothing
for a split; never a page-table walk. Forbids nothing.

A zap turns pieces into wishes: others may take the pages with another type,
and if the driver inserts them again they get their old type, unless a live
mapping forbids it. A full remap over wishes replaces them. A part and an
inserted page get the type that is reserved already, as in every kernel; where
nothing is, the type that they ask for, and not UC- (that is B43).

`follows_entries` off gives the cheaper half, `ours-at-unmap`: only full remaps
count, nothing is done at zap, fault and store, and a release waits for munmap.
"""

from __future__ import annotations

import errno

import attrs

from pfntrack.designs.base import Design, reservable, whole
from pfntrack.designs.cost import LOOKUP, NOTHING, Cost, Work
from pfntrack.designs.counted.pieces import Piece, Pieces, inside, joined, leaf, outside, pieces_of
from pfntrack.designs.counted.runs import COUNTED, drop, hold, run_at, types_of
from pfntrack.mm.pagetable import PTRS_PER_PTE
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step, TrackContext
from pfntrack.mm.vma import Vma
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.memtype import pat_x_mtrr_type
from pfntrack.pat.physical import Physical
from pfntrack.pat.ram import PAGE_SHIFT

_TWO = Work(tree=2)
COST = Cost(
    idea="this project",
    mapping=64,
    sharer=48,
    process=8,
    remap=_TWO,
    fault=_TWO,
    cow=_TWO,
    zap=_TWO,
    move=LOOKUP,
    fork=_TWO,
    unmap=_TWO,
)


@attrs.frozen
class Ours(Design):
    """`Vma.track` holds the pieces inside the VMA, `Physical.tracking` the runs."""

    name: str = "ours"
    summary: str = "counted runs of pages that follow the entries (this project)"
    symbols: frozenset[str] = frozenset({"pfnmap_track_ctx_alloc"})
    cost: Cost = COST
    follows_entries: bool = True

    def tracked(self, vma: Vma) -> bool:
        return any(piece.held for piece in pieces_of(vma))

    def context(self, phys: Physical, vma: Vma) -> TrackContext | None:
        """The run of the first page that the VMA holds."""
        held = [piece for piece in pieces_of(vma) if piece.held]
        return run_at(phys, held[0].pfn) if held else None

    def remap(
        self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, cache: CacheMode
    ) -> tuple[int, CacheMode, Vma]:
        """Reserve (the whole VMA) or ask (a part), then hold what was mapped."""
        here = inside(pieces_of(vma), at, at + pages)
        if self.follows_entries and any(piece.held for piece in here):
            step.note("pfnmap_track", "pages of the range are still mapped: -EINVAL")
            return -errno.EINVAL, cache, vma
        if step.fails("pfnmap_track_ctx_alloc"):
            return -errno.ENOMEM, cache, vma
        tracks = pages > 0
        if whole(vma, at, pages):
            step.point("memtype_reserve", "memtype_lock")
            before = step.save()
            _drop(step, here)
            error, cache = self.reserve_now(step, COUNTED, pfn, pages, cache)
            if error:
                step.undo(before)
        else:
            tracks = tracks and self.follows_entries
            error, cache = self._ask(step, pfn, pages, cache)
        if error:
            return error, cache, vma
        if tracks and reservable(step, pfn, pages):
            hold(step, pfn, pages, cache)
            vma = _replace(mm, step.reread(mm, vma), Piece(at, at + pages, pfn, cache))
        return 0, cache, step.reread(mm, vma)

    def remap_failed(self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int) -> Vma:
        """Forget the range, wishes included."""
        _drop(step, inside(pieces_of(vma), at, at + pages))
        return _keep(mm, vma, outside(pieces_of(vma), at, at + pages))

    def insert(self, step: Step, vma: Vma, pfn: int, cache: CacheMode) -> CacheMode:
        """The type that is reserved; else that of the VMA, by its last mapping of the page."""
        wishes = [p for p in pieces_of(vma) if not p.held and p.pfn <= pfn < p.pfn + p.pages]
        return self._ask(step, pfn, 1, wishes[0].type if wishes else cache)[1]

    def _ask(self, step: Step, pfn: int, pages: int, cache: CacheMode) -> tuple[int, CacheMode]:
        """The one type that is reserved somewhere in a part; else the type asked for."""
        if not self.follows_entries or not reservable(step, pfn, pages):
            return self.lookup_range(step, pfn, pages, cache)
        start, end = pfn << PAGE_SHIFT, (pfn + pages) << PAGE_SHIFT
        step.point("pfnmap_track", "memtype_lock, the types are looked up")
        kinds = set(step.ask(types_of, start, end))
        if len(kinds) > 1:
            step.note("pfnmap_track", "the part meets entries of two types: -EINVAL")
            return -errno.EINVAL, cache
        return 0, kinds.pop() if kinds else step.ask(pat_x_mtrr_type, start, end, cache)

    def inserted(
        self, step: Step, mm: Mm, vma: Vma, page: int, pfn: int, pages: int, cache: CacheMode
    ) -> None:
        if self.follows_entries and reservable(step, pfn, pages):
            hold(step, pfn, pages, cache)
            huge = pages == PTRS_PER_PTE
            _replace(mm, mm.current(vma), Piece(page, page + pages, pfn, cache, huge=huge))

    def cow(self, step: Step, mm: Mm, vma: Vma, page: int) -> None:
        """The raw page never comes back: no wish is left."""
        if self.follows_entries:
            vma = mm.current(vma)
            _drop(step, inside(pieces_of(vma), page, page + 1))
            _keep(mm, vma, outside(pieces_of(vma), page, page + 1))

    def zap(self, step: Step, mm: Mm, vma: Vma, start: int, end: int, *, region: bool) -> Vma:
        if not region and not self.follows_entries:
            return vma
        pieces = _shattered(step, _shattered(step, pieces_of(vma), start), end)
        gone = inside(pieces, start, end)
        _drop(step, gone)
        wishes = () if region else tuple(attrs.evolve(each, held=False) for each in gone)
        return _keep(mm, vma, (*outside(pieces, start, end), *wishes))

    def dup(self, step: Step, vma: Vma) -> tuple[int, Vma]:
        """A copy holds nothing until it is known what the copy is for."""
        return 0, attrs.evolve(vma, track=None)

    def split(self, step: Step, mm: Mm, lower: Vma, upper: Vma) -> int:
        """Only the model has to deal the pieces out; a tree by address need not."""
        pieces = _shattered(step, pieces_of(lower) or pieces_of(upper), upper.start)
        _keep(mm, lower, inside(pieces, lower.start, lower.end))
        _keep(mm, upper, inside(pieces, upper.start, upper.end))
        return 0

    def copy(self, step: Step, src_mm: Mm, src: Vma, dst_mm: Mm, dst: Vma) -> tuple[int, Vma, int]:
        """The child holds what its parent holds: counts, no new reservation."""
        if pieces_of(src) and step.fails("pfnmap_track_ctx_alloc"):
            return -errno.ENOMEM, dst, 0
        for piece in pieces_of(src):
            if piece.held:
                hold(step, piece.pfn, piece.pages, piece.type)
        return 0, _keep(dst_mm, dst, pieces_of(src)), 0

    def copy_failed(self, step: Step, dst_mm: Mm, dst: Vma, pfn: int) -> Vma:
        _drop(step, pieces_of(dst))
        return _keep(dst_mm, dst, ())

    def carried(self, step: Step, mm: Mm, old: Vma, new: Vma, at: int) -> None:
        """Pieces go with their entries; counts stay."""
        end, shift = at + new.pages, new.start - at
        pieces = _shattered(step, _shattered(step, pieces_of(old), at), end)
        moved = tuple(
            attrs.evolve(_unfit(step, each, shift), start=each.start + shift, end=each.end + shift)
            for each in inside(pieces, at, end)
        )
        _keep(mm, old, outside(pieces, at, end))
        _keep(mm, new, moved)


OURS_AT_UNMAP = Ours(
    name="ours-at-unmap",
    summary="counted runs of pages that follow mappings, released at munmap (this project)",
    follows_entries=False,
    cost=attrs.evolve(COST, fault=LOOKUP, cow=NOTHING, zap=NOTHING),
)


def _keep(mm: Mm, vma: Vma, pieces: Pieces) -> Vma:
    return mm.change(vma, track=joined(pieces) or None)


def _replace(mm: Mm, vma: Vma, piece: Piece) -> Vma:
    return _keep(mm, vma, (*outside(pieces_of(vma), piece.start, piece.end), piece))


def _drop(step: Step, pieces: Pieces) -> None:
    for piece in pieces:
        if piece.held:
            drop(step, piece.pfn, piece.pages)


def _shattered(step: Step, pieces: Pieces, at: int) -> Pieces:
    """A cut through a huge leaf of raw pfns clears it: its piece becomes a wish."""
    cut = leaf(pieces, at)
    if cut is None:
        return pieces
    lost = inside(pieces, *cut)
    _drop(step, lost)
    wishes = (attrs.evolve(each, held=False, huge=False) for each in lost)
    return (*outside(pieces, *cut), *wishes)


def _unfit(step: Step, piece: Piece, shift: int) -> Piece:
    """A huge leaf does not survive a move to where no leaf can begin."""
    if not piece.huge or not piece.held or not shift % PTRS_PER_PTE:
        return piece
    _drop(step, (piece,))
    return attrs.evolve(piece, held=False, huge=False)
