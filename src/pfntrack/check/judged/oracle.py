"""An ideal kernel: its reservations are exactly the live mappings.

I6 and I7 ask what a request would have got if the books told the truth. The
oracle rewrites a world so that they do (one entry per live mapping, nothing
else, no VMA tracked yet) and performs the operation there with the simplest
design that reserves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import attrs

from pfntrack.check.judged import owners
from pfntrack.designs.vm_pat.vm_pat import VmPat
from pfntrack.errors import ModelError
from pfntrack.mm import ops, pagetable
from pfntrack.mm.ops import Op
from pfntrack.mm.vma import VM_PAT
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.memtype_interval import Memtype, Tree, insert
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases.kernel import Kernel
from pfntrack.releases.world import Outcome, World


def ideal(kernel: Kernel, world: World, op: Op, *, alone: bool = False) -> Outcome | None:
    """`op` in the ideal kernel; None if it cannot even be tried there.

    `alone`, nothing else counts as mapped: what is granted then is what `op` asks for.
    """
    pat = attrs.evolve(
        kernel.release.pat, closed_interval=False, reserve_masks_end=False, free_masks_end=False
    )
    release = attrs.evolve(kernel.release, design=VmPat(), pat=pat)
    try:
        books = truthful(kernel, world, op)
        if alone:
            books = attrs.evolve(books, phys=attrs.evolve(books.phys, tree=()))
        return Kernel(release, kernel.machine, explain=False).perform(books, op)
    except ModelError:
        return None


def truthful(kernel: Kernel, world: World, op: Op) -> World:
    """The same world, with books that say what is mapped and nothing else.

    What `op` maps over counts as gone already.
    """
    tree: Tree = ()
    for held in world.phys.ioremaps:
        tree = insert(tree, Memtype(held.start, held.end, held.type))
    for first, end, kinds in _mapped(kernel, _cleared(world, op)):
        for kind in sorted(kinds):
            tree = insert(tree, Memtype(first << PAGE_SHIFT, end << PAGE_SHIFT, kind))
    processes = tuple(
        attrs.evolve(
            process,
            space=attrs.evolve(
                process.space,
                vmas=tuple(
                    attrs.evolve(vma, flags=vma.flags & ~VM_PAT, track=None)
                    for vma in process.space.vmas
                ),
            ),
        )
        for process in world.processes
    )
    phys = attrs.evolve(world.phys, tree=tree, tracking=None)
    return attrs.evolve(world, processes=processes, phys=phys, failures=())


def _mapped(kernel: Kernel, world: World) -> Iterator[tuple[int, int, frozenset[CacheMode]]]:
    """Runs of pages (pfns) that are mapped as the same types: books without a history."""
    edges: dict[int, Counter[CacheMode]] = {}
    for mapping in owners.user_mappings(world):
        if owners.trackable(kernel.machine, mapping.first, mapping.end):
            edges.setdefault(mapping.first, Counter())[mapping.type] += 1
            edges.setdefault(mapping.end, Counter())[mapping.type] -= 1
    live: Counter[CacheMode] = Counter()
    for first, end in pairwise(sorted(edges)):
        live.update(edges[first])
        if kinds := frozenset(kind for kind, count in live.items() if count):
            yield first, end, kinds


def _cleared(world: World, op: Op) -> World:
    """Without the entries that a mapping made by `op` replaces."""
    if not isinstance(op, ops.Mmap):
        return world
    process = world.process(op.p)
    ptes = pagetable.clear(process.space.ptes, op.at, op.at + op.pages)
    space = attrs.evolve(process.space, ptes=ptes)
    return world.with_process(attrs.evolve(process, space=space))


def requested(kernel: Kernel, world: World, op: Op) -> CacheMode | None:
    """The type that `op` asks for, where the request says it; `world` is the one before."""
    kind = None
    if isinstance(op, ops.Ioremap | ops.Remap):
        kind = op.cache
    elif isinstance(op, ops.Mmap):
        file = world.process(op.p).file(op.fd)
        kind = file.cache if file.kind in ("driver", "sysfs") else None
    return None if kind is None else kernel.machine.layout.granted(kind)


Granted = list[tuple[int, int, CacheMode]]


def granted_types(world: World, op: Op) -> Granted:
    """Types that `op` got: runs of pages (pfns, half-open) with their type."""
    if isinstance(op, ops.Ioremap):
        return [
            (held.start >> PAGE_SHIFT, held.end >> PAGE_SHIFT, held.type)
            for held in world.phys.ioremaps
            if held.key == op.id
        ]
    if isinstance(op, ops.Mmap | ops.Remap):
        table = world.process(op.p).space.ptes
        return [
            (run.pfn, run.pfn + run.end - run.start, run.cache)
            for run in pagetable.within(table, op.at, op.at + op.pages)
            if run.pfn is not None
        ]
    return []


def type_at(granted: Granted, pfn: int) -> CacheMode | None:
    """The type of one page; that of the last run that holds it."""
    return next((kind for first, end, kind in reversed(granted) if first <= pfn < end), None)
