"""How far an exhaustive search goes: its bounds and the operations it may use.

A result of the checker holds up to its bounds and for its operations, and says
both; nothing is claimed beyond.
"""

from __future__ import annotations

import attrs

from pfntrack.errors import InputFormatError
from pfntrack.mm.space import AddressSpace
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.physical import Physical

# Groups of operations, in the order in which actions are tried, and what they are.
GROUPS = {
    "map": "a shared mapping made by one remap_pfn_range() of the whole",
    "over": "a shared mapping in the place of what is mapped there (MAP_FIXED)",
    "part": "a shared mapping of which the driver maps the first page only",
    "narrow": "a shared mapping by a driver that maps each page as if it were the whole",
    "private": "a private mapping made by one remap_pfn_range()",
    "sysfs": "a mapping through the PCI resource files",
    "fault": "a mapping that is filled by faults, and the faults",
    "munmap": "munmap of any range",
    "protect": "mprotect of any range to read-only",
    "advise": "madvise of any range: not to be inherited, or a mere hint, which splits",
    "shrink": "mremap to fewer pages",
    "move": "mremap of any range to another place",
    "write": "a store to a page of a private mapping",
    "zap": "the driver zaps any range of its file in all processes",
    "zapvma": "the driver zaps a part of one mapping",
    "remap": "the driver maps an empty part of a mapping again",
    "insert": "the driver inserts one page into a mapping",
    "fork": "fork",
    "forkfail": "fork with one step made to fail",
    "mapfail": "a shared mapping with one step made to fail",
    "latefail": "a shared mapping across two page tables, the second of which cannot be had",
    "exit": "exit",
    "ioremap": "the kernel maps and unmaps a range for itself",
    "reserve": "the kernel reserves and frees a range without mapping it",
    "claim": "the kernel claims a range, which revokes mappings, and releases it",
}
BASIC = ("map", "part", "munmap", "protect", "zap", "fork", "exit")


@attrs.frozen
class Bounds:
    """The largest state: counts, and pages of virtual and physical memory.

    `pages` are virtual pages of each process, `pfns` pages of the one window,
    `vmas` mappings per process, `reservations` tree entries beyond those of
    the kernel's own `kernel` mappings. `types` are what user space asks for.
    No mapping is made with fewer than `least` pages. The kernel asks for
    `kernel_types`, which are those of user space if there are none.
    """

    processes: int = 2
    pages: int = 2
    pfns: int = 2
    vmas: int = 2
    reservations: int = 2
    kernel: int = 1
    types: tuple[CacheMode, ...] = (CacheMode.UC_MINUS, CacheMode.WC)
    least: int = 1
    kernel_types: tuple[CacheMode, ...] = ()

    def __str__(self) -> str:
        kinds = " and ".join(kind.short for kind in self.types)
        least = f", mappings of >= {self.least} pages" if self.least > 1 else ""
        if self.kernel_types:
            least += f", kernel mappings {' and '.join(kind.short for kind in self.kernel_types)}"
        return (
            f"<= {_count(self.processes, 'process', 'processes')}, "
            f"<= {_count(self.vmas, 'VMA')} each on {_count(self.pages, 'virtual page')}, "
            f"{_count(self.pfns, 'physical page')}, "
            f"<= {_count(self.reservations, 'reservation')}, "
            f"<= {_count(self.kernel, 'kernel mapping')}, {kinds}{least}"
        )

    @property
    def short(self) -> str:
        """As it is written on the command line: `2,2,2,2,2`."""
        return ",".join(map(str, (self.processes, self.pages, self.pfns, self.vmas))) + (
            f",{self.reservations}"
        )

    def space(self, space: AddressSpace) -> bool:
        """Is this address space within the bounds?"""
        return len(space.vmas) <= self.vmas

    def phys(self, phys: Physical) -> bool:
        """Is the physical part within the bounds?"""
        return len(phys.tree) <= self.reservations + len(phys.ioremaps)


@attrs.frozen
class Preset:
    """Bounds and operations under one name, and what a search may take unless told otherwise.

    `seconds` and `memory` (bytes) are None where a search ends by itself soon enough.
    """

    bounds: Bounds
    groups: tuple[str, ...] = BASIC
    seconds: int | None = None
    memory: int | None = None


PRESETS = {
    "quick": Preset(Bounds(2, 2, 2, 1, 2)),
    "default": Preset(Bounds(2, 2, 2, 2, 2)),
    "deep": Preset(
        Bounds(2, 3, 2, 3, 3),
        (*BASIC, "private", "fault", "move", "write", "insert", "forkfail", "ioremap"),
        seconds=3600,
        memory=4 << 30,
    ),
}


def parse_bounds(text: str, base: Bounds) -> Bounds:
    """`2,2,3,2,2`: processes, virtual pages, pfns, VMAs, reservations.

    Raises InputFormatError for anything else; numbers left out keep `base`.
    """
    names = ("processes", "pages", "pfns", "vmas", "reservations")
    words = text.split(",")
    if len(words) > len(names) or not all(word.strip().isdecimal() for word in words):
        raise InputFormatError(f"bounds {text!r}: expected numbers such as 2,2,2,2,2")
    numbers = [int(word) for word in words]
    if not all(0 < number <= 8 for number in numbers):
        raise InputFormatError(f"bounds {text!r}: each number must be from 1 to 8")
    changed = dict(zip(names, numbers, strict=False))
    return attrs.evolve(base, **changed)  # type: ignore[arg-type]


def parse_groups(text: str) -> tuple[str, ...]:
    """Names of groups separated by commas, in the fixed order; `all` for all."""
    words = [word.strip() for word in text.split(",")]
    if words == ["all"]:
        return tuple(GROUPS)
    for word in words:
        if word not in GROUPS:
            raise InputFormatError(f"operations {word!r} are not known; there are {_known()}")
    return tuple(name for name in GROUPS if name in words)


def _known() -> str:
    return ", ".join(GROUPS)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
