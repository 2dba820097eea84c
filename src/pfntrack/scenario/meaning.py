"""Does a scenario make sense? Checks that need more than the grammar.

A fold over the steps: what is known before each one, and what it adds.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import attrs

from pfntrack.drivers.parametric import MODES
from pfntrack.mm import ops
from pfntrack.mm.bounds import outside
from pfntrack.mm.calls.madvise import ADVICES
from pfntrack.pat.physical import RAM_WINDOW_PAGES
from pfntrack.scenario.expect import (
    Expect,
    ExpectEntries,
    ExpectLeaks,
    ExpectLog,
    ExpectMappings,
    ExpectReservations,
    ExpectTracked,
    Pages,
)
from pfntrack.scenario.model import STANDARD_WINDOWS, MachineSpec


class MeaninglessError(Exception):
    """The text is well formed but asks for nonsense; `field` says which word."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@attrs.frozen
class Known:
    """What the steps so far have brought into being.

    `fds` maps (process, descriptor) to what was opened; `windows` maps names
    to page counts; `kernel` holds the names of ioremaps.
    """

    machine: MachineSpec
    alive: frozenset[str] = frozenset({"A"})
    gone: frozenset[str] = frozenset()
    fds: tuple[tuple[tuple[str, int], str], ...] = ()
    windows: tuple[tuple[str, int], ...] = ()
    kernel: frozenset[str] = frozenset()

    def target(self, p: str, fd: int) -> str | None:
        """What descriptor `fd` of process `p` refers to."""
        return dict(self.fds).get((p, fd))

    def free_fd(self, p: str) -> int:
        """The lowest descriptor that `p` has not used."""
        used = {fd for (owner, fd), _ in self.fds if owner == p}
        return next(number for number in range(len(used) + 1) if number not in used)


def start(machine: MachineSpec) -> Known:
    """What is known before the first step: the machine's windows, process A."""
    names = [window.name for window in (*STANDARD_WINDOWS, *machine.windows)]
    for name in names:
        if names.count(name) > 1:
            raise MeaninglessError(f"there are two windows called {name}", "window")
    windows = (*STANDARD_WINDOWS, *machine.windows)
    return Known(machine, windows=tuple((window.name, window.pages) for window in windows))


def step(known: Known, op: ops.Op) -> Known:
    """`known` after `op`; raises MeaninglessError if `op` makes no sense there."""
    if wrong := outside(op):
        raise MeaninglessError(wrong, "range")
    _process(known, op)
    _descriptor(known, op)
    _window(known, op)
    match op:
        case ops.Open():
            _open(known, op)
            return _with_fds(known, op.p, {op.fd: op.target})
        case ops.VfioOpen(p=p, fds=(container, group, device)):
            if len({container, group, device}) < 3:
                raise MeaninglessError("VFIO needs three different descriptors", "fds")
            kinds = {container: "vfio container", group: "vfio group", device: "vfio"}
            return _with_fds(known, p, kinds)
        case ops.Close(p=p, fd=fd):
            rest = tuple(item for item in known.fds if item[0] != (p, fd))
            return attrs.evolve(known, fds=rest)
        case ops.Fork(p=p, child=child):
            if child in known.alive | known.gone:
                raise MeaninglessError(f"process {child} exists already", "child")
            copies = {fd: kind for (owner, fd), kind in known.fds if owner == p}
            born = attrs.evolve(known, alive=known.alive | {child})
            return _with_fds(born, child, copies)
        case ops.Exit(p=p):
            return attrs.evolve(known, alive=known.alive - {p}, gone=known.gone | {p})
        case ops.Madvise(advice=advice) if advice not in ADVICES:
            raise MeaninglessError(f"unknown advice {advice!r}{_maybe(advice, ADVICES)}", "advice")
        case ops.Ioremap(id=name):
            if name in known.kernel:
                raise MeaninglessError(f"the kernel has a mapping {name!r} already", "id")
            return attrs.evolve(known, kernel=known.kernel | {name})
        case ops.Iounmap(id=name):
            if name not in known.kernel:
                hint = _maybe(name, known.kernel)
                raise MeaninglessError(f"the kernel has no mapping {name!r}{hint}", "id")
            return attrs.evolve(known, kernel=known.kernel - {name})
        case ops.RamAlloc(id=name, pages=pages):
            if f"ram{name}" in dict(known.windows):
                raise MeaninglessError(f"ram{name} is allocated already", "id")
            if not 0 < pages <= RAM_WINDOW_PAGES:
                raise MeaninglessError(f"between 1 and {RAM_WINDOW_PAGES} pages", "pages")
            return attrs.evolve(known, windows=(*known.windows, (f"ram{name}", pages)))
        case ops.Fail(nth=0):
            raise MeaninglessError("calls are counted from 1")
        case _:
            return known


def expectation(known: Known, expect: Expect) -> None:
    """Raises MeaninglessError if a claim speaks of what cannot be."""
    match expect:
        case ExpectTracked(p=p) | ExpectMappings(p=p) | ExpectEntries(p=p):
            if p not in known.alive | known.gone:
                raise MeaninglessError(_unknown_process(p), "p")
    for pages in _mentioned(expect):
        _inside(known, pages.window, pages.first, pages.end)


def _mentioned(expect: Expect) -> list[Pages]:
    match expect:
        case ExpectReservations(held=held) | ExpectLeaks(held=held):
            return [one.pages for one in held]
        case ExpectLog(said=said):
            return [one.pages for one in said if one.pages]
        case ExpectEntries(runs=runs):
            return [run.to for run in runs if run.to]
        case _:
            return []


def _with_fds(known: Known, p: str, added: dict[int, str]) -> Known:
    fds = dict(known.fds) | {(p, fd): kind for fd, kind in added.items()}
    return attrs.evolve(known, fds=tuple(fds.items()))


def _unknown_process(p: str) -> str:
    return f"unknown process {p}; A exists at the start, others are born by 'forks'"


def _process(known: Known, op: ops.Op) -> None:
    p = getattr(op, "p", None)
    if p is None or p in known.alive:
        return
    if p in known.gone:
        raise MeaninglessError(f"process {p} has exited", "p")
    raise MeaninglessError(_unknown_process(p), "p")


def _descriptor(known: Known, op: ops.Op) -> None:
    if not isinstance(op, (ops.Mmap, ops.Close, ops.Zap, ops.VfioMemory)):
        return
    p, fd = op.p, op.fd
    target = known.target(p, fd)
    if target is None:
        raise MeaninglessError(f"{p} has not opened fd{fd}", "fd")
    match op:
        case ops.Mmap(window=window) if window and target != "devmem":
            raise MeaninglessError(f"fd{fd} is not /dev/mem; say fd{fd}[FIRST,END)", "fd")
        case ops.Zap() if target not in ("driver", "path"):
            raise MeaninglessError(f"fd{fd} is not a file of the driver", "fd")
        case ops.VfioMemory() if target != "vfio":
            raise MeaninglessError(f"fd{fd} is not the VFIO device (the third descriptor)", "fd")


def _window(known: Known, op: ops.Op) -> None:
    field = "window"
    match op:
        case ops.RamType(id=name):
            window, first, end, field = f"ram{name}", 0, 0, "id"
        case (
            ops.Ioremap(window=window, off=first, pages=pages)
            | ops.Request(window=window, off=first, pages=pages)
            | ops.Release(window=window, off=first, pages=pages)
            | ops.WcReserve(window=window, off=first, pages=pages)
            | ops.WcFree(window=window, off=first, pages=pages)
        ):
            end = first + pages
            if not pages:
                raise MeaninglessError(f"range [{first},{first}) is empty", "range")
        case (
            ops.Remap(window=window, off=first, pages=pages)
            | ops.Mmap(window=window, off=first, pages=pages)
            | ops.Zap(window=window, off=first, pages=pages)
        ) if window:
            end = first + pages
        case ops.InsertPfn(window=window, off=first):
            end = first + 1
        case (
            ops.Open(window=window)
            | ops.VfioOpen(window=window)
            | ops.DriverBind(window=window)
            | ops.DriverUnbind(window=window)
        ) if window:
            first = end = 0
        case _:
            return
    _inside(known, window, first, end, field)


def _inside(known: Known, window: str, first: int, end: int, field: str = "window") -> None:
    windows = dict(known.windows)
    if window not in windows:
        known_names = ", ".join(windows)
        raise MeaninglessError(f"unknown window {window}; there are {known_names}", field)
    if max(first, end) > windows[window]:
        wrong = f"{window}[{first},{end})" if end else f"{window}[{first},end)"
        raise MeaninglessError(f"{wrong} is outside {window}[0,{windows[window]})", field)


def _open(known: Known, op: ops.Open) -> None:
    if op.target == "driver" and op.mode not in MODES:
        hint = _maybe(op.mode, MODES)
        raise MeaninglessError(f"unknown driver mode {op.mode!r}{hint}", "mode")
    window = known.machine.window(op.window)
    if op.target == "sysfs" and (window is None or not window.bdf):
        raise MeaninglessError(f"{op.window} is not a BAR and has no resource file", "window")


def _maybe(word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    if close:
        return f", did you mean {close[0]!r}?"
    return f"; known are {', '.join(names)}" if names else ""
