"""The physical, shared part of the state, and the machine that it belongs to.

`Physical` is one immutable component: everything that all processes share.
`Machine` never changes during a run.
"""

from __future__ import annotations

from collections.abc import Hashable

import attrs

from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.layout import FULL, LEGACY, PatLayout
from pfntrack.pat.memtype_interval import Tree
from pfntrack.pat.mtrr import Mtrr
from pfntrack.pat.ram import PAGE_SHIFT, Ranges, TypeRuns


@attrs.frozen
class Window:
    """A named run of physical pages: a PCI BAR or pages of RAM.

    `bar` is the BAR's number; `prefetchable` BARs have a `resourceN_wc` file.
    `registers` are the pages that the device's own driver ioremaps, in the
    order of its probe; empty if no driver is known.
    """

    name: str
    pfn: int
    pages: int
    bdf: str = ""
    bar: int = 0
    prefetchable: bool = True
    ram: bool = False
    registers: tuple[int, ...] = ()

    @property
    def start(self) -> int:
        return self.pfn << PAGE_SHIFT

    @property
    def end(self) -> int:
        return (self.pfn + self.pages) << PAGE_SHIFT


# RAM that a driver allocates becomes window `ram<number>`: no machine records
# where it really was, so it is placed here.
RAM_BASE_PFN, RAM_WINDOW_PAGES = 0x4000, 0x400


@attrs.frozen
class Machine:
    """What boot decides: RAM, PAT, windows. Byte addresses, ranges half-open.

    `ram` lists the System RAM resources; `high_memory` is the end of the
    direct map; `phys_bits` bounds physical addresses.
    """

    ram: Ranges = ((0x1000, 0x9FC00), (0x100000, 0xFFE0000))
    windows: tuple[Window, ...] = ()
    pat: PatLayout | None = FULL
    phys_bits: int = 52
    high_memory: int = 0xFFE0000
    overcommit_pages: int = 1 << 40

    @property
    def layout(self) -> PatLayout:
        """Encoding in force; with PAT off the kernel emulates the legacy table."""
        return self.pat or LEGACY

    @property
    def pat_enabled(self) -> bool:
        return self.pat is not None

    @property
    def physical_mask(self) -> int:
        """`__PHYSICAL_MASK`."""
        return (1 << self.phys_bits) - 1

    def window(self, name: str) -> Window | None:
        """The window called `name`."""
        number = name.removeprefix("ram")
        if number != name and number.isdecimal():
            pfn = RAM_BASE_PFN + int(number) * RAM_WINDOW_PAGES
            return Window(name, pfn, RAM_WINDOW_PAGES, ram=True)
        return next((window for window in self.windows if window.name == name), None)


@attrs.frozen
class Claim:
    """A busy resource: `request_mem_region()` of bytes `[start, end)`."""

    start: int
    end: int
    owner: str


@attrs.frozen
class Ioremap:
    """A kernel mapping of bytes `[start, end)`; `key` is the handle to unmap it.

    Not `mapped`: a reservation that kernel code holds without a mapping.
    """

    key: str
    start: int
    end: int
    type: CacheMode
    mapped: bool = True


@attrs.frozen
class Physical:
    """Everything shared: one immutable component of the state.

    `tracking` belongs to the tracking design and `devices` to the drivers
    (pairs of name and value, sorted by name); `written` are the device pages
    that a program has stored to, `undecoded` the PCI functions (BDFs) whose memory
    decoding is off: they hear no store and answer no load; `direct_map` the changed
    types of low RAM.
    `clock` counts what has been put into the indexes of files; no two states
    differ by it.
    """

    tree: Tree = ()
    ram_types: TypeRuns = ()
    mtrr: Mtrr = attrs.field(factory=Mtrr)
    claims: tuple[Claim, ...] = ()
    ioremaps: tuple[Ioremap, ...] = ()
    tracking: Hashable = None
    devices: tuple[tuple[str, Hashable], ...] = ()
    written: frozenset[int] = frozenset()
    undecoded: frozenset[str] = frozenset()
    direct_map: TypeRuns = ()
    max_map_count: int = 65530
    overcommit: int = 0
    commit_limit: int | None = None
    clock: int = attrs.field(default=0, eq=False)

    def device(self, name: str) -> Hashable:
        """State of driver or device `name`, None if it has none."""
        return dict(self.devices).get(name)

    def with_device(self, name: str, value: Hashable) -> Physical:
        """The same with `name`'s state replaced; None removes it."""
        rest = {key: old for key, old in self.devices if key != name}
        if value is not None:
            rest[name] = value
        return attrs.evolve(self, devices=tuple(sorted(rest.items())))
