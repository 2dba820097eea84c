"""Counted runs of pages: the shared part of designs that count mappings per page.

A run is `[first, end)` pfns of one type with the number of mappings that hold
them. Runs are disjoint and sorted; neighbours that are alike are one. They are
kept in `Physical.tracking` and shown in the tree as one entry per run, before
kernel entries of equal start. A kernel would put the count into `struct
memtype` and have one structure.
"""

from __future__ import annotations

from itertools import pairwise

import attrs

from pfntrack.mm.step import Step, TrackContext
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.context import Context
from pfntrack.pat.memtype_interval import Memtype, Tree, insert, memtype_lookup
from pfntrack.pat.physical import Physical
from pfntrack.pat.ram import PAGE_SHIFT, PAGE_SIZE

# The ghost owner of all entries that stand for runs.
COUNTED = 1


@attrs.frozen
class Run:
    """Pages `[first, end)` are held `count` times."""

    first: int
    end: int
    type: CacheMode
    count: int


Runs = tuple[Run, ...]


def runs_of(phys: Physical) -> Runs:
    """The counted runs."""
    return phys.tracking if isinstance(phys.tracking, tuple) else ()


def hold(step: Step, pfn: int, pages: int, kind: CacheMode) -> None:
    """One more mapping holds these pages; pages that nobody held get type `kind`."""
    step.ask(_change, pfn, pages, +1, kind)


def drop(step: Step, pfn: int, pages: int) -> None:
    """One mapping less; what nobody holds is released."""
    step.note("memtype_put", "one holder of {} pages less", pages)
    step.ask(_change, pfn, pages, -1, CacheMode.WB)


def _change(ctx: Context, pfn: int, pages: int, change: int, kind: CacheMode) -> None:
    _store(ctx, counted(runs_of(ctx.phys), pfn, pfn + pages, change, kind))


def counted(runs: Runs, first: int, end: int, change: int, kind: CacheMode) -> Runs:
    """`runs` with `change` added to the counts of `[first, end)`."""
    edges = sorted({first, end, *(edge for run in runs for edge in (run.first, run.end))})
    out: list[Run] = []
    for low, high in pairwise(edges):
        here = next((run for run in runs if run.first <= low < run.end), None)
        count, type_ = (here.count, here.type) if here else (0, kind)
        count += change if first <= low < end else 0
        if count <= 0:
            continue
        last = out[-1] if out else None
        if last and (last.end, last.type, last.count) == (low, type_, count):
            out[-1] = attrs.evolve(last, end=high)
        else:
            out.append(Run(low, high, type_, count))
    return tuple(out)


def _store(ctx: Context, runs: Runs) -> None:
    """Keep `runs`, and let the tree show them."""
    tree: Tree = tuple(
        Memtype(run.first << PAGE_SHIFT, run.end << PAGE_SHIFT, run.type, COUNTED) for run in runs
    )
    for entry in ctx.phys.tree:
        if entry.owner != COUNTED:
            tree = insert(tree, entry)
    ctx.phys = attrs.evolve(ctx.phys, tracking=runs or None, tree=tree)


def types_of(ctx: Context, start: int, end: int) -> tuple[CacheMode, ...]:
    """Types that are reserved for the pages of `[start, end)` bytes."""
    entries = (memtype_lookup(ctx.phys.tree, at) for at in range(start, end, PAGE_SIZE))
    return tuple(entry.type for entry in entries if entry)


def run_at(phys: Physical, pfn: int) -> TrackContext | None:
    """The run of a page, as what an observer may see of it."""
    for number, run in enumerate(runs_of(phys), 1):
        if run.first <= pfn < run.end:
            return TrackContext(number, run.first, run.end - run.first, run.count)
    return None
