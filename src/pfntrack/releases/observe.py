"""A world of the model in the form of the state schema."""

from __future__ import annotations

import attrs

from pfntrack.mm import pagetable
from pfntrack.mm.vma import Vma, permissions, smaps_flags
from pfntrack.pat.physical import Machine, Window
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases.release import Release
from pfntrack.releases.world import Process as ModelProcess
from pfntrack.releases.world import World
from pfntrack.state import (
    Context,
    Entry,
    KernelMapping,
    Place,
    Process,
    Reservation,
    State,
    VmaState,
    WindowState,
)


def observe(release: Release, machine: Machine, world: World) -> State:
    """Everything about `world`, all of it read."""
    places = Places(machine, world)
    contexts = {}
    for process in world.processes:
        for vma in process.space.vmas:
            if found := release.design.context(world.phys, vma):
                contexts[found.id] = found
    return State(
        kernel=release.name,
        tracking_model=release.design.name,
        pat=machine.pat.name if machine.pat else None,
        windows=tuple(WindowState(w.name, w.start, w.end) for w in places.windows),
        reservations=tuple(
            Reservation(e.start, e.end, e.type, places.bytes(e.start, e.end))
            for e in world.phys.tree
        ),
        processes=tuple(_process(release, places, world, each) for each in world.processes),
        contexts=tuple(
            Context(
                c.id,
                c.pfn << PAGE_SHIFT,
                (c.pfn + c.pages) << PAGE_SHIFT,
                c.refs,
                places.pages(c.pfn, c.pfn + c.pages),
            )
            for _, c in sorted(contexts.items())
        ),
        kernel_mappings=tuple(
            KernelMapping(m.key, m.start, m.end, m.type, m.mapped) for m in world.phys.ioremaps
        ),
        claims=tuple((c.start, c.end, c.owner) for c in world.phys.claims),
        ram_types=world.phys.ram_types,
    )


@attrs.frozen
class Places:
    """Names of physical ranges: the machine's windows and the RAM that was allocated."""

    machine: Machine
    world: World

    @property
    def windows(self) -> list[Window]:
        named = [name for name, _ in self.world.phys.devices if name.startswith("ram")]
        found = [self.machine.window(name) for name in named]
        return [*self.machine.windows, *(window for window in found if window)]

    def pages(self, first: int, end: int) -> Place | None:
        """The window pages that `[first, end)` pfns are, if they lie in one window."""
        for window in self.windows:
            if window.pfn <= first and end <= window.pfn + window.pages:
                return Place(window.name, first - window.pfn, end - window.pfn)
        return None

    def bytes(self, start: int, end: int) -> Place | None:
        """The same for a byte range."""
        return self.pages(start >> PAGE_SHIFT, -(-end >> PAGE_SHIFT))


def _process(release: Release, places: Places, world: World, process: ModelProcess) -> Process:
    vmas = tuple(
        _vma(release, places, world, process.space.ptes, vma) for vma in process.space.vmas
    )
    return Process(process.name, process.pid, vmas)


def _vma(
    release: Release, places: Places, world: World, table: pagetable.PageTable, vma: Vma
) -> VmaState:
    context = release.design.context(world.phys, vma)
    runs = pagetable.within(table, vma.start, vma.end)
    # What no observer can see must not cut a run in two.
    shown = pagetable.put((), *(attrs.evolve(run, dirty=False, stamped=False) for run in runs))
    return VmaState(
        start=vma.start,
        end=vma.end,
        permissions=permissions(vma.flags),
        flags=smaps_flags(vma.flags),
        pgoff=vma.pgoff if vma.file else 0,
        file=vma.file.path if vma.file else "",
        tracked=release.design.tracked(vma),
        context=context.id if context else None,
        prot=vma.prot,
        entries=tuple(
            Entry(
                run.start,
                run.end,
                run.pfn,
                run.cache,
                run.write,
                run.huge,
                not run.protnone,
                None if run.pfn is None else places.pages(run.pfn, run.pfn + run.end - run.start),
            )
            for run in shown
        ),
    )
