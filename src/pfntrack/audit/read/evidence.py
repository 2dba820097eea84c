"""What a collector hands over: one state and everything that the checks read beside it.

A text snapshot fills this from files. Reading kernel memory fills the same
value, with page-table entries and contexts in the state and `READ` as their
confidence; checks ask how well a fact is known, never where it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import attrs

from pfntrack.field.read.context import Resource
from pfntrack.pat.mtrr import Mtrr
from pfntrack.releases import Release
from pfntrack.state import Confidence, State

Row = tuple[int, int, str]


@attrs.frozen
class Bar:
    """One memory window of a PCI device, half-open."""

    number: int
    start: int
    end: int
    prefetchable: bool


@attrs.frozen
class PciDevice:
    """A PCI function, its windows and the driver bound to it."""

    name: str
    driver: str | None
    bars: tuple[Bar, ...] = ()


@attrs.frozen
class FreeLine:
    """A `freeing invalid memtype` line of the log, half-open."""

    start: int
    end: int
    text: str


@attrs.frozen
class BootLine:
    """A line about MTRRs or PAT of the processors: its kind in the log, and its range if any."""

    kind: str
    text: str
    where: tuple[int, int] | None = None


@attrs.frozen
class Sources:
    """What the facts are called where they came from; findings cite these names."""

    listed: str
    readings: str
    maps: str
    flags: str
    areas: str
    log: str
    mtrr: str
    claims: str
    asked: str
    copied: str
    types: str = ""


TEXT_SOURCES = Sources(
    listed="pat_memtype_list",
    readings="pat_memtype_list (all readings)",
    maps="pid/*/maps",
    flags="smaps VmFlags (ar)",
    areas="vmallocinfo",
    log="dmesg",
    mtrr="mtrr",
    claims="iomem claims",
    asked="maps (file name)",
    copied="smaps Anonymous",
)
MEMORY_SOURCES = Sources(
    listed="memtype_rbroot",
    readings="memtype_rbroot",
    maps="vm_area_struct",
    flags="vm_flags, pfnmap_track_ctx",
    areas="vmap_area",
    log="prb (log buffer)",
    mtrr="mtrr_state",
    claims="page-table entries",
    asked="vm_page_prot",
    copied="page-table entries",
)
# Groups whose gaps can hide the holder of an entry.
HOLDERS = frozenset({"processes", "entries", "kernel_mappings", "devices", "claims"})


@attrs.frozen
class Evidence:
    """A machine at one moment.

    `varying` lists reservations whose number differed between the readings of
    the list: (fewest, most). `copied` is how many bytes of a mapping (pid,
    first page) are copies in RAM, where the kernel counts them. `still` if the
    machine stood still while it was read, as in a dump; `gaps` are groups of the
    state of which something could not be read.
    """

    name: str
    state: State
    release: Release | None = None
    pat_on: bool | None = None
    readings: int = 0
    varying: Mapping[Row, tuple[int, int]] = attrs.field(factory=dict)
    devices: tuple[PciDevice, ...] = ()
    resources: tuple[Resource, ...] = ()
    mtrr: Mtrr | None = None
    free_lines: tuple[FreeLine, ...] = ()
    boot_lines: tuple[BootLine, ...] = ()
    vfio_devices: Mapping[int, tuple[str, ...]] = attrs.field(factory=dict)
    copied: Mapping[tuple[int, int], int] = attrs.field(factory=dict)
    parents: Mapping[int, int] = attrs.field(factory=dict)
    missing: tuple[str, ...] = ()
    still: bool = False
    gaps: frozenset[str] = frozenset()
    sources: Sources = TEXT_SOURCES

    @property
    def lasting(self) -> bool:
        """Whether an entry of the list is known to be more than a passing one."""
        return self.still or self.readings > 1

    @property
    def sees_all_holders(self) -> bool:
        """Whether every mapping that can hold an entry was looked at, in kernel memory."""
        return self.known("entries") is Confidence.READ and not self.gaps & HOLDERS

    @property
    def knows_claims(self) -> bool:
        """Whether it is known where RAM is, and what drivers have claimed."""
        return self.known("claims") is not Confidence.UNKNOWN

    def whole(self, group: str) -> bool:
        """Whether nothing of a group is known to be missing."""
        return group not in self.gaps

    @property
    def vm_pat(self) -> bool:
        """Whether a flag per VMA marks what is tracked; else it is a shared context."""
        return self.release is not None and self.release.design.name.startswith("vm-pat")

    @property
    def contexts(self) -> bool:
        return self.release is not None and not self.vm_pat

    def known(self, group: str) -> Confidence:
        """How a group of fields of the state is known."""
        return self.state.confidence.get(group, Confidence.UNKNOWN)


class Collector(Protocol):
    """Anything that can observe a machine."""

    def collect(self) -> Evidence: ...
