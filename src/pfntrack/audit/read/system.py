"""The files of a snapshot that describe the machine: areas, devices, MTRRs, log, version."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pfntrack.audit.read.evidence import Bar, BootLine, FreeLine, PciDevice
from pfntrack.audit.read.files import folders, read
from pfntrack.errors import InputFormatError
from pfntrack.field.read.facts import Fact
from pfntrack.field.read.kernelrelease import KernelRelease, parse_release, release_in_line
from pfntrack.field.read.lines import clean, printable
from pfntrack.field.read.parse import parse_line
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.mtrr import Mtrr, pc_fixed, registers
from pfntrack.releases import Release, release_for
from pfntrack.state import KernelMapping

GUARD = 4096
_AREA = re.compile(
    r"^0x\S+-0x\S+ +(\d{1,16}) (\S+)(?: \[([^\]\n ]+)[^\]\n]*\])?(?: pages=\d+)?"
    r" phys=0x([0-9a-f]{1,16}) ioremap",
    re.MULTILINE,
)
_PREFETCH, _MEMORY = 0x2000, 0x200
_OFF = ("PAT support disabled", "PAT not supported", "skipping PAT initialization")
MAX_FREE_LINES = 100_000
MAX_BOOT_LINES = 1_000
_BOOT_WORDS = ("inconsistent", "secondary CPU", "Cannot satisfy")


def areas(text: str) -> tuple[KernelMapping, ...]:
    """Ioremap areas of vmallocinfo; the printed size includes one guard page.

    The type of an area is not in the file: UC- stands for "not known" here, and
    the state's confidence says so.
    """
    found = []
    names: dict[tuple[str, str], str] = {}
    for size, caller, module, phys in _AREA.findall(text):
        start, length = int(phys, 16), int(size) - GUARD
        if length > 0:
            owner = names.get((caller, module))
            if owner is None:
                owner = printable(caller.partition("+0x")[0])
                owner = f"{owner} [{printable(module)}]" if module else owner
                names[caller, module] = owner
            found.append(KernelMapping(owner, start, start + length, CacheMode.UC_MINUS))
    return tuple(found)


def devices(folder: Path) -> tuple[PciDevice, ...]:
    """The `pci` folder: one file per function."""
    found: list[PciDevice] = []
    for path in folders(folder):
        driver: str | None = None
        bars = []
        for line in (read(path) or "").split("\n"):
            words = line.split()
            if len(words) == 2 and words[0] == "driver":
                driver = printable(words[1])
            elif len(words) >= 5 and words[0] == "bar":
                bar = _bar(words)
                if bar is not None:
                    bars.append(bar)
        found.append(PciDevice(printable(path.name), driver, tuple(bars)))
    return tuple(found)


def _bar(words: list[str]) -> Bar | None:
    try:
        number, start, last, flags = int(words[1]), *(int(word, 16) for word in words[2:5])
    except ValueError:
        return None
    # Numbers from 7 on are windows of bridges, which contain other devices.
    if not flags & _MEMORY or not 0 <= number <= 6 or not 0 < start < last < 1 << 64:
        return None
    return Bar(number, start, last + 1, bool(flags & _PREFETCH))


def mtrr(text: str) -> Mtrr:
    """Variable ranges of /proc/mtrr; default type and fixed ranges are those of usual firmware."""
    return Mtrr(variable=registers(text), fixed=pc_fixed())


def kernel(version: str, meta: str, log: str) -> KernelRelease | None:
    """The running release: the version file, else uname in `meta`, else the boot line."""
    found = parse_release(version) if version.strip() else None
    if found is not None:
        return found
    for line in [*meta.split("\n"), *(row for row in log.split("\n") if "Linux version" in row)]:
        found = release_in_line(printable(line.removeprefix("uname ")).strip())
        if found is not None:
            return found
    return None


def modelled(kernel: KernelRelease | None) -> Release | None:
    """The release whose rules apply; none if it is not known, or older than all that is modelled.

    A patch level of 0 is as often part of a vendor's name as meant: then the series decides.
    """
    if kernel is None:
        return None
    name = f"{kernel.series}.{kernel.patch}" if kernel.patch else kernel.series
    try:
        return release_for(name)
    except InputFormatError:
        return None


def free_lines(log: str) -> tuple[FreeLine, ...]:
    """Releases that the kernel reported as fitting nothing."""
    found = (
        FreeLine(*fact.span, fact.text)
        for fact in _facts(log, ("freeing",), ("free_invalid",))
        if fact.has_range and fact.span[0] < fact.span[1]
    )
    return tuple(itertools.islice(found, MAX_FREE_LINES))


def boot_lines(log: str) -> tuple[BootLine, ...]:
    """What the kernel said about processors that differ, and about MTRRs inside large ranges."""
    found = (
        BootLine(fact.kind, fact.text, fact.span if fact.has_range else None)
        for fact in _facts(log, _BOOT_WORDS, ("mtrr_cpus", "pat_cpus", "huge_mtrr"))
    )
    return tuple(itertools.islice(found, MAX_BOOT_LINES))


def _facts(log: str, words: Sequence[str], kinds: Sequence[str]) -> Iterator[Fact]:
    """Facts of these kinds; only lines with one of the words are parsed."""
    for number, line in enumerate(log.split("\n"), 1):
        if any(word in line for word in words):
            fact = parse_line(clean(number, line))
            if fact is not None and fact.kind in kinds:
                yield fact


def pat_state(rows: bool, error: str | None, cmdline: str, log: str, flags: str) -> bool | None:
    """Whether PAT is on: rows prove it, the log or the command line deny it, else None."""
    if rows:
        return True
    if "nopat" in cmdline.split() or any(text in log for text in _OFF):
        return False
    if flags and not re.search(r"^flags\s*:.*\bpat\b", flags, re.MULTILINE):
        return False
    return True if error is None else None
