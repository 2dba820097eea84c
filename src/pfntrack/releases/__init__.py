"""Kernel releases: data about them, and the kernel that performs operations."""

from pfntrack.releases.kernel import Kernel
from pfntrack.releases.observe import observe
from pfntrack.releases.release import HISTORIC, RELEASES, Release, release_with
from pfntrack.releases.resolve import release_for, release_or_design
from pfntrack.releases.world import Outcome, World

__all__ = [
    "HISTORIC",
    "RELEASES",
    "Kernel",
    "Outcome",
    "Release",
    "World",
    "observe",
    "release_for",
    "release_or_design",
    "release_with",
]
