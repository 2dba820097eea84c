"""An ideal kernel: its reservations are exactly the live mappings.

I6 and I7 ask what a request would have got if the books told the truth. The
oracle rewrites a world so that they do (one entry per live mapping, nothing
else, no VMA tracked yet) and performs the operation there with the simplest
design that reserves.
"""

from __future__ import annotations

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
    for page, kind in sorted(_mapped_pages(kernel, _cleared(world, op))):
        tree = insert(tree, Memtype(page << PAGE_SHIFT, (page + 1) << PAGE_SHIFT, kind))
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


def _mapped_pages(kernel: Kernel, world: World) -> set[tuple[int, CacheMode]]:
    """Pages (pfns) and the types they are mapped as: books without a history."""
    return {
        (page, mapping.type)
        for mapping in owners.user_mappings(world)
        if owners.trackable(kernel.machine, mapping.first, mapping.end)
        for page in range(mapping.first, mapping.end)
    }


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


def granted_types(world: World, op: Op) -> dict[int, CacheMode]:
    """Types that `op` got, by pfn."""
    if isinstance(op, ops.Ioremap):
        return {
            pfn: held.type
            for held in world.phys.ioremaps
            if held.key == op.id
            for pfn in range(held.start >> PAGE_SHIFT, held.end >> PAGE_SHIFT)
        }
    if isinstance(op, ops.Mmap | ops.Remap):
        table = world.process(op.p).space.ptes
        return {
            run.pfn + page: run.cache
            for run in pagetable.within(table, op.at, op.at + op.pages)
            if run.pfn is not None
            for page in range(run.end - run.start)
        }
    return {}
