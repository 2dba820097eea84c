"""Who holds what: live mappings and claims on reservations, per physical page.

The kernel's tree has no owners. They are reconstructed here from the state
itself: kernel mappings by their range, user mappings by their entries and by
the ghost `Vma.origin` (the pfn that a full remap put at the VMA's first page).
All ranges are pfns, half-open.
"""

from __future__ import annotations

from collections import Counter

import attrs

from pfntrack.designs.base import Design
from pfntrack.mm import pagetable
from pfntrack.mm.vma import Vma
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.memtype import is_untracked_pat_range
from pfntrack.pat.memtype_interval import Memtype
from pfntrack.pat.physical import Machine
from pfntrack.pat.ram import NOT_RAM, PAGE_SHIFT, pat_pagerange_is_ram
from pfntrack.releases.world import World


@attrs.frozen
class Mapping:
    """A live mapping of pages `[first, end)` with one type."""

    first: int
    end: int
    type: CacheMode
    who: str


@attrs.frozen
class Claim:
    """Somebody counts on a reservation of `[first, end)`."""

    first: int
    end: int
    who: str


def trackable(machine: Machine, first: int, end: int) -> bool:
    """Can these pages have an entry in the tree? RAM and the ISA hole cannot."""
    start, stop = first << PAGE_SHIFT, end << PAGE_SHIFT
    if is_untracked_pat_range(start, stop):
        return False
    return pat_pagerange_is_ram(machine.ram, start, stop) == NOT_RAM


def user_mappings(world: World) -> list[Mapping]:
    """Raw entries of all processes, PROT_NONE included."""
    return [
        Mapping(run.pfn, run.pfn + run.end - run.start, run.cache, _who(process.name, run))
        for process in world.processes
        for run in process.space.ptes
        if run.pfn is not None
    ]


def _who(name: str, run: pagetable.PteRun) -> str:
    return f"process {name}, pages [{run.start},{run.end})"


def kernel_mappings(world: World) -> list[Mapping]:
    """What kernel code has mapped."""
    return [
        Mapping(held.start >> PAGE_SHIFT, held.end >> PAGE_SHIFT, held.type, f"kernel {held.key}")
        for held in world.phys.ioremaps
        if held.mapped
    ]


def kernel_claims(world: World) -> list[Claim]:
    """Ranges that kernel code has reserved and will free."""
    return [
        Claim(held.start >> PAGE_SHIFT, held.end >> PAGE_SHIFT, f"kernel {held.key}")
        for held in world.phys.ioremaps
    ]


def user_claims(world: World, design: Design, machine: Machine) -> list[Claim]:
    """Ranges that tracked VMAs answer for: one per context, else one per VMA."""
    claims, seen = [], set()
    for process in world.processes:
        for vma in process.space.vmas:
            if not design.tracked(vma):
                continue
            context = design.context(world.phys, vma)
            if context is not None:
                place = context.pfn, context.pfn + context.pages
                if context.id in seen or not trackable(machine, *place):
                    continue
                seen.add(context.id)
            elif vma.origin is not None:
                place = vma.origin, vma.origin + vma.pages
            else:
                continue
            if trackable(machine, *place):
                claims.append(Claim(*place, f"process {process.name}, VMA [{vma.start},{vma.end})"))
    return claims


def nominal(world: World) -> list[tuple[int, int]]:
    """Pages that some VMA was made to map, present or not."""
    return [
        (vma.origin, vma.origin + vma.pages)
        for process in world.processes
        for vma in process.space.vmas
        if vma.origin is not None
    ]


def without_kernel(world: World, design: Design) -> list[Memtype]:
    """The tree's entries less one for each claim of kernel code that has one of its own.

    What a driver reserves for itself and gives back by itself is such a claim.
    """
    claims = [(held.start, held.end) for held in world.phys.ioremaps]
    if design.caller_holds and isinstance(world.phys.tracking, tuple):
        claims += [
            (each.pfn << PAGE_SHIFT, (each.pfn + each.pages) << PAGE_SHIFT)
            for each in world.phys.tracking
        ]
    theirs, left = Counter(claims), []
    for entry in world.phys.tree:
        if theirs[entry.start, entry.end]:
            theirs[entry.start, entry.end] -= 1
        else:
            left.append(entry)
    return left


def entries_of(vma: Vma, table: pagetable.PageTable) -> list[pagetable.PteRun]:
    """Raw entries of one VMA."""
    return [run for run in pagetable.within(table, vma.start, vma.end) if run.pfn is not None]
