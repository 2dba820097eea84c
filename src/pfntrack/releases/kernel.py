"""Performing operations: a release and a machine applied to a world.

`Kernel.perform` is a pure function of (world, operation). Operations of one
process are functions of its address space and the physical part
(`Kernel.local`, see `calls.py`); the few that reach several address spaces are
folds over them (`world_calls.py`).
"""

from __future__ import annotations

import attrs

from pfntrack.drivers.devmem import DevMem
from pfntrack.drivers.parametric import Parametric
from pfntrack.drivers.sysfs import PciResource
from pfntrack.drivers.vfio import VfioContainer, VfioGroup, VfioPci
from pfntrack.errors import ModelError
from pfntrack.mm.ops import Op, Result
from pfntrack.mm.overlap import Overlap
from pfntrack.mm.space import AddressSpace, Mm
from pfntrack.mm.step import FileOps, MmQuirks, Step, Tracking
from pfntrack.mm.vma import File
from pfntrack.pat.context import Failure, PatQuirks
from pfntrack.pat.events import Event, Task
from pfntrack.pat.physical import Machine, Physical
from pfntrack.releases.calls import LOCAL_CALLS
from pfntrack.releases.release import Release
from pfntrack.releases.together import play
from pfntrack.releases.work import KWORKER, Work, actor
from pfntrack.releases.world import Outcome, World
from pfntrack.releases.world_calls import SYMBOLS, WORLD_CALLS

__all__ = ["KWORKER", "SYMBOLS", "Kernel", "Local"]


@attrs.frozen
class Local:
    """What a local operation makes of the two components it was given."""

    space: AddressSpace
    phys: Physical
    result: Result
    events: tuple[Event, ...] = ()
    failures: tuple[Failure, ...] = ()


class Kernel:
    """One release on one machine.

    Without `explain`, notes and tracking calls are not collected: a search
    does not need them.
    """

    def __init__(self, release: Release, machine: Machine, *, explain: bool = True) -> None:
        self.release = release
        self.machine = machine
        self.explain = explain
        self.drivers: dict[str, FileOps] = {
            "devmem": DevMem(),
            "sysfs": PciResource(),
            "driver": Parametric(),
            "vfio-container": VfioContainer(mmaps=release.vfio_container_mmaps),
            "vfio-group": VfioGroup(),
            "vfio": VfioPci(release.vfio, release.vfio_claims_at_open),
        }

    def local(
        self,
        op: Op,
        file: File | None,
        space: AddressSpace,
        phys: Physical,
        task: Task,
        failures: tuple[Failure, ...] = (),
    ) -> Local:
        """One process's operation as a function of its space and the physical part."""
        step, mm = self.step(phys, task, failures), Mm(space)
        step.spaces = [mm]
        result = LOCAL_CALLS[type(op)](step, mm, op, file)
        return Local(mm.freeze(), step.phys, result, tuple(step.events), step.failures)

    def perform(self, world: World, op: Op) -> Outcome:
        """Apply one operation; ModelError if no program could do it in this state."""
        if isinstance(op, Overlap):
            return play(self, world, op)
        call = WORLD_CALLS.get(type(op))
        if call is None:
            raise ModelError(f"operation {type(op).__name__} is not modelled")
        step = self.step(world.phys, actor(world, op), world.failures)
        work = Work(self.release, self.machine, self.drivers, world, op, step)
        result = call(work, op)
        return Outcome(work.finish(), result, tuple(step.events))

    def step(self, phys: Physical, task: Task, failures: tuple[Failure, ...] = ()) -> Step:
        """A context for one call."""
        parts = self.step_parts(phys, task)
        return Step(*parts, failures=failures, explain=self.explain)

    def step_parts(
        self, phys: Physical, task: Task
    ) -> tuple[Machine, PatQuirks, MmQuirks, Tracking, dict[str, FileOps], Physical, Task]:
        """What any context of a call is made from."""
        release = self.release
        return self.machine, release.pat, release.mm, release.design, self.drivers, phys, task
