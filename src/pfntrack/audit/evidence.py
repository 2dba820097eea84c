"""What a collector hands over: one state and everything that the checks read beside it.

A text snapshot fills this from files. A collector that reads kernel memory
would fill the same value, with page-table entries and contexts in the state
and `READ` as their confidence; no check asks where the facts came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import attrs

from pfntrack.field.context import Resource
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
class Evidence:
    """A machine at one moment.

    `varying` lists reservations whose number differed between the readings of
    the list: (fewest, most). `copied` is how many bytes of a mapping (pid,
    first page) are copies in RAM, where the kernel counts them.
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
    vfio_devices: Mapping[int, tuple[str, ...]] = attrs.field(factory=dict)
    copied: Mapping[tuple[int, int], int] = attrs.field(factory=dict)
    parents: Mapping[int, int] = attrs.field(factory=dict)
    missing: tuple[str, ...] = ()

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
