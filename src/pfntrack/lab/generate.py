"""Random programs that the model finds legal.

Each operation is drawn by weight, filled in from what the model's state
offers, and performed on the model at once; what no program could do there, and
what would kill the kernel, is drawn again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import attrs

from pfntrack.errors import ModelError
from pfntrack.lab.lockstep import Done, perform
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.mm.vma import VM_PFNMAP, VM_SHARED, Vma
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.events import Call, Note
from pfntrack.releases import Kernel, World
from pfntrack.releases.world import Process

NAMES = "ABCDEFGH"
LIVING = 4
_PAGES = 12
_PLACES = (0, 0, 0, 0, 4, 500, 506)
"""Where mappings begin to gather; a page table ends at 512."""
_CACHES = (CacheMode.WC, CacheMode.WC, CacheMode.UC_MINUS, CacheMode.UC, CacheMode.WB, CacheMode.WT)
_MODES = ("remap",) * 4 + ("two", "fault", "fault", "fault_all", "pagewise", "narrow", "open_zaps")
_ADVICE = ("dontfork", "dofork", "dontneed", "dontdump", "dodump", "wipeonfork", "sequential")
_FAILING = (
    "__pte_alloc",
    "copy_page_range",
    "memtype_reserve",
    "vm_area_dup",
    "track_pfn_copy",
    "track_pfn_remap",
)
_WINDOW = "H"
_TRIES = 40

Branch = tuple[str, str]
"""A function of the model and the rule that decided, or an operation and its result."""


def branches(done: Done) -> frozenset[Branch]:
    """What of the model one step passed through."""
    found = {(e.function, e.rule) for e in done.events if isinstance(e, Note)}
    found |= {("event", e.kind) for e in done.events if not isinstance(e, Note | Call)}
    found |= {(e.via, e.function) for e in done.events if isinstance(e, Call)}
    result = done.result
    return frozenset(found | {(type(done.op).__name__, result.err or result.signal or "ok")})


@attrs.define(slots=True)
class Walk:
    """A program in the making, and what the model did at each step."""

    kernel: Kernel
    world: World
    done: list[Done] = attrs.field(factory=list)
    seen: set[Branch] = attrs.field(factory=set)

    @property
    def steps(self) -> list[Op]:
        """The operations so far."""
        return [each.op for each in self.done]

    def step(self, op: Op) -> bool:
        """Perform an operation if a program can, and if the kernel survives it."""
        named = getattr(op, "p", None)
        processes = self.world.processes
        if not processes or (named is not None and all(p.name != named for p in processes)):
            return False
        if isinstance(op, ops.Zap):
            fds = next(each.fds for each in processes if each.name == op.p)
            if (op.fd, "driver") not in [(fd, file.kind) for fd, file in fds]:
                return False  # only the module's file can be asked for it
        try:
            done = perform(self.kernel, self.world, op)
        except (ModelError, AssertionError, KeyError):
            return False
        if done.bug:
            return False
        self.world = done.world
        self.done.append(done)
        self.seen |= branches(done)
        return True

    def end(self) -> None:
        """All processes exit, newest first."""
        for process in reversed(self.world.processes):
            self.step(ops.Exit(process.name))


def follow(kernel: Kernel, world: World, steps: Sequence[Op]) -> Walk | None:
    """The walk of a given program, None if it is not legal from here."""
    walk = Walk(kernel, world)
    return walk if all(walk.step(op) for op in steps) else None


def _covering(process: Process, page: int) -> Vma | None:
    return next((vma for vma in process.space.vmas if vma.start <= page < vma.end), None)


class Maker:
    """Draws operations for one program."""

    def __init__(self, rng: random.Random, walk: Walk) -> None:
        self.rng = rng
        self.walk = walk
        self._names = 0
        self._base = rng.choice(_PLACES)

    def extend(self, length: int) -> None:
        """Draw until the program has that many steps, then let all processes exit."""
        self._disarm()
        if not self.walk.done:
            for _ in range(self.rng.randint(2, 5)):
                self.walk.step(self._open(self._process()))
        kinds, weights = list(_WEIGHTS), [weight for weight, _ in _WEIGHTS.values()]
        tries = 0
        while len(self.walk.done) < length and tries < _TRIES * length and self._alive:
            tries += 1
            (kind,) = self.rng.choices(kinds, weights)
            for op in _WEIGHTS[kind][1](self):
                if not self.walk.step(op):
                    break
            self._disarm()
        self.walk.end()

    def _disarm(self) -> None:
        """No fault outlives the operation it is for: a process has more memory than is modelled."""
        if self.walk.world.failures:
            for process in self._alive:
                self.walk.step(ops.Unfail(process.name))

    @property
    def _alive(self) -> tuple[Process, ...]:
        return self.walk.world.processes

    def _process(self) -> Process:
        return self.rng.choice(self._alive)

    def _range(self, process: Process) -> tuple[int, int]:
        """A range of virtual pages: often one that begins or ends with a mapping."""
        vmas = process.space.vmas
        if vmas and self.rng.random() < 0.85:
            vma = self.rng.choice(vmas)
            start = self.rng.choice((vma.start, vma.start, self.rng.randrange(vma.start, vma.end)))
            end = self.rng.choice((vma.end, vma.end, self.rng.randint(start + 1, vma.end)))
            return start, min(end - start, 2 * _PAGES)
        start = self._base + self.rng.randrange(_PAGES)
        return start, self.rng.randint(1, _PAGES // 2)

    def _page(self, process: Process) -> int:
        at, pages = self._range(process)
        return at + self.rng.randrange(pages)

    def _touched(self) -> tuple[Process, int]:
        """A page to read; ordinary memory that nobody has written to is not modelled."""
        process = self._process()
        page = self._page(process)
        vma = _covering(process, page)
        while vma is not None and vma.file is None:
            page = vma.end
            vma = _covering(process, page)
        return process, page

    def _open(self, process: Process) -> Op:
        used = {fd for fd, _ in process.fds}
        fd = next(number for number in range(len(used) + 1) if number not in used)
        rng, p = self.rng, process.name
        kind = rng.random()
        if kind < 0.2:
            return ops.Open(p, fd, "sysfs", _WINDOW, wc=rng.random() < 0.6)
        if kind < 0.35:
            return ops.Open(p, fd, "devmem", sync=rng.random() < 0.5)
        mode = rng.choice(_MODES)
        first, pages = 0, 0
        if mode == "remap" and rng.random() < 0.25:
            first, pages = rng.randint(0, 1), rng.randint(0, 2)
        cache = rng.choice(_CACHES)
        return ops.Open(p, fd, "driver", _WINDOW, mode=mode, cache=cache, first=first, pages=pages)

    def open(self) -> list[Op]:
        process = self._process()
        return [self._open(process)] if len(process.fds) < 10 else []

    def close(self) -> list[Op]:
        process = self._process()
        fds = [fd for fd, _ in process.fds]
        return [ops.Close(process.name, self.rng.choice(fds))] if fds else []

    def mmap(self) -> list[Op]:
        rng, process = self.rng, self._process()
        if not process.fds:
            return []
        fd, file = rng.choice(process.fds)
        at = self._base + rng.randrange(_PAGES)
        pages = rng.randint(1, _PAGES - 2)
        if rng.random() < 0.3:
            at, pages = self._range(process)
        off = rng.choice((0, 0, 0, rng.randrange(_PAGES)))
        window = _WINDOW if file.kind == "devmem" else ""
        # vmf_insert_pfn() in a private mapping is a BUG, and mapping it as a
        # whole later moves it in the file's index behind the kernel's back.
        shared = rng.random() < 0.75 or file.mode in ("fault", "fault_all")
        prot = rng.choice(("rw", "rw", "rw", "r", "-"))
        return [ops.Mmap(process.name, at, pages, fd, off, shared, prot, window)]

    def anon(self) -> list[Op]:
        process = self._process()
        at, pages = self._range(process)
        near = (_covering(process, at - 1), _covering(process, at + pages))
        if any(vma is not None and vma.file is None for vma in near):
            return []  # when ordinary memory merges is not modelled
        # Fork copies ordinary memory only once somebody has written to it.
        return [ops.AnonOver(process.name, at, pages), ops.Write(process.name, at)]

    def munmap(self) -> list[Op]:
        process = self._process()
        return [ops.Munmap(process.name, *self._range(process))]

    def mprotect(self) -> list[Op]:
        process = self._process()
        prot = self.rng.choice(("r", "r", "rw", "-"))
        at, pages = self._range(process)
        if any(vma.file is None and vma.start < at + pages for vma in process.space.vmas):
            return []  # what untouched ordinary memory loses is not modelled
        return [ops.Mprotect(process.name, at, pages, prot)]

    def madvise(self) -> list[Op]:
        process = self._process()
        return [ops.Madvise(process.name, *self._range(process), self.rng.choice(_ADVICE))]

    def mremap(self) -> list[Op]:
        rng, process = self.rng, self._process()
        at, old = self._range(process)
        if (vma := _covering(process, at)) is not None:
            old = min(old, vma.end - at)  # newer kernels move several mappings at once
        new = rng.choice((old, old, rng.randint(1, old), old + 1))
        if vma is None or vma.file is None:
            new = min(new, old)  # ordinary memory can grow, which is not modelled
        if rng.random() < 0.6:
            # Not onto itself: which of two errors comes first differs.
            to = max(self._base + _PAGES, at + max(old, new)) + rng.randrange(_PAGES)
            return [ops.Mremap(process.name, at, old, new, maymove=True, fixed=True, to=to)]
        return [ops.Mremap(process.name, at, old, min(new, old))]

    def read(self) -> list[Op]:
        process, page = self._touched()
        return [ops.Read(process.name, page)]

    def write(self) -> list[Op]:
        process = self._process()
        return [ops.Write(process.name, self._page(process))]

    def access(self) -> list[Op]:
        process, page = self._touched()
        return [ops.Access(process.name, page)]

    def _child(self) -> str:
        used = {each.op.child for each in self.walk.done if isinstance(each.op, ops.Fork)}
        return next((name for name in NAMES[1:] if name not in used), "")

    def fork(self) -> list[Op]:
        child = self._child()
        if not child or len(self._alive) >= LIVING:
            return []
        return [ops.Fork(self._process().name, child)]

    def exit(self) -> list[Op]:
        if len(self._alive) < 2:
            return []
        return [ops.Exit(self._process().name, killed=self.rng.random() < 0.3)]

    def zap(self) -> list[Op]:
        process = self._process()
        fds = [fd for fd, file in process.fds if file.kind == "driver"]
        if not fds:
            return []
        off, pages = self.rng.randrange(_PAGES), self.rng.choice((0, 1, 2, 6))
        window = _WINDOW if self.rng.random() < 0.25 else ""
        cows = self.rng.random() < 0.7
        return [ops.Zap(process.name, self.rng.choice(fds), off, pages, cows, window)]

    def zapvma(self) -> list[Op]:
        process = self._process()
        at, pages = self._range(process)
        vma = _covering(process, at)
        if vma is None or vma.file is None:
            return []
        return [ops.ZapVma(process.name, at, min(pages, vma.end - at))]

    def remap(self) -> list[Op]:
        process = self._process()
        at, pages = self._range(process)
        vma = _covering(process, at)
        if vma is None or vma.file is None or vma.file.kind != "driver":
            return []
        if not vma.flags & VM_SHARED:
            return []
        off, cache = self.rng.randrange(_PAGES), self.rng.choice(_CACHES)
        pages = min(pages, vma.end - at)
        return [ops.Remap(process.name, at, pages, _WINDOW, off, cache)]

    def _span(self) -> tuple[str, int, int]:
        return _WINDOW, self.rng.randrange(_PAGES), self.rng.randint(1, _PAGES // 2)

    def ioremap(self) -> list[Op]:
        held = [each.key for each in self.walk.world.phys.ioremaps if each.key.startswith("k")]
        if held and self.rng.random() < 0.5:
            return [ops.Iounmap(self.rng.choice(held))]
        self._names += 1
        made = sum(isinstance(each.op, ops.Ioremap) for each in self.walk.done)
        if made >= 8:
            return []
        return [ops.Ioremap(f"k{made}", *self._span(), self.rng.choice(_CACHES))]

    def reserve(self) -> list[Op]:
        kind = ops.WcReserve if self.rng.random() < 0.6 else ops.WcFree
        return [kind(*self._span())]

    def failing(self) -> list[Op]:
        if self.rng.random() < 0.4:
            return self._failing_fork()
        struck = self.rng.choice((self.mmap, self.munmap, self.mremap, self.mprotect))()
        if not struck:
            return []
        p = str(getattr(struck[0], "p", ""))
        symbol, nth = self.rng.choice(_FAILING), self.rng.choice((1, 1, 1, 2))
        return [ops.Fail(p, symbol, nth), *struck, ops.Unfail(p)]

    def _failing_fork(self) -> list[Op]:
        """A failure while one mapping is copied: a process has more than those modelled."""
        struck = self.fork()
        p = str(getattr(struck[0], "p", "")) if struck else ""
        held = [
            vma
            for each in self._alive
            if each.name == p
            for vma in each.space.vmas
            if vma.flags & VM_PFNMAP
        ]
        if not held:
            return []
        at = self.rng.choice(held).start
        return [ops.Fail(p, self.rng.choice(_FAILING), vma_at=at), *struck, ops.Unfail(p)]


_WEIGHTS: dict[str, tuple[int, Callable[[Maker], list[Op]]]] = {
    "mmap": (22, Maker.mmap),
    "munmap": (12, Maker.munmap),
    "mprotect": (7, Maker.mprotect),
    "mremap": (8, Maker.mremap),
    "anon": (3, Maker.anon),
    "madvise": (3, Maker.madvise),
    "read": (6, Maker.read),
    "write": (6, Maker.write),
    "access": (2, Maker.access),
    "fork": (6, Maker.fork),
    "exit": (4, Maker.exit),
    "zap": (6, Maker.zap),
    "zapvma": (4, Maker.zapvma),
    "remap": (5, Maker.remap),
    "ioremap": (4, Maker.ioremap),
    "reserve": (3, Maker.reserve),
    "failing": (3, Maker.failing),
    "open": (5, Maker.open),
    "close": (1, Maker.close),
}
