"""Operations that reach beyond one address space: folds over the world."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import attrs

from pfntrack.drivers import kernel as kernel_side
from pfntrack.errors import ModelError
from pfntrack.mm import ops
from pfntrack.mm.calls.fault import HANG
from pfntrack.mm.calls.fork import fork
from pfntrack.mm.calls.truncate import TO_THE_END, Span, unmap_mapping_range
from pfntrack.mm.calls.unmap import exit_mmap
from pfntrack.mm.ops import Op, Result
from pfntrack.mm.perform import errno_result
from pfntrack.pat.context import Failure
from pfntrack.pat.events import Oops
from pfntrack.releases.calls import (
    LOCAL_CALLS,
    PHYSICAL_CALLS,
    span,
    window_of,
)
from pfntrack.releases.files import close_file, open_file, vfio_memory, vfio_open
from pfntrack.releases.release import RELEASES
from pfntrack.releases.work import Work

_COMMON = frozenset(
    "__pte_alloc copy_page_range memtype_free memtype_kernel_map_sync memtype_reserve "
    "move_page_tables security_vm_enough_memory_mm vm_area_dup".split()
)
# Functions that an armed fault can strike, in any release.
SYMBOLS = _COMMON | {symbol for release in RELEASES.values() for symbol in release.design.symbols}

WorldCall = Callable[[Work, Any], Result]


def _local(work: Work, op: Op) -> Result:
    fd = getattr(op, "fd", None)
    file = None if fd is None else work.caller.file(fd)
    result = LOCAL_CALLS[type(op)](work.step, work.mm, op, file)
    if any(isinstance(event, Oops) for event in work.step.events):
        # The task dies inside the kernel and keeps its locks.
        return HANG
    return result


def _physical(work: Work, op: Op) -> Result:
    return PHYSICAL_CALLS[type(op)](work.step, op)


def _fork(work: Work, op: ops.Fork) -> Result:
    if op.child in work.mms:
        raise ModelError(f"process {op.child} exists already")
    error, child = fork(work.step, work.mm)
    if child is None:
        return errno_result(error)
    world = work.world.start(op.child)
    born = attrs.evolve(world.process(op.child), fds=work.caller.fds)
    work.world = world.with_process(born)
    work.mms[op.child] = child
    return Result()


def _exit(work: Work, _op: ops.Exit) -> Result:
    gone = work.caller
    exit_mmap(work.step, work.mm)
    left = tuple(each for each in work.world.processes if each.name != gone.name)
    work.world = attrs.evolve(work.world, processes=left)
    del work.mms[gone.name]
    _disarm(work)
    return Result()


def _zap(work: Work, op: ops.Zap) -> Result:
    file = work.caller.file(op.fd)
    first = op.off + (window_of(work.machine, op.window).pfn if op.window else 0)
    end = first + op.pages if op.pages else TO_THE_END
    area = Span(file.mapping, first, end, op.even_cows)
    unmap_mapping_range(work.step, work.step.spaces, area)
    return Result()


def _request(work: Work, op: ops.Request) -> Result:
    area = span(work.machine, op.window, op.off, op.pages)
    return errno_result(kernel_side.request_mem_region(work.step, *area, "driver"))


def _bind(work: Work, op: ops.DriverBind) -> Result:
    window = window_of(work.machine, op.window)
    return errno_result(kernel_side.driver_bind(work.step, window))


def _unbind(work: Work, op: ops.DriverUnbind) -> Result:
    window = window_of(work.machine, op.window)
    return errno_result(kernel_side.driver_unbind(work.step, window))


def _fail(work: Work, op: ops.Fail) -> Result:
    if op.symbol not in SYMBOLS:
        raise ModelError(f"a failing {op.symbol} is not modelled")
    if op.symbol not in _COMMON | work.release.design.symbols:
        return errno_result(-errno.ENOENT)
    if f":{op.symbol}" in work.release.inlined_calls:
        return Result()  # armed, but there is no call to strike
    armed = Failure(op.symbol, op.value, work.caller.task.comm, op.nth, op.vma_at)
    work.step.failures = (*work.step.failures, armed)
    return Result()


def _unfail(work: Work, _op: ops.Unfail) -> Result:
    return Result(fired=_disarm(work))


def _disarm(work: Work) -> int:
    """Take the caller's failures away; how often they struck."""
    comm = work.caller.task.comm
    mine = [each for each in work.step.failures if each.task == comm]
    work.step.failures = tuple(each for each in work.step.failures if each.task != comm)
    return sum(each.fired for each in mine)


WORLD_CALLS: dict[type[Op], WorldCall] = {
    **dict.fromkeys(LOCAL_CALLS, _local),
    **dict.fromkeys(PHYSICAL_CALLS, _physical),
    ops.Open: open_file,
    ops.Close: close_file,
    ops.VfioOpen: vfio_open,
    ops.VfioMemory: vfio_memory,
    ops.Fork: _fork,
    ops.Exit: _exit,
    ops.Zap: _zap,
    ops.Request: _request,
    ops.DriverBind: _bind,
    ops.DriverUnbind: _unbind,
    ops.Fail: _fail,
    ops.Unfail: _unfail,
}
