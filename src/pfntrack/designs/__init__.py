"""Tracking designs: one short file each, all behind `pfntrack.mm.step.Tracking`."""

import attrs

from pfntrack import plugins
from pfntrack.designs.base import Design
from pfntrack.designs.caller_managed import CallerManaged
from pfntrack.designs.context_list import CONTEXT_LIST_EARLY, CONTEXT_RAM, ContextList
from pfntrack.designs.cost import Cost, Work
from pfntrack.designs.counted.counted_tree import CountedTree
from pfntrack.designs.counted.mapcount import Mapcount
from pfntrack.designs.counted.ours import OURS_AT_UNMAP, Ours
from pfntrack.designs.driver_hook import DriverHook
from pfntrack.designs.forbid_partial_zap import ForbidPartialZap
from pfntrack.designs.pfn_per_vma import PfnPerVma
from pfntrack.designs.reserve_at_mmap import ReserveAtMmap
from pfntrack.designs.side_table import SideTable
from pfntrack.designs.split_reservation import SplitReservation
from pfntrack.designs.track_context import TrackContextDesign
from pfntrack.designs.vm_pat.untrack_at_unmap import UntrackAtUnmap
from pfntrack.designs.vm_pat.vm_pat import VM_PAT_5_10, VmPat
from pfntrack.designs.vm_pat.vm_pat_2012 import VmPat2012
from pfntrack.designs.vm_pat.vm_pat_2015 import VmPat2015
from pfntrack.designs.vm_pat.vm_pat_2023 import VmPat2023, VmPat2024
from pfntrack.designs.vm_pat.vm_pat_fork_window import VmPatForkWindow

# The tracking of 5.5; the mistake was in the tree (`PatQuirks.closed_interval`).
INTERVAL_TREE_OFF_BY_ONE = attrs.evolve(
    VM_PAT_5_10,
    name="interval-tree-off-by-one",
    summary="the tree of the 5.5 merge window, whose neighbours overlap",
)

DESIGNS: dict[str, Design] = {
    design.name: design
    for design in (
        VmPat2012(),
        VmPat2015(),
        INTERVAL_TREE_OFF_BY_ONE,
        VM_PAT_5_10,
        VmPat2023(),
        VmPat2024(),
        VmPatForkWindow(),
        VmPat(),
        UntrackAtUnmap(),
        PfnPerVma(),
        DriverHook(),
        SideTable(),
        ForbidPartialZap(),
        CallerManaged(),
        SplitReservation(),
        CountedTree(),
        TrackContextDesign(),
        CONTEXT_RAM,
        ContextList(),
        CONTEXT_LIST_EARLY,
        ReserveAtMmap(),
        OURS_AT_UNMAP,
        Mapcount(),
        Ours(),
    )
}
# Designs of other packages; the names of ours are taken.
DESIGNS |= {
    name: attrs.evolve(design, name=name)
    for name, design in plugins.load("pfntrack.designs", Design, DESIGNS.__contains__).items()
}

__all__ = ["DESIGNS", "Cost", "Design", "Work"]
