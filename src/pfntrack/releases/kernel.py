"""Performing operations: a release and a machine applied to a world.

`Kernel.perform` is a pure function of (world, operation). Operations of one
process are functions of its address space and the physical part
(`Kernel.local`, see `calls.py`); the few that reach several address spaces are
folds over them.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import TypeVar

import attrs

from pfntrack.drivers import kernel as kernel_side
from pfntrack.drivers.devmem import DevMem
from pfntrack.drivers.parametric import MODES, Parametric
from pfntrack.drivers.sysfs import PciResource
from pfntrack.drivers.vfio import VfioPci, set_memory
from pfntrack.errors import ModelError
from pfntrack.mm import ops
from pfntrack.mm.fork import fork
from pfntrack.mm.ops import Op, Result
from pfntrack.mm.space import AddressSpace, Mm
from pfntrack.mm.step import FileOps, Step
from pfntrack.mm.truncate import TO_THE_END, Span, unmap_mapping_range
from pfntrack.mm.unmap import exit_mmap
from pfntrack.mm.vma import File
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.context import Failure
from pfntrack.pat.events import Event, Oops, Task
from pfntrack.pat.physical import Machine, Physical
from pfntrack.releases.calls import (
    LOCAL_CALLS,
    PHYSICAL_CALLS,
    errno_result,
    span,
    window_of,
)
from pfntrack.releases.release import RELEASES, Release
from pfntrack.releases.world import Outcome, Process, World

# Who runs kernel code that no process has called.
KWORKER = Task("kworker", 1)

_COMMON = frozenset(
    "__pte_alloc copy_page_range memtype_free memtype_kernel_map_sync memtype_reserve "
    "move_page_tables security_vm_enough_memory_mm vm_area_dup".split()
)
SYMBOLS = _COMMON | {symbol for release in RELEASES.values() for symbol in release.design.symbols}

_O = TypeVar("_O", bound=Op)


@attrs.frozen
class Local:
    """What a local operation makes of the two components it was given."""

    space: AddressSpace
    phys: Physical
    result: Result
    events: tuple[Event, ...] = ()
    failures: tuple[Failure, ...] = ()


class Kernel:
    """One release on one machine."""

    def __init__(self, release: Release, machine: Machine, *, explain: bool = True) -> None:
        self.release = release
        self.machine = machine
        self.explain = explain
        self.vfio = VfioPci(release.vfio, release.vfio_claims_at_open)
        self.drivers: dict[str, FileOps] = {
            "devmem": DevMem(),
            "sysfs": PciResource(),
            "driver": Parametric(),
            "vfio": self.vfio,
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
        step, mm = self._step(phys, task, failures), Mm(space)
        step.spaces = [mm]
        result = LOCAL_CALLS[type(op)](step, mm, op, file)
        return Local(mm.freeze(), step.phys, result, tuple(step.events), step.failures)

    def perform(self, world: World, op: Op) -> Outcome:
        """Apply one operation; ModelError if no program could do it in this state."""
        work = _Work(self, world, op)
        result = _METHODS.get(type(op), _Work.unknown)(work)
        return Outcome(work.finish(), result, tuple(work.step.events))

    def _step(self, phys: Physical, task: Task, failures: tuple[Failure, ...]) -> Step:
        return Step(
            self.machine,
            self.release.pat,
            self.release.mm,
            self.release.design,
            self.drivers,
            phys,
            task,
            failures=failures,
            explain=self.explain,
        )


class _Work:
    """One operation at work on a whole world."""

    def __init__(self, kernel: Kernel, world: World, op: Op) -> None:
        self.kernel = kernel
        self.machine = kernel.machine
        self.world = world
        self.op = op
        name = getattr(op, "p", None)
        self.process = world.process(name) if name is not None else None
        actor = self.process
        if actor is None and not isinstance(op, ops.DriverBind | ops.DriverUnbind):
            # Nobody says who asks the kernel; the first process is as good as any.
            actor = next(iter(world.processes), None)
        self.step = kernel._step(  # noqa: SLF001 - one class in two parts
            world.phys, actor.task if actor else KWORKER, world.failures
        )
        self.mms = {process.name: Mm(process.space) for process in world.processes}
        self.step.spaces = list(self.mms.values())
        self.before = self._files(world, self.mms.values())

    def finish(self) -> World:
        """The world that the operation leaves behind; files that nobody holds are released."""
        held = self._files(self.world, self.mms.values())
        for file in self.before:
            if file not in held and (ops_of := self.kernel.drivers.get(file.kind)):
                ops_of.release(self.step, file)
        processes = tuple(
            attrs.evolve(process, space=self.mms[process.name].freeze())
            for process in self.world.processes
        )
        return attrs.evolve(
            self.world, processes=processes, phys=self.step.phys, failures=self.step.failures
        )

    @property
    def mm(self) -> Mm:
        """The memory of the process that acts."""
        assert self.process is not None  # noqa: S101 - the operation names a process
        return self.mms[self.process.name]

    def unknown(self) -> Result:
        raise ModelError(f"operation {type(self.op).__name__} is not modelled")

    def local(self) -> Result:
        fd = getattr(self.op, "fd", None)
        file = self.process.file(fd) if self.process is not None and fd is not None else None
        result = LOCAL_CALLS[type(self.op)](self.step, self.mm, self.op, file)
        if any(isinstance(event, Oops) for event in self.step.events):
            # The task dies inside the kernel and keeps its locks.
            return Result(-1, signal="HANG")
        return result

    def physical(self) -> Result:
        return PHYSICAL_CALLS[type(self.op)](self.step, self.op)

    # Files.

    def open(self) -> Result:
        op = self._is(ops.Open)
        window = window_of(self.machine, op.window) if op.window else None
        file = File(self.world.next_file, "", "", op.path, readonly=op.readonly, window=window)
        if op.target == "devmem":
            cache = CacheMode.UC_MINUS if op.sync else CacheMode.WB
            file = attrs.evolve(
                file, kind="devmem", mapping=kernel_side.IOMEM, path="/dev/mem", cache=cache
            )
        elif op.target == "sysfs" and window is not None:
            if op.wc and not (self.machine.pat_enabled and window.prefetchable):
                return errno_result(-errno.ENOENT)
            name = f"/sys/devices/pci0000:00/{window.bdf}/resource{window.bar}"
            path = f"{name}_wc" if op.wc else name
            shared = self.kernel.release.mm.revokes_sysfs
            file = attrs.evolve(
                file,
                kind="sysfs",
                mapping=kernel_side.IOMEM if shared else path,
                path=path,
                noexec=True,
                cache=CacheMode.WC if op.wc else CacheMode.UC_MINUS,
            )
        elif op.target == "driver" and window is not None:
            if op.mode not in MODES:
                raise ModelError(f"the driver has no mode {op.mode!r}")
            file = attrs.evolve(
                file,
                kind="driver",
                mapping="pfnlab",
                path="/dev/pfnlab",
                cache=op.cache,
                mode=op.mode,
                first=op.first,
                pages=op.pages,
            )
        else:
            raise ModelError(f"cannot open target {op.target!r}")
        self._install(op.fd, file)
        return Result()

    def close(self) -> Result:
        op = self._is(ops.Close)
        assert self.process is not None  # noqa: S101 - the operation names a process
        self.process.file(op.fd)
        self._replace(self.process.with_fd(op.fd, None))
        return Result()

    def vfio_open(self) -> Result:
        op = self._is(ops.VfioOpen)
        window = window_of(self.machine, op.window)
        mapping = f"vfio:{window.bdf}"
        if any(
            claim.start < window.end and window.start < claim.end for claim in self.step.phys.claims
        ):
            return errno_result(-errno.EBUSY)
        container = File(self.world.next_file, "vfio-container", "", "/dev/vfio/vfio")
        self._install(op.fds[0], container)
        group = File(self.world.next_file, "vfio-group", "", "/dev/vfio/0")
        self._install(op.fds[1], group)
        device = File(
            self.world.next_file,
            "vfio",
            mapping,
            "anon_inode:[vfio-device]",
            noexec=self.kernel.release.mm.anon_inode_noexec,
            window=window,
        )
        self._install(op.fds[2], device)
        self.kernel.vfio.open_device(self.step, device)
        return Result()

    def vfio_memory(self) -> Result:
        op = self._is(ops.VfioMemory)
        assert self.process is not None  # noqa: S101 - the operation names a process
        file = self.process.file(op.fd)
        if file.kind != "vfio":
            raise ModelError(f"descriptor {op.fd} is not a VFIO device")
        if not op.on:
            self.kernel.vfio.zap_bars(self.step, file)
        set_memory(self.step, file, on=op.on)
        return Result()

    # Processes.

    def fork(self) -> Result:
        op = self._is(ops.Fork)
        assert self.process is not None  # noqa: S101 - the operation names a process
        if op.child in self.mms:
            raise ModelError(f"process {op.child} exists already")
        error, child = fork(self.step, self.mm)
        if child is None:
            return errno_result(error)
        self.world = self.world.start(op.child)
        made = self.world.process(op.child)
        self._replace(attrs.evolve(made, fds=self.process.fds))
        self.mms[op.child] = child
        return Result()

    def exit(self) -> Result:
        assert self.process is not None  # noqa: S101 - the operation names a process
        gone = self.process
        exit_mmap(self.step, self.mm)
        left = tuple(each for each in self.world.processes if each.name != gone.name)
        self.world = attrs.evolve(self.world, processes=left)
        del self.mms[gone.name]
        failures = tuple(each for each in self.step.failures if each.task != gone.task.comm)
        self.step.failures = failures
        return Result()

    # What reaches beyond one process.

    def zap(self) -> Result:
        op = self._is(ops.Zap)
        assert self.process is not None  # noqa: S101 - the operation names a process
        file = self.process.file(op.fd)
        first = op.off + (window_of(self.machine, op.window).pfn if op.window else 0)
        end = first + op.pages if op.pages else TO_THE_END
        area = Span(file.mapping, first, end, op.even_cows)
        unmap_mapping_range(self.step, self.step.spaces, area)
        return Result()

    def request(self) -> Result:
        op = self._is(ops.Request)
        area = span(self.machine, op.window, op.off, op.pages)
        return errno_result(kernel_side.request_mem_region(self.step, *area, "driver"))

    def bind(self) -> Result:
        op = self._is(ops.DriverBind)
        window = window_of(self.machine, op.window)
        return errno_result(kernel_side.driver_bind(self.step, window))

    def unbind(self) -> Result:
        op = self._is(ops.DriverUnbind)
        window = window_of(self.machine, op.window)
        return errno_result(kernel_side.driver_unbind(self.step, window))

    # Failure injection.

    def fail(self) -> Result:
        op = self._is(ops.Fail)
        design = self.kernel.release.design
        if op.symbol not in SYMBOLS:
            raise ModelError(f"a failing {op.symbol} is not modelled")
        if op.symbol not in _COMMON | design.symbols:
            return errno_result(-errno.ENOENT)
        if f":{op.symbol}" in self.kernel.release.inlined_calls:
            return Result()  # armed, but there is no call to strike
        armed = Failure(op.symbol, op.value, self.step.task.comm, op.nth, op.vma_at)
        self.step.failures = (*self.step.failures, armed)
        return Result()

    def unfail(self) -> Result:
        comm = self.step.task.comm
        mine = [each for each in self.step.failures if each.task == comm]
        self.step.failures = tuple(each for each in self.step.failures if each.task != comm)
        return Result(fired=sum(each.fired for each in mine))

    # Helpers.

    def _is(self, kind: type[_O]) -> _O:
        assert isinstance(self.op, kind)  # noqa: S101 - the table of methods sees to it
        return self.op

    def _install(self, fd: int, file: File) -> None:
        assert self.process is not None  # noqa: S101 - the operation names a process
        self.world = attrs.evolve(self.world, next_file=self.world.next_file + 1)
        self.process = self.process.with_fd(fd, file)
        self._replace(self.process)

    def _replace(self, process: Process) -> None:
        self.world = self.world.with_process(process)

    @staticmethod
    def _files(world: World, mms: Iterable[Mm]) -> list[File]:
        """Open files that some descriptor or mapping holds, in order of opening."""
        held = {file for process in world.processes for _, file in process.fds}
        held |= {vma.file for mm in mms for vma in mm.vmas if vma.file is not None}
        return sorted(held, key=lambda file: file.id)


_METHODS = {
    **dict.fromkeys(LOCAL_CALLS, _Work.local),
    **dict.fromkeys(PHYSICAL_CALLS, _Work.physical),
    ops.Open: _Work.open,
    ops.Close: _Work.close,
    ops.VfioOpen: _Work.vfio_open,
    ops.VfioMemory: _Work.vfio_memory,
    ops.Fork: _Work.fork,
    ops.Exit: _Work.exit,
    ops.Zap: _Work.zap,
    ops.Request: _Work.request,
    ops.DriverBind: _Work.bind,
    ops.DriverUnbind: _Work.unbind,
    ops.Fail: _Work.fail,
    ops.Unfail: _Work.unfail,
}
