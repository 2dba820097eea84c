"""Normal forms: worlds that differ only in names become equal.

Process names, pids and the numbers of ghost owners and contexts mean nothing
to the kernel. A normal world calls its processes A, B, C in order of birth and
numbers owners in the order of the tree. The numbering follows from the
physical part alone, so each component has a normal form of its own and equal
components can be shared. What programs have stored is dropped: no rule of the
kernel and no property asks for it.
"""

from __future__ import annotations

import attrs

from pfntrack.check.search.actions import NAMES
from pfntrack.designs.base import Design
from pfntrack.designs.side_table import Row
from pfntrack.mm.pagetable import put
from pfntrack.mm.space import AddressSpace
from pfntrack.mm.step import TrackContext
from pfntrack.mm.vma import Vma
from pfntrack.pat.physical import Physical
from pfntrack.releases.world import FIRST_PID, Process, World

# The owner of an entry that has gone: nothing in the tree answers to it.
GONE = -1

# What designs store whose numbers mean nothing but which VMA belongs to which.
_RENAMED: tuple[type, ...] = (TrackContext, Row)


@attrs.frozen
class Renaming:
    """New numbers of owners and contexts: sorted (old, new) pairs."""

    owners: tuple[tuple[int, int], ...] = ()
    contexts: tuple[tuple[int, int], ...] = ()


def renaming(phys: Physical) -> Renaming:
    """Owners in the order of the tree; contexts have the numbers of the owners.

    Contexts without an entry come last. Rows of one reservation in a side table
    are alike, whichever VMA has which, so they are all called by its number.
    What another design keeps in a form of its own may name owners: they stay.
    """
    held = phys.tracking if isinstance(phys.tracking, tuple) else ()
    if not all(isinstance(each, _RENAMED) for each in held):
        return Renaming(tuple(sorted({(entry.owner,) * 2 for entry in phys.tree})))
    owners: dict[int, int] = {}
    for entry in phys.tree:
        if entry.owner > 0:
            owners.setdefault(entry.owner, len(owners) + 1)
    for each in sorted(held, key=lambda each: (each.pfn, each.pages, each.id)):
        owners.setdefault(each.id, len(owners) + 1)
    contexts = {(_name(each), owners[each.id]) for each in held}
    return Renaming(tuple(sorted(owners.items())), tuple(sorted(contexts)))


def _name(held: TrackContext | Row) -> int:
    """What a VMA calls it by."""
    return held.key if isinstance(held, Row) else held.id


def normal_phys(phys: Physical, names: Renaming) -> Physical:
    """The physical part with owners and contexts renumbered."""
    owners, contexts = dict(names.owners), dict(names.contexts)
    held: tuple[TrackContext | Row, ...] = ()
    if contexts and isinstance(phys.tracking, tuple):
        held = phys.tracking
    order = [each.id for each in held]
    called = all(old == new for old, new in (*names.owners, *names.contexts))
    if called and order == sorted(order):
        return attrs.evolve(phys, written=frozenset()) if phys.written else phys
    tree = tuple(attrs.evolve(e, owner=owners.get(e.owner, e.owner)) for e in phys.tree)
    tracking = phys.tracking
    if held:
        renamed = (_renamed(each, contexts[_name(each)]) for each in held)
        tracking = tuple(sorted(renamed, key=lambda each: each.id))
    return attrs.evolve(phys, tree=tree, tracking=tracking, written=frozenset())


def _renamed(held: TrackContext | Row, number: int) -> TrackContext | Row:
    if isinstance(held, Row):
        return attrs.evolve(held, key=number, id=number)
    return attrs.evolve(held, id=number)


def normal_space(space: AddressSpace, names: Renaming, design: Design) -> AddressSpace:
    """An address space with owners and contexts renumbered."""
    owners, contexts = dict(names.owners), dict(names.contexts)
    if not any(vma.owner or vma.track is not None for vma in space.vmas) and not any(
        run.stamped for run in space.ptes
    ):
        return space
    vmas = tuple(_normal_vma(vma, owners, contexts, design) for vma in space.vmas)
    ptes = space.ptes
    if any(run.stamped for run in ptes):
        ptes = put((), *(attrs.evolve(run, stamped=False) for run in ptes))
    return AddressSpace(vmas, ptes, space.tables)


def _normal_vma(vma: Vma, owners: dict[int, int], contexts: dict[int, int], design: Design) -> Vma:
    """An untracked VMA owns nothing; one whose entry has gone owns nothing any more."""
    owner = owners.get(vma.owner, GONE) if vma.owner and design.tracked(vma) else 0
    track = vma.track
    if isinstance(track, int):
        track = contexts.get(track, track)
    elif isinstance(track, tuple) and all(isinstance(each, int) for each in track):
        track = tuple(contexts.get(each, each) for each in track)
    if (owner, track) == (vma.owner, vma.track):
        return vma
    return attrs.evolve(vma, owner=owner, track=track)


def assemble(
    spaces: tuple[AddressSpace, ...], phys: Physical, fds: tuple[tuple[int, object], ...]
) -> World:
    """A normal world from normal components; every process has the same files open."""
    processes = tuple(
        Process(NAMES[slot], FIRST_PID + slot, NAMES[slot], space, fds)  # type: ignore[arg-type]
        for slot, space in enumerate(spaces)
    )
    return World(processes, phys, next_file=len(fds) + 1, next_pid=FIRST_PID + len(spaces))


def normal(world: World, design: Design) -> World:
    """The normal form of a world between two actions."""
    names = renaming(world.phys)
    spaces = tuple(normal_space(p.space, names, design) for p in world.processes)
    fds = world.processes[0].fds if world.processes else ()
    return assemble(spaces, normal_phys(world.phys, names), fds)
