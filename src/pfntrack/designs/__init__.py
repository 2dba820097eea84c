"""Tracking designs: one short file each, all behind `pfntrack.mm.step.Tracking`."""

from pfntrack.designs.base import Design
from pfntrack.designs.track_context import TrackContextDesign
from pfntrack.designs.vm_pat import VM_PAT_5_10, VmPat

DESIGNS: dict[str, Design] = {
    design.name: design for design in (VM_PAT_5_10, VmPat(), TrackContextDesign())
}

__all__ = ["DESIGNS", "Design"]
