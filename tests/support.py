"""A harness for the model: play operations on one release and read the state back.

What a test wants to see is written in a short notation. Pages count from the
start of a window (reservations) or of the address space (mappings), ranges are
half-open:

- reservations: `[0,4)U [9,10)C`, in the tree's order, `-` for none. Types: `U`
  uncached-minus, `S` uncached, `C` write-combining, `T` write-through, `P`
  write-protected, `B` write-back;
- mappings: `[0,1) [1,4)*`, with a star behind those that are tracked;
- page-table entries: `[0,4)W+0Uw`, that is pages, first target page, type, and
  `w` writable, `n` without access, `h` huge; a private copy is `[0,1)ramUw`;
- results: `ok`, an errno name, or `SIGBUS` and the like.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from pfntrack.mm import ops
from pfntrack.mm.ops import Op, Result
from pfntrack.mm.pagetable import PteRun
from pfntrack.mm.step import TrackContext
from pfntrack.mm.vma import Vma, smaps_flags
from pfntrack.pat import CacheMode, Context, Event, Machine, Memtype, Physical, Task, Window
from pfntrack.pat.events import Added, Call, Freed, FreeInvalid, Note, Overlap, Warn
from pfntrack.pat.mtrr import Mtrr
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases.kernel import Kernel
from pfntrack.releases.release import RELEASES, Release
from pfntrack.releases.world import World
from pfntrack.traces.machine import q35_mtrr

ALL = ("5.10", "6.1", "6.12", "7.3")
VM_PAT_RELEASES = ("5.10", "6.1", "6.12")

# W lies in the PCI hole, which the MTRRs make uncachable; H above 4 GiB, where
# they say write-back; L has no _wc file; V belongs to a driver with registers.
W = Window("W", 0xFE000, 64, "0000:00:04.0", 2)
H = Window("H", 0x200000, 4096, "0000:00:05.0", 2)
L = Window("L", 0xFD000, 64, "0000:00:06.0", 0, prefetchable=False)
V = Window("V", 0xFD400, 4, "0000:00:07.0", 4, registers=(0, 1, 3, 2))
LOW = Window("LOW", 0x10, 16)
ISA = Window("ISA", 0xA0, 0x60)
# The last page of RAM and the first one behind it; a page below 1 MiB and one above.
EDGE = Window("EDGE", 0xFFDF, 2)
MIB = Window("MIB", 0xFF, 2)
# Two pages of RAM and then video memory.
VIDEO = Window("VIDEO", 0x9E, 8)

MACHINE = Machine(windows=(W, H, L, V, LOW, ISA, EDGE, MIB, VIDEO))
NO_PAT = attrs.evolve(MACHINE, pat=None)

# Ways to open what is mapped.
SYNC: dict[str, Any] = {"target": "devmem", "sync": True}
NOSYNC: dict[str, Any] = {"target": "devmem"}
RES: dict[str, Any] = {"target": "sysfs"}
RES_WC: dict[str, Any] = {"target": "sysfs", "wc": True}

_LETTER = {
    CacheMode.UC_MINUS: "U",
    CacheMode.UC: "S",
    CacheMode.WC: "C",
    CacheMode.WT: "T",
    CacheMode.WP: "P",
    CacheMode.WB: "B",
}


def driver(
    mode: str = "remap", cache: CacheMode = CacheMode.UC_MINUS, **how: Any
) -> dict[str, Any]:
    """The parametric driver in `mode`."""
    return {"target": "driver", "mode": mode, "cache": cache, **how}


def letter(cache: CacheMode) -> str:
    """The type's letter."""
    return _LETTER[cache]


def context(
    release: str = "6.1",
    machine: Machine = MACHINE,
    *,
    tree: Sequence[Memtype] = (),
    mtrr: Mtrr | None = None,
) -> Context:
    """A bare kernel call of task `lab:100` on a given tree."""
    phys = Physical(tree=tuple(tree), mtrr=mtrr or q35_mtrr())
    return Context(machine, RELEASES[release].pat, phys, Task("lab", 100))


def lines(events: Sequence[Event]) -> list[str]:
    """Log lines without those that only `debugpat` shows; a WARN counts by its first line."""
    quiet = [event for event in events if not isinstance(event, Added | Freed | Overlap)]
    return [text for event in quiet if (text := event.text()) is not None]


class Lab:
    """One release on one machine, and the world that operations leave behind."""

    def __init__(
        self,
        release: str | Release = "6.1",
        machine: Machine = MACHINE,
        *,
        mtrr: Mtrr | None = None,
    ) -> None:
        self.release = RELEASES[release] if isinstance(release, str) else release
        self.machine = machine
        self.kernel = Kernel(self.release, machine)
        self.world = World(phys=Physical(mtrr=mtrr or q35_mtrr())).start("A")
        self.result = Result()
        self.events: tuple[Event, ...] = ()
        self.fd = -1

    # Acting.

    def do(self, op: Op) -> str:
        """Perform `op`; `ok`, the errno's name, or the signal."""
        outcome = self.kernel.perform(self.world, op)
        self.world, self.result, self.events = outcome.world, outcome.result, outcome.events
        if self.result.signal:
            return f"SIG{self.result.signal}"
        return self.result.err or "ok"

    def open(self, how: dict[str, Any], *, window: str = "W", p: str = "A") -> str:
        """Open something as the next descriptor, `fd`."""
        self.fd += 1
        return self.do(ops.Open(p, self.fd, window=window, **how))

    def map(
        self,
        how: dict[str, Any] | None = None,
        pages: int = 4,
        *,
        at: int = 0,
        off: int = 0,
        window: str = "W",
        private: bool = False,
        prot: str = "rw",
        p: str = "A",
    ) -> str:
        """Open (/dev/mem with O_SYNC unless told otherwise) and map pages of a window."""
        self.open(how or SYNC, window=window, p=p)
        return self.mmap(
            self.fd, pages, at=at, off=off, window=window, private=private, prot=prot, p=p
        )

    def mmap(
        self,
        fd: int,
        pages: int = 4,
        *,
        at: int = 0,
        off: int = 0,
        window: str = "W",
        private: bool = False,
        prot: str = "rw",
        p: str = "A",
    ) -> str:
        """Map through an open descriptor."""
        return self.do(ops.Mmap(p, at, pages, fd, off, not private, prot, window))

    def munmap(self, at: int, pages: int, p: str = "A") -> str:
        return self.do(ops.Munmap(p, at, pages))

    def mprotect(self, at: int, pages: int, prot: str = "r", p: str = "A") -> str:
        return self.do(ops.Mprotect(p, at, pages, prot))

    def madvise(self, at: int, pages: int, advice: str, p: str = "A") -> str:
        return self.do(ops.Madvise(p, at, pages, advice))

    def mremap(
        self, at: int, old: int, new: int, to: int | None = None, *, p: str = "A", **flags: bool
    ) -> str:
        """mremap(), with MREMAP_FIXED if `to` is given."""
        fixed = to is not None
        maymove = flags.pop("maymove", False) or fixed
        return self.do(ops.Mremap(p, at, old, new, maymove, fixed, to=to, **flags))

    def fork(self, p: str = "A", child: str = "B") -> str:
        return self.do(ops.Fork(p, child))

    def exit(self, p: str = "A") -> str:
        return self.do(ops.Exit(p))

    def read(self, at: int, p: str = "A") -> str:
        return self.do(ops.Read(p, at))

    def write(self, at: int, p: str = "A") -> str:
        return self.do(ops.Write(p, at))

    def zap(self, off: int = 0, pages: int = 0, *, even_cows: bool = True, p: str = "A") -> str:
        """The driver of the last opened descriptor zaps file pages."""
        return self.do(ops.Zap(p, self.fd, off, pages, even_cows))

    def fail(self, symbol: str, nth: int = 1, *, value: int = -12, p: str = "A") -> str:
        """Make the `nth` call of a kernel function fail."""
        return self.do(ops.Fail(p, symbol, nth, value))

    def vfio(self, window: str = "W", p: str = "A") -> str:
        """Open a device through VFIO; its descriptor becomes `fd`."""
        self.fd += 3
        return self.do(ops.VfioOpen(p, (self.fd - 2, self.fd - 1, self.fd), window))

    def ioremap(self, key: str, off: int, pages: int, cache: CacheMode, window: str = "W") -> str:
        return self.do(ops.Ioremap(key, window, off, pages, cache))

    def touch(self, first: int, last: int, p: str = "A") -> str:
        """Read pages one by one: `r` for a value, `B` and `S` for the signals."""
        shown = {"ok": "r", "SIGBUS": "B", "SIGSEGV": "S"}
        return "".join(shown[self.read(page, p)] for page in range(first, last))

    # Looking.

    def reserved(self, window: str = "W") -> str:
        """Reservations that touch a window, in the tree's order."""
        area = self._window(window)
        shown = [
            f"[{(entry.start >> PAGE_SHIFT) - area.pfn},{(entry.end >> PAGE_SHIFT) - area.pfn})"
            f"{letter(entry.type)}"
            for entry in self.world.phys.tree
            if entry.start < area.end and area.start < entry.end
        ]
        return " ".join(shown) or "-"

    def vmas(self, p: str = "A") -> str:
        """Mappings, those that are tracked with a star."""
        shown = [
            f"[{vma.start},{vma.end}){'*' if self.release.design.tracked(vma) else ''}"
            for vma in self.world.process(p).space.vmas
        ]
        return " ".join(shown) or "-"

    def vma(self, at: int, p: str = "A") -> Vma:
        """The mapping that covers page `at`."""
        return next(vma for vma in self.world.process(p).space.vmas if vma.covers(at))

    def flags(self, at: int, p: str = "A") -> set[str]:
        """The two-letter flags of the mapping at `at`."""
        return set(smaps_flags(self.vma(at, p).flags).split())

    def ptes(self, p: str = "A") -> str:
        """Present page-table entries."""
        return " ".join(self._run(run) for run in self.world.process(p).space.ptes) or "-"

    def contexts(self) -> list[TrackContext]:
        """Tracking contexts that exist, each once."""
        design, phys = self.release.design, self.world.phys
        found = {
            made.id: made
            for process in self.world.processes
            for vma in process.space.vmas
            if (made := design.context(phys, vma)) is not None
        }
        return [found[number] for number in sorted(found)]

    def log(self) -> list[str]:
        """Lines of the last operation that every boot shows."""
        return lines(self.events)

    def invalid(self, window: str = "W") -> str:
        """`freeing invalid memtype` lines of the last operation, as `inv(0,1)`."""
        area = self._window(window)
        return " ".join(
            f"inv({(event.start >> PAGE_SHIFT) - area.pfn},{(event.end >> PAGE_SHIFT) - area.pfn})"
            for event in self.events
            if isinstance(event, FreeInvalid)
        )

    def warns(self) -> list[tuple[str, ...]]:
        """Call chains of the last operation's WARNs."""
        return [event.chain for event in self.events if isinstance(event, Warn)]

    def calls(self) -> list[str]:
        """Names of the tracking functions that the last operation called."""
        return [
            event.function
            for event in self.events
            if isinstance(event, Call) and not event.function.endswith("_ret")
        ]

    def notes(self) -> list[str]:
        """Functions whose rules decided the last operation."""
        return [event.function for event in self.events if isinstance(event, Note)]

    def _window(self, name: str) -> Window:
        found = self.machine.window(name)
        assert found is not None
        return found

    def _run(self, run: PteRun) -> str:
        marks = "w" * run.write + "n" * run.protnone + "h" * run.huge
        return f"[{run.start},{run.end}){self._place(run.pfn)}{letter(run.cache)}{marks}"

    def _place(self, pfn: int | None) -> str:
        if pfn is None:
            return "ram"
        named = [*self.machine.windows, *(self.machine.window(f"ram{n}") for n in range(4))]
        for window in named:
            if window is not None and window.pfn <= pfn < window.pfn + window.pages:
                return f"{window.name}+{pfn - window.pfn}"
        return f"{pfn:#x}"
