"""What else is known about the machine: reservations, resources, devices, mappings.

Each source is optional. Together they name the owners of a range and tell a live
reservation from one that may be stale; absence of an owner is never taken as proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import attrs

from pfntrack.edges import files
from pfntrack.errors import InputFormatError
from pfntrack.field.read.facts import hex_range, human_size
from pfntrack.field.read.kernelrelease import KernelRelease, named_release, parse_release
from pfntrack.field.read.lines import clean, decode, printable
from pfntrack.field.read.parse import parse_line
from pfntrack.field.read.ranges import overlap

_IOMEM = re.compile(r"^( {0,40})([0-9a-f]{1,16})-([0-9a-f]{1,16}) : (.{1,160})$")
_LSPCI_HEAD = re.compile(r"^((?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) (.{1,200})")
_LSPCI_BAR = re.compile(
    r"(?:Region (\d): )?Memory at ([0-9a-f]{4,16}) (.{0,60})\[size=(\d{1,6})([KMGT]?)\]"
)
# Windows without an address still count, since -v does not number them.
_LSPCI_OTHER = re.compile(r"^\s{0,40}(?:Region (\d): )?(?:I/O ports at|Memory at <)(.{0,80})")
_LSPCI_DRIVER = re.compile(r"Kernel driver in use: (\S{1,40})")
_MAPS = re.compile(
    r"^(?:\S{0,80}:)?([0-9a-f]{4,16})-([0-9a-f]{4,16}) ([r-][w-][x-][ps]) ([0-9a-f]{1,16}) "
    r"\S{3,9} \d{1,20} {1,80}(/\S.{0,200})$"
)
_PROC = re.compile(r"/proc/(\d{1,8})/maps|^(?:pid|PID)[ :=]+(\d{1,8})")
_VMALLOC = re.compile(
    r"^0x\S{1,20}-0x\S{1,20} +(\d{1,16}) (\S{1,80}).{0,80}\bphys=0x([0-9a-f]{1,16}) ioremap"
)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_PASSTHROUGH = ("vfio-pci", "pci-stub", "xen-pciback")
MAX_FILE = 64 << 20


@attrs.frozen(slots=True)
class Entry:
    """One row of the memtype list, half-open."""

    start: int
    end: int
    type: str

    def __str__(self) -> str:
        return f"{hex_range(self.start, self.end)} {self.type}"


@attrs.frozen(slots=True)
class Resource:
    """One row of /proc/iomem, half-open, with its depth in the tree."""

    start: int
    end: int
    name: str
    depth: int


@attrs.frozen(slots=True)
class Device:
    """A PCI device with its memory windows and the driver bound to it.

    `prefetchable` are the numbers of the windows that are.
    """

    name: str
    title: str
    driver: str | None
    bars: tuple[tuple[int, int, int], ...]
    prefetchable: frozenset[int] = frozenset()


@attrs.frozen(slots=True)
class Mapping:
    """A user mapping whose file offset is a physical address, or a kernel ioremap."""

    owner: str
    start: int
    end: int


@attrs.frozen(slots=True)
class Context:
    """All that was given besides the log."""

    entries: tuple[Entry, ...] = ()
    resources: tuple[Resource, ...] = ()
    devices: tuple[Device, ...] = ()
    mappings: tuple[Mapping, ...] = ()
    release: KernelRelease | None = None
    sources: tuple[str, ...] = ()

    def has(self, source: str) -> bool:
        return source in self.sources

    def entries_in(self, span: tuple[int, int]) -> list[Entry]:
        """Reservations that share a byte with the range, in list order."""
        return [entry for entry in self.entries if overlap((entry.start, entry.end), span)]

    def window_of(self, span: tuple[int, int]) -> tuple[Device, int, tuple[int, int]] | None:
        """The BAR in which the range starts: device, number, window."""
        for device in self.devices:
            for number, start, end in device.bars:
                if start <= span[0] < end:
                    return device, number, (start, end)
        return None

    def crossed(self, span: tuple[int, int]) -> str | None:
        """Words about the window whose end the range runs over, or None."""
        window = self.window_of(span)
        if window is not None:
            device, number, (start, end) = window
            if span[1] > end:
                return (
                    f"the range starts in BAR {number} of {device.name} {hex_range(start, end)} "
                    f"({human_size(end - start)}) and ends {human_size(span[1] - end)} behind it"
                )
            return None
        for resource in sorted(self.resources, key=lambda r: r.end - r.start):
            inside = resource.start <= span[0] < resource.end
            if inside and span[1] > resource.end and re.match(r"[0-9a-f]{4}:", resource.name):
                return (
                    f"the range starts in {resource.name} "
                    f"{hex_range(resource.start, resource.end)} and runs over its end"
                )
        return None

    def owners(self, span: tuple[int, int]) -> list[str]:
        """Who can be seen to hold a part of the range, most specific first."""
        found = [
            f"mapped by {m.owner} {hex_range(m.start, m.end)}"
            for m in self.mappings
            if overlap((m.start, m.end), span)
        ]
        for device in self.devices:
            for number, start, end in device.bars:
                if overlap((start, end), span):
                    driver = f"driver {device.driver}" if device.driver else "no driver bound"
                    found.append(f"BAR {number} of {device.name} ({driver})")
        names = [r for r in self.resources if overlap((r.start, r.end), span)]
        deepest = max((r.depth for r in names), default=0)
        found += [f"iomem: {r.name}" for r in names if r.depth == deepest][:4]
        return list(dict.fromkeys(found))

    def live(self, span: tuple[int, int]) -> tuple[str, str]:
        """("live" | "possibly stale" | "unknown", why) for the reservations in the range."""
        users = [m for m in self.mappings if overlap((m.start, m.end), span)]
        if users:
            return "live", f"{users[0].owner} maps {hex_range(users[0].start, users[0].end)}"
        drivers = [
            (device, device.driver)
            for device in self.devices
            for _, start, end in device.bars
            if overlap((start, end), span)
        ]
        bound = [(d, name) for d, name in drivers if name and name not in _PASSTHROUGH]
        if bound:
            return "live", f"driver {bound[0][1]} is bound to {bound[0][0].name}"
        if not drivers:
            return "unknown", "no device with this range is known"
        if not (self.has("maps") or self.has("snapshot")):
            return "unknown", "no host driver is bound, but the mappings of processes are not known"
        if not self.has("snapshot"):
            return (
                "possibly stale",
                "no host driver is bound and no process maps the range through /dev/mem or sysfs; "
                "kernel mappings (/proc/vmallocinfo) and VFIO mappings were not looked at",
            )
        return (
            "possibly stale",
            "no host driver is bound, no process and no kernel mapping (vmallocinfo) was seen; "
            "mappings through VFIO files cannot be excluded by this",
        )


def _read(path: Path) -> list[str]:
    raw = files.read_bytes(path, limit=MAX_FILE + 1)
    if len(raw) > MAX_FILE:
        raise InputFormatError(f"{path}: larger than {human_size(MAX_FILE)}: expected a text file")
    return [decode(line) for line in raw.replace(b"\r\n", b"\n").split(b"\n")]


def parse_memtype_list(lines: Iterable[str]) -> tuple[Entry, ...]:
    """Rows of pat_memtype_list in either format; the end is exclusive in both."""
    found = []
    for number, text in enumerate(lines, 1):
        fact = parse_line(clean(number, text))
        if fact is not None and fact.kind == "list_entry":
            found.append(Entry(*fact.span, fact.text_of("type")))
    return tuple(found)


def parse_iomem(lines: Iterable[str]) -> tuple[Resource, ...]:
    """Rows of /proc/iomem; the end is inclusive there."""
    found = []
    for text in lines:
        match = _IOMEM.match(printable(text).rstrip())
        if match:
            depth = len(match.group(1)) // 2
            start, last = int(match.group(2), 16), int(match.group(3), 16)
            found.append(Resource(start, last + 1, match.group(4), depth))
    return tuple(found)


def parse_lspci(lines: Iterable[str]) -> tuple[Device, ...]:
    """Devices from `lspci -v` or `-vv` output; the former counts windows, 64-bit ones double."""
    found: list[Device] = []
    name = title = ""
    driver: str | None = None
    bars: list[tuple[int, int, int]] = []
    prefetchable: set[int] = set()
    following = 0

    def finish() -> None:
        if name:
            found.append(Device(name, title, driver, tuple(bars), frozenset(prefetchable)))

    for text in lines:
        text = printable(text).rstrip()
        head = _LSPCI_HEAD.match(text)
        if head:
            finish()
            name, title, driver, bars = head.group(1), head.group(2), None, []
            prefetchable, following = set(), 0
            continue
        bar = _LSPCI_BAR.search(text)
        other = _LSPCI_OTHER.match(text) if bar is None else None
        if bar:
            number = int(bar.group(1) or following)
            start = int(bar.group(2), 16)
            size = int(bar.group(4)) * _UNITS[bar.group(5)]
            bars.append((number, start, start + size))
            if re.search(r"(?<!non-)prefetchable", bar.group(3)):
                prefetchable.add(number)
            following = number + (2 if "64-bit" in bar.group(3) else 1)
        elif other:
            number = int(other.group(1) or following)
            following = number + (2 if "64-bit" in other.group(2) else 1)
        bound = _LSPCI_DRIVER.search(text)
        if bound:
            driver = bound.group(1)
    finish()
    return tuple(found)


def parse_maps(lines: Iterable[str], owner: str = "a process") -> tuple[Mapping, ...]:
    """Mappings of /dev/mem and PCI resource files: their offset is the physical address."""
    found = []
    for text in lines:
        text = printable(text).rstrip()
        process = _PROC.search(text)
        if process:
            owner = f"pid {process.group(1) or process.group(2)}"
        match = _MAPS.match(text)
        if not match:
            continue
        path = match.group(5)
        if path == "/dev/mem" or re.search(r"/resource\d(?:_wc)?$", path):
            start = int(match.group(4), 16)
            size = int(match.group(2), 16) - int(match.group(1), 16)
            found.append(Mapping(f"{owner} ({path})", start, start + size))
    return tuple(found)


def _parse_vmalloc(lines: Iterable[str]) -> tuple[Mapping, ...]:
    found = []
    for text in lines:
        match = _VMALLOC.match(printable(text))
        if match:
            # The size includes one guard page.
            start, size = int(match.group(3), 16), int(match.group(1)) - 4096
            found.append(Mapping(f"kernel ioremap by {match.group(2)}", start, start + size))
    return tuple(found)


def _parse_pci_dir(folder: Path) -> tuple[Device, ...]:
    found = []
    for path in sorted(folder.iterdir()):
        driver, bars = None, []
        for text in _read(path):
            words = text.split()
            if words[:1] == ["driver"] and len(words) == 2:
                driver = words[1]
            elif words[:1] == ["bar"] and len(words) >= 4:
                try:
                    number, start, last = int(words[1]), int(words[2], 16), int(words[3], 16)
                except ValueError:
                    continue
                if start and last > start and number < 7:
                    bars.append((number, start, last + 1))
        found.append(Device(path.name, "", driver, tuple(bars)))
    return tuple(found)


def _snapshot(folder: Path) -> Context:
    if not folder.is_dir():
        raise InputFormatError(f"{folder}: not a directory: expected a collected snapshot")

    def lines(name: str) -> list[str]:
        path = folder / name
        return _read(path) if path.is_file() else []

    mappings = list(_parse_vmalloc(lines("vmallocinfo")))
    pids = folder / "pid"
    for process in sorted(pids.iterdir()) if pids.is_dir() else []:
        maps = process / "maps"
        if maps.is_file():
            mappings += parse_maps(_read(maps), f"pid {process.name}")
    version = " ".join(lines("version"))
    pci = folder / "pci"
    return Context(
        parse_memtype_list(lines("pat_memtype_list")),
        parse_iomem(lines("iomem")),
        _parse_pci_dir(pci) if pci.is_dir() else (),
        tuple(mappings),
        parse_release(version) if version else None,
        ("snapshot", "memtype-list", "iomem", "lspci", "maps"),
    )


def load(
    *,
    memtype_list: Path | None = None,
    iomem: Path | None = None,
    lspci: Path | None = None,
    maps: Path | None = None,
    kernel: str | None = None,
    snapshot: Path | None = None,
) -> Context:
    """Read whatever was given; a file without a single usable row is an input error."""
    context = _snapshot(snapshot) if snapshot is not None else Context()
    sources = list(context.sources)
    if memtype_list is not None:
        lines = _read(memtype_list)
        entries = parse_memtype_list(lines)
        if not entries and any(line.strip() for line in lines):
            raise InputFormatError(
                f"{memtype_list}: no row found: expected 'PAT: [mem 0x..-0x..] type'"
            )
        context = attrs.evolve(context, entries=entries)
        sources.append("memtype-list")
    if iomem is not None:
        resources = parse_iomem(_read(iomem))
        if not resources:
            raise InputFormatError(f"{iomem}: no row found: expected 'start-end : name'")
        if all(resource.end <= 1 for resource in resources):
            raise InputFormatError(f"{iomem}: all addresses are zero: expected a copy made by root")
        context = attrs.evolve(context, resources=resources)
        sources.append("iomem")
    if lspci is not None:
        devices = parse_lspci(_read(lspci))
        if not devices:
            raise InputFormatError(f"{lspci}: no device found: expected the output of lspci -v")
        context = attrs.evolve(context, devices=devices)
        sources.append("lspci")
    if maps is not None:
        context = attrs.evolve(context, mappings=(*context.mappings, *parse_maps(_read(maps))))
        sources.append("maps")
    if kernel is not None:
        release = named_release(kernel)
        if release is None:
            likely = parse_release(kernel)
            hint = f"; did you mean {likely}?" if likely else ""
            raise InputFormatError(
                f"--kernel {printable(kernel)}: expected a release such as 6.12.31{hint}"
            )
        context = attrs.evolve(context, release=release)
    return attrs.evolve(context, sources=tuple(dict.fromkeys(sources)))
