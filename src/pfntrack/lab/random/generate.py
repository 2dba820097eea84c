"""Random programs that the model finds legal.

Each operation is drawn by weight, filled in from what the model's state
offers, and performed on the model at once; what no program could do there, and
what would kill the kernel, is drawn again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from pfntrack.lab.random.walk import ADVICE, WINDOW, Walk, ordinary
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.mm.vma import VM_PFNMAP, VM_SHARED, Vma
from pfntrack.mm.vocabulary import Form, declared
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases.world import Process

NAMES = "ABCDEFGH"
LIVING = 4
_PAGES = 12
_PLACES = (0, 0, 0, 0, 4, 500, 506)
"""Where mappings begin to gather; a page table ends at 512."""
_CACHES = (CacheMode.WC, CacheMode.WC, CacheMode.UC_MINUS, CacheMode.UC, CacheMode.WB, CacheMode.WT)
_MODES = (
    *("remap", "remap", "remap", "iomap", "two", "pagewise", "narrow"),
    *("fault", "fault", "fault_all", "open_zaps"),
)
_ADVICE_ON_PFNS = (
    *ADVICE,
    *("random", "normal", "willneed", "free", "cold", "pageout", "remove", "mergeable"),
    *("populate_read", "populate_write", "keeponfork", "guard_install", "dontneed_locked"),
)
_LOW = range(0x98, 0x108)
"""Pages of low memory: RAM, video memory and BIOS, RAM again."""
_FAILING = (
    "__pte_alloc",
    "copy_page_range",
    "memtype_reserve",
    "vm_area_dup",
    "track_pfn_copy",
    "track_pfn_remap",
)
_TRIES = 40
_RAM = "0"
_VFIO_FDS = (20, 21, 22)


def _covering(process: Process, page: int) -> Vma | None:
    return next((vma for vma in process.space.vmas if vma.start <= page < vma.end), None)


class Maker:
    """Draws operations for one program."""

    def __init__(self, rng: random.Random, walk: Walk, *, vfio: bool = False) -> None:
        self.rng = rng
        self.walk = walk
        self._vfio = vfio
        self._names = 0
        self._base = rng.choice(_PLACES)
        # Few programs use memory of the driver: nothing gives it back but a fresh guest.
        self._ram = rng.choice((0,) * 9 + (_PAGES // 2,))

    def extend(self, length: int) -> None:
        """Draw until the program has that many steps, then let all processes exit."""
        self._disarm()
        if not self.walk.done:
            if self._ram:
                self.walk.step(ops.RamAlloc(_RAM, self._ram))
            if self._vfio:
                self.walk.step(ops.VfioOpen(self._process().name, _VFIO_FDS, WINDOW))
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

    def _open(self, process: Process) -> Op:
        used = {fd for fd, _ in process.fds}
        fd = next(number for number in range(len(used) + 1) if number not in used)
        rng, p = self.rng, process.name
        kind, ro = rng.random(), rng.random() < 0.08
        if kind < 0.2:
            return ops.Open(p, fd, "sysfs", WINDOW, wc=rng.random() < 0.6, readonly=ro)
        if kind < 0.35:
            return ops.Open(p, fd, "devmem", sync=rng.random() < 0.5, readonly=ro)
        mode = rng.choice(_MODES)
        first, pages = 0, 0
        if mode == "remap" and rng.random() < 0.25:
            first, pages = rng.randint(0, 1), rng.randint(0, 2)
        cache, window = rng.choice(_CACHES), WINDOW
        if self._ram_pages and rng.random() < 0.5:
            window = f"ram{_RAM}"
        return ops.Open(
            p, fd, "driver", window, readonly=ro, mode=mode, cache=cache, first=first, pages=pages
        )

    @property
    def _ram_pages(self) -> int:
        """Pages of RAM that the driver has allocated."""
        held = self.walk.world.phys.device(f"ram{_RAM}")
        return held if isinstance(held, int) else 0

    def ramtype(self) -> list[Op]:
        if not self._ram_pages:
            return []
        kinds = (CacheMode.WB, CacheMode.WC, CacheMode.UC_MINUS)
        return [ops.RamType(_RAM, self.rng.choice(kinds))]

    def open(self) -> list[Op]:
        process = self._process()
        return [self._open(process)] if len(process.fds) < 10 else []

    def close(self) -> list[Op]:
        process = self._process()
        fds = [fd for fd, file in process.fds if not file.kind.startswith("vfio")]
        return [ops.Close(process.name, self.rng.choice(fds))] if fds else []

    def mmap(self) -> list[Op]:
        rng, process = self.rng, self._process()
        if not process.fds:
            return []
        fd, file = rng.choice(process.fds)
        if self._vfio and rng.random() < 0.5:
            fd, file = process.fds[-1]
        at = self._base + rng.randrange(_PAGES)
        pages = rng.randint(1, _PAGES - 2)
        if rng.random() < 0.3:
            at, pages = self._range(process)
        off = rng.choice((0, 0, 0, rng.randrange(_PAGES)))
        window = WINDOW if file.kind == "devmem" else ""
        if window and rng.random() < 0.1:
            window, off = "", rng.choice(_LOW)
        if file.window is not None and file.window.ram:
            off = rng.randrange(self._ram_pages)
            pages = rng.randint(1, self._ram_pages - off)
        shared = rng.random() < 0.75
        prot = rng.choice(("rw", "rw", "rw", "r", "-"))
        return [ops.Mmap(process.name, at, pages, fd, off, shared, prot, window)]

    def anon(self) -> list[Op]:
        process = self._process()
        at, pages = self._range(process)
        made: list[Op] = [ops.AnonOver(process.name, at, pages)]
        return [*made, ops.Write(process.name, at)] if self.rng.random() < 0.6 else made

    def munmap(self) -> list[Op]:
        process = self._process()
        return [ops.Munmap(process.name, *self._range(process))]

    def mprotect(self) -> list[Op]:
        process = self._process()
        prot = self.rng.choice(("r", "r", "rw", "-"))
        return [ops.Mprotect(process.name, *self._range(process), prot)]

    def madvise(self) -> list[Op]:
        process = self._process()
        at, pages = self._range(process)
        known = ADVICE if ordinary(process, at, pages) else _ADVICE_ON_PFNS
        return [ops.Madvise(process.name, at, pages, self.rng.choice(known))]

    def lock(self) -> list[Op]:
        process = self._process()
        at, pages = self._range(process)
        if ordinary(process, at, pages):
            return []  # which pages that brings in is not modelled
        if self.rng.random() < 0.15:
            return [ops.Mseal(process.name, at, pages)]
        return [ops.Mlock(process.name, at, pages, unlock=self.rng.random() < 0.5)]

    def plain(self) -> list[Op]:
        """A declared system call on a range that nothing here draws by name."""
        process = self._process()
        at, pages = self._range(process)
        if ordinary(process, at, pages):
            return []  # what it does to ordinary memory is not modelled
        kind, form = self.rng.choice(_PLAIN)
        return [kind(p=process.name, at=at, pages=pages, **form.fixed)]

    def mremap(self) -> list[Op]:
        rng, process = self.rng, self._process()
        at, old = self._range(process)
        vma = _covering(process, at)
        if vma is not None and rng.random() < 0.7:
            old = min(old, vma.end - at)
        if ordinary(process, at, old):
            return []  # growing and joining of ordinary memory are not modelled
        new = rng.choice((old, old, rng.randint(1, old), old + 1))
        if rng.random() < 0.6:
            to = max(self._base + _PAGES, at + max(old, new)) + rng.randrange(_PAGES)
            if rng.random() < 0.1:
                to = self._base + rng.randrange(_PAGES)
            return [ops.Mremap(process.name, at, old, new, maymove=True, fixed=True, to=to)]
        return [ops.Mremap(process.name, at, old, min(new, old))]

    def read(self) -> list[Op]:
        process = self._process()
        return [ops.Read(process.name, self._page(process))]

    def write(self) -> list[Op]:
        process = self._process()
        return [ops.Write(process.name, self._page(process))]

    def access(self) -> list[Op]:
        process = self._process()
        page = self._page(process)
        if ordinary(process, page, 1):
            return []  # whether permissions count depends on the configuration
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
        window = WINDOW if self.rng.random() < 0.25 else ""
        cows = self.rng.random() < 0.7
        return [ops.Zap(process.name, self.rng.choice(fds), off, pages, cows, window)]

    def zapvma(self) -> list[Op]:
        process = self._process()
        at, pages = self._range(process)
        vma = _covering(process, at)
        if vma is not None and self.rng.random() < 0.9:
            pages = min(pages, vma.end - at)
        if ordinary(process, at, pages):
            return []  # it matters which neighbours have been joined
        return [ops.ZapVma(process.name, at, pages)]

    def remap(self) -> list[Op]:
        process = self._process()
        at, pages = self._range(process)
        vma = _covering(process, at)
        if vma is None or vma.file is None:
            return []
        off, cache = self.rng.randrange(_PAGES), self.rng.choice(_CACHES)
        pages = min(pages, vma.end - at)
        return [ops.Remap(process.name, at, pages, WINDOW, off, cache)]

    def insert(self) -> list[Op]:
        process = self._process()
        page = self._page(process)
        vma = _covering(process, page)
        if vma is None or not (vma.flags & VM_PFNMAP and vma.flags & VM_SHARED):
            return []  # the module refuses what would be a BUG
        return [ops.InsertPfn(process.name, page, WINDOW, self.rng.randrange(_PAGES))]

    def memory(self) -> list[Op]:
        """Memory decoding of the device is switched off, or on again."""
        process = self._process()
        if all(fd != _VFIO_FDS[2] for fd, _ in process.fds):
            return []
        return [ops.VfioMemory(process.name, _VFIO_FDS[2], self.rng.random() < 0.6)]

    def _span(self) -> tuple[str, int, int]:
        return WINDOW, self.rng.randrange(_PAGES), self.rng.randint(1, _PAGES // 2)

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

    def claim(self) -> list[Op]:
        """A driver claims pages, which revokes what user space has mapped of them."""
        if self._vfio:
            return []  # what PCI says about a BAR that is taken is not modelled
        window = self.walk.kernel.machine.window(WINDOW)
        held = [
            ((c.start - window.start) >> PAGE_SHIFT, (c.end - c.start) >> PAGE_SHIFT)
            for c in self.walk.world.phys.claims
            if window is not None and window.start <= c.start and c.end <= window.end
        ]
        if held and self.rng.random() < 0.7:
            return [ops.Release(WINDOW, *self.rng.choice(held))]
        return [ops.Request(*self._span())]

    def failing(self) -> list[Op]:
        if self.rng.random() < 0.4:
            return self._failing_fork()
        struck = self.rng.choice((self.mmap, self.munmap, self.mremap, self.mprotect))()
        if not struck:
            return []
        p = str(getattr(struck[0], "p", ""))
        if any(vma.ordinary for vma in self.walk.world.process(p).space.vmas):
            return []  # how many calls there are depends on what was joined
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


_DRAWN = (ops.Munmap, ops.Mprotect, ops.Madvise, ops.Mlock, ops.Mseal)
_PLAIN: list[tuple[Any, Form]] = [
    (kind, form)
    for kind, forms in declared().items()
    for form in forms
    if form.call and kind not in _DRAWN
]

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
    "insert": (2, Maker.insert),
    "memory": (4, Maker.memory),
    "ramtype": (2, Maker.ramtype),
    "claim": (1, Maker.claim),
    "lock": (1, Maker.lock),
    "failing": (3, Maker.failing),
    "open": (5, Maker.open),
    "close": (1, Maker.close),
}
if _PLAIN:
    _WEIGHTS["plain"] = (len(_PLAIN), Maker.plain)
