"""The guest's machine: QEMU's arguments and the windows of its devices."""

from __future__ import annotations

from typing import Any

import attrs

from pfntrack.lab.observe.regions import PAGE_SIZE, Region, Regions

QEMU = "qemu-system-x86_64"

_HEAD = "-nodefaults -no-reboot -display none -m 256".split()
_BASE = "-M q35 -cpu max -accel tcg".split()
_IOMMU = ("-device", "intel-iommu")
_DEVICES = (
    "-object",
    "memory-backend-ram,id=hb,size=16M",
    "-device",
    "ivshmem-plain,memdev=hb,master=on,addr=4",
    "-device",
    "bochs-display,vgamem=16M,addr=5",
    "-device",
    "virtio-rng-pci,addr=6",
)
_APPEND = (
    "console=ttyS0 panic=-1 nokaslr debugpat nowatchdog tsc=reliable "
    "rcupdate.rcu_cpu_stall_suppress=1 rcupdate.rcu_expedited=1 loglevel=1 "
    "mitigations=off no5lvl "
)


@attrs.frozen(slots=True)
class Window:
    """A memory window of one of the guest's devices."""

    name: str
    bdf: str
    bar: int


WINDOWS = (
    Window("H", "0000:00:04.0", 2),
    Window("L", "0000:00:05.0", 0),
    Window("R", "0000:00:06.0", 4),
)
VFIO_WINDOW = WINDOWS[0]
_BARS = 6
_IORESOURCE_MEM = 0x200


@attrs.frozen(slots=True)
class Bar:
    """Where the firmware put a window.

    ``others`` are the device's other memory BARs: number, base in bytes, pages.
    """

    window: Window
    base: int
    pages: int
    flags: str
    others: tuple[tuple[int, int, int], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The form of the trace's ``machine.bars``."""
        shown: dict[str, Any] = {
            "base": self.base,
            "pages": self.pages,
            "flags": self.flags,
            "bdf": self.window.bdf,
            "n": self.window.bar,
        }
        if self.others:
            shown["others"] = [list(each) for each in self.others]
        return shown


def arguments(*, vfio: bool, cpus: int = 1) -> list[str]:
    """QEMU's arguments as far as they make up the machine."""
    return [*_HEAD, "-smp", str(cpus), *_BASE, *(_IOMMU if vfio else ()), *_DEVICES]


def kernel_command_line(*, vfio: bool) -> str:
    """What the kernel is booted with."""
    return _APPEND + ("intel_iommu=on" if vfio else "")


def parse_bar(window: Window, resource: str) -> Bar | None:
    """A window's place from the device's ``resource`` file in sysfs."""
    found = {}
    for number, line in enumerate(resource.splitlines()[:_BARS]):
        start, end, flags = (int(word, 16) for word in line.split())
        if flags & _IORESOURCE_MEM:
            found[number] = start, -(-(end - start + 1) // PAGE_SIZE), flags
    if window.bar not in found:
        return None
    base, pages, flags = found.pop(window.bar)
    others = tuple((number, start, length) for number, (start, length, _) in found.items())
    return Bar(window, base, pages, hex(flags), others)


def regions_of(bars: list[Bar]) -> Regions:
    """The windows as named regions."""
    return Regions(tuple(Region(bar.window.name, bar.base // PAGE_SIZE, bar.pages) for bar in bars))
