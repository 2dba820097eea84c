"""One operation at work on a whole world."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from pfntrack.errors import ModelError
from pfntrack.mm.ops import Op
from pfntrack.mm.space import Mm
from pfntrack.mm.step import FileOps, Step
from pfntrack.mm.vma import File
from pfntrack.pat.physical import Machine
from pfntrack.releases.release import Release
from pfntrack.releases.world import Process, World


class Work:
    """Working copies of a world's components, for the length of one operation.

    `process` is the one that the operation names, if it names one.
    """

    def __init__(
        self,
        release: Release,
        machine: Machine,
        drivers: dict[str, FileOps],
        world: World,
        op: Op,
        step: Step,
    ) -> None:
        self.release = release
        self.machine = machine
        self.drivers = drivers
        self.world = world
        self.step = step
        name = getattr(op, "p", None)
        self.process = world.process(name) if name is not None else None
        self.mms = {process.name: Mm(process.space) for process in world.processes}
        step.spaces = list(self.mms.values())
        self._held = _files(world, step.spaces)

    @property
    def caller(self) -> Process:
        """The process that acts; ModelError if the operation names none."""
        if self.process is None:
            raise ModelError("the operation names no process")
        return self.process

    @property
    def mm(self) -> Mm:
        """The caller's memory."""
        return self.mms[self.caller.name]

    def install(self, fd: int, file: File) -> None:
        """Give the caller an open file; the next one gets the next number."""
        self.world = attrs.evolve(self.world, next_file=self.world.next_file + 1)
        self.process = self.caller.with_fd(fd, file)
        self.world = self.world.with_process(self.process)

    def finish(self) -> World:
        """The world that the operation leaves behind; files that nobody holds are released."""
        held = _files(self.world, self.mms.values())
        for file in self._held:
            if file not in held and file.kind in self.drivers:
                self.drivers[file.kind].release(self.step, file)
        processes = tuple(
            attrs.evolve(process, space=self.mms[process.name].freeze())
            for process in self.world.processes
        )
        return attrs.evolve(
            self.world, processes=processes, phys=self.step.phys, failures=self.step.failures
        )


def _files(world: World, mms: Iterable[Mm]) -> list[File]:
    """Open files that some descriptor or mapping holds, in order of opening."""
    held = {file for process in world.processes for _, file in process.fds}
    held |= {vma.file for mm in mms for vma in mm.vmas if vma.file is not None}
    return sorted(held, key=lambda file: file.id)
