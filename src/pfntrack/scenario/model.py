"""Scenarios as values: a machine, steps, and what is expected of them."""

from __future__ import annotations

import attrs

from pfntrack.mm.ops import Op
from pfntrack.pat.layout import LAYOUTS
from pfntrack.pat.mtrr import UC, Mtrr, Variable, pc_fixed
from pfntrack.pat.physical import Machine, Window
from pfntrack.scenario.expect import Expect

GIB = 1 << 30
STANDARD_WINDOWS = (
    Window("H", 0xFC000, 4096, bdf="0000:00:04.0", bar=2),
    Window("L", 0xFD000, 4096, bdf="0000:00:05.0", bar=0),
    Window("R", 0xFE000, 4, bdf="0000:00:06.0", bar=4, registers=(0, 1, 3, 2)),
)
PAT_LAYOUTS = ("full", "lower-four", "legacy")
NO_LIMIT = 1 << 40


@attrs.frozen
class MachineSpec:
    """How a scenario's machine differs from the one of the recorded traces.

    That one has three windows: H (ivshmem, free), L (bochs-display, free) and
    R (virtio-rng, its driver bound), all below 4 GiB where one MTRR says
    uncachable. `pat` names a layout, or is `off` for a kernel with `nopat`.
    """

    pat: str = "full"
    windows: tuple[Window, ...] = ()
    phys_bits: int = 52
    overcommit_pages: int = NO_LIMIT
    mtrrs: bool = True

    @property
    def bound(self) -> tuple[str, ...]:
        """Windows whose own driver is bound when the scenario begins."""
        return ("R",)

    def window(self, name: str) -> Window | None:
        """The window called `name`, standard or extra."""
        return next((w for w in (*STANDARD_WINDOWS, *self.windows) if w.name == name), None)

    def machine(self) -> Machine:
        """The machine as the model wants it."""
        return Machine(
            windows=(*STANDARD_WINDOWS, *self.windows),
            pat=None if self.pat == "off" else LAYOUTS[self.pat],
            phys_bits=self.phys_bits,
            overcommit_pages=self.overcommit_pages,
        )

    def mtrr(self) -> Mtrr:
        """The firmware's MTRRs: uncachable from 3 to 4 GiB, else write-back."""
        if not self.mtrrs:
            return Mtrr(enabled=False)
        return Mtrr(variable=(Variable(3 * GIB, GIB, UC),), fixed=pc_fixed())


@attrs.frozen
class Step:
    """One operation and the claims about what it does."""

    op: Op
    line: int = attrs.field(default=0, eq=False)
    expects: tuple[Expect, ...] = ()


@attrs.frozen
class Scenario:
    """A small program of mm operations; process A exists at its start.

    `final` are claims about the whole run and about what it leaves behind
    once all processes are gone.
    """

    name: str
    about: str = ""
    tags: tuple[str, ...] = ()
    machine: MachineSpec = MachineSpec()
    steps: tuple[Step, ...] = ()
    final: tuple[Expect, ...] = ()
