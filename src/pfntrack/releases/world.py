"""The whole state: processes, their files, and what they share.

A `World` is made of immutable components: one address space per process and
one `Physical`. Nothing in it points from one component into another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from pfntrack.errors import ModelError, NoSuchProcessError
from pfntrack.mm.ops import Result
from pfntrack.mm.space import AddressSpace
from pfntrack.mm.vma import File
from pfntrack.pat.context import Failure
from pfntrack.pat.events import Event, Task
from pfntrack.pat.physical import Physical

if TYPE_CHECKING:
    from pfntrack.releases.together import Moment, Part

FIRST_PID = 100


@attrs.frozen
class Process:
    """A process: its task, memory and descriptors (sorted pairs of fd and file)."""

    name: str
    pid: int
    comm: str = ""
    space: AddressSpace = attrs.field(factory=AddressSpace)
    fds: tuple[tuple[int, File], ...] = ()

    @property
    def task(self) -> Task:
        return Task(self.comm or self.name, self.pid)

    def file(self, fd: int) -> File:
        """The open file behind `fd`; ModelError if it is closed."""
        for number, file in self.fds:
            if number == fd:
                return file
        raise ModelError(f"process {self.name} has no open descriptor {fd}")

    def with_fd(self, fd: int, file: File | None) -> Process:
        """The same with `fd` opened or (None) closed."""
        rest = [pair for pair in self.fds if pair[0] != fd]
        if file is not None:
            rest.append((fd, file))
        return attrs.evolve(self, fds=tuple(sorted(rest, key=lambda pair: pair[0])))


@attrs.frozen
class World:
    """A state of the model; `comm` is the pattern of the processes' task names."""

    processes: tuple[Process, ...] = ()
    phys: Physical = attrs.field(factory=Physical)
    failures: tuple[Failure, ...] = ()
    next_file: int = 1
    next_pid: int = FIRST_PID
    comm: str = "{}"

    def process(self, name: str) -> Process:
        """The living process `name`; NoSuchProcessError if there is none."""
        for process in self.processes:
            if process.name == name:
                return process
        raise NoSuchProcessError(f"there is no process {name}")

    def with_process(self, changed: Process) -> World:
        """The same with one process replaced."""
        replaced = tuple(changed if p.name == changed.name else p for p in self.processes)
        return attrs.evolve(self, processes=replaced)

    def start(self, name: str) -> World:
        """The same with a new, empty process."""
        process = Process(name, self.next_pid, self.comm.format(name))
        return attrs.evolve(self, processes=(*self.processes, process), next_pid=self.next_pid + 1)


@attrs.frozen(eq=False)
class Course:
    """How overlapping calls went: the states before, between and behind their parts.

    `results` are what each call returned.
    """

    moments: tuple[Moment, ...]
    parts: tuple[Part, ...]
    results: tuple[Result, ...]


@attrs.frozen
class Outcome:
    """What one operation led to; `course` is how, if it was two that overlapped."""

    world: World
    result: Result
    events: tuple[Event, ...] = ()
    course: Course | None = None
