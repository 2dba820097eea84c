"""One operation at work on a whole world."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from pfntrack.errors import ModelError
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.mm.space import Mm
from pfntrack.mm.step import FileOps, Step
from pfntrack.mm.vma import File
from pfntrack.pat.events import Task
from pfntrack.pat.physical import Machine
from pfntrack.releases.release import Release
from pfntrack.releases.world import Process, World

# Who runs kernel code that no process has called.
KWORKER = Task("kworker", 1)


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
        _release(self.drivers, self.step, self._held, held)
        processes = tuple(
            attrs.evolve(process, space=self.mms[process.name].freeze())
            for process in self.world.processes
        )
        return attrs.evolve(
            self.world, processes=processes, phys=self.step.phys, failures=self.step.failures
        )


def actor(world: World, op: Op) -> Task:
    """The task in whose name kernel code runs."""
    name = getattr(op, "p", None)
    if name is not None:
        return world.process(name).task
    if isinstance(op, ops.DriverBind | ops.DriverUnbind) or not world.processes:
        return KWORKER
    # Nobody says who asks the kernel; the first process is as good as any.
    return world.processes[0].task


def release_files(drivers: dict[str, FileOps], step: Step, before: World, after: World) -> None:
    """Release the files that were held before, and are not any more."""
    held = [
        _files(world, [Mm(process.space) for process in world.processes])
        for world in (before, after)
    ]
    _release(drivers, step, *held)


def _release(
    drivers: dict[str, FileOps], step: Step, before: list[File], after: list[File]
) -> None:
    for file in before:
        if file not in after and file.kind in drivers:
            drivers[file.kind].release(step, file)


def _files(world: World, mms: Iterable[Mm]) -> list[File]:
    """Open files that some descriptor or mapping holds, in order of opening."""
    held = {file for process in world.processes for _, file in process.fds}
    held |= {vma.file for mm in mms for vma in mm.vmas if vma.file is not None}
    return sorted(held, key=lambda file: file.id)
