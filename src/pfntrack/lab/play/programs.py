"""A whole scenario as a program for a guest, or why no guest can play it."""

from __future__ import annotations

from typing import Any

import attrs

from pfntrack.drivers.parametric import PLUGGED
from pfntrack.lab.guests.machine import VFIO_WINDOW
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.mm.overlap import Overlap
from pfntrack.scenario.model import NO_LIMIT, MachineSpec, Scenario
from pfntrack.traces.programs import neutral

Json = dict[str, Any]

_BOUND = "R"


@attrs.frozen(slots=True)
class Plan:
    """A scenario as a guest plays it: operations, boot options, or what stands against it."""

    scenario: Scenario
    steps: tuple[Op, ...]
    append: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def program(self) -> Json:
        """The program for the recorder; ``places`` are physical pages that it names."""
        places = {w.name: [w.pfn, w.pages] for w in self.scenario.machine.windows if not w.bdf}
        return {
            "name": self.scenario.name,
            "about": self.scenario.about,
            "tags": list(self.scenario.tags),
            "steps": [neutral(op) for op in self.steps],
            **({"places": places} if places else {}),
        }


def plan(scenario: Scenario) -> Plan:
    """How a guest plays a scenario."""
    reasons = _machine_reasons(scenario.machine)
    steps = []
    for step in scenario.steps:
        op = step.op
        reasons += [reason for reason in _op_reasons(op) if reason not in reasons]
        steps.append(op)
    append = "nopat" if scenario.machine.pat == "off" else ""
    return Plan(scenario, tuple(steps), append, tuple(reasons))


def _machine_reasons(machine: MachineSpec) -> list[str]:
    reasons = []
    if machine.pat not in ("full", "off"):
        reasons.append(f"Linux programs its own PAT: no guest has the layout {machine.pat}")
    if machine.phys_bits != MachineSpec().phys_bits:
        reasons.append("the guest's processor has a fixed number of physical address bits")
    if machine.overcommit_pages != NO_LIMIT:
        reasons.append("the limit on committed memory follows from the guest's RAM")
    if not machine.mtrrs:
        reasons.append("the guest's processor always has MTRRs")
    return reasons + [
        f"no device of the guest has the window {window.name}"
        for window in machine.windows
        if window.bdf
    ]


def _op_reasons(op: Op) -> list[str]:
    window = str(getattr(op, "window", "") or "")
    if isinstance(op, Overlap):
        return ["the guest does one operation after the other"]
    if isinstance(op, ops.Open) and op.mode in PLUGGED:
        return [f"the guest's module has no driver {op.mode}, which is a plug-in's"]
    if isinstance(op, ops.VfioOpen) and window != VFIO_WINDOW.name:
        return [f"VFIO has the device of {VFIO_WINDOW.name} only"]
    if isinstance(op, ops.DriverBind | ops.DriverUnbind) and window != _BOUND:
        return [f"no driver of the guest binds to {window}"]
    if isinstance(op, ops.Mremap) and (op.fixed or op.dontunmap) and not op.maymove:
        return ["FIXED and DONTUNMAP come with MAYMOVE here"]
    if isinstance(op, ops.RamType) and op.cache.short not in ("WB", "WC", "UC-"):
        return [f"no kernel function sets RAM to {op.cache.short}"]
    return []
