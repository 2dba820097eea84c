"""A kernel's configuration, and what a guest of the lab lacks with it.

What is said here is said before anything boots: which options are missing, what each is
for, and whether a guest without it can be used at all.
"""

from __future__ import annotations

import gzip
import lzma
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from pfntrack.edges.files import is_file, read_bytes, read_text
from pfntrack.errors import InputFormatError

_LINE = re.compile(r"(?m)^CONFIG_(\w+)=(.*)$")
_MAX_BYTES = 4 << 20
_MAX_IMAGE = 256 << 20
_MARK, _END = b"IKCFG_ST", b"IKCFG_ED"
_PAYLOAD_AT, _SETUP_AT = 0x248, 0x1F1
_GZIP, _XZ = b"\x1f\x8b\x08", b"\xfd7zXZ\x00"
VFIO = "VFIO"
DEV_MEM = "/dev/mem"
CALLS = "calls"
DRIVER = "the driver module"


@attrs.frozen(slots=True)
class Need:
    """What a guest uses: the options that give it, all needed, and what is lost without them.

    ``fatal``: no scenario can be judged without it. ``modules``: a module will not do.
    """

    what: str
    options: tuple[str, ...]
    lost: str
    fatal: bool = False


@attrs.frozen(slots=True)
class Lack:
    """A need that a configuration does not meet, with the options that are missing."""

    need: Need
    missing: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(f"CONFIG_{name}" for name in self.missing)
        return f"{self.need.what} ({names}): {self.need.lost}"


_NO_AGENT = "the agent cannot run"
NEEDS = (
    Need("64-bit programs", ("64BIT", "BINFMT_ELF"), _NO_AGENT, fatal=True),
    Need("an initramfs", ("BLK_DEV_INITRD", "RD_GZIP"), _NO_AGENT, fatal=True),
    Need("proc, sysfs and devtmpfs", ("PROC_FS", "SYSFS", "DEVTMPFS"), _NO_AGENT, fatal=True),
    Need("a second serial line", ("TTY", "SERIAL_8250"), "the agent has no line", fatal=True),
    Need("sockets of AF_UNIX", ("NET", "UNIX"), "the agent cannot run processes", fatal=True),
    Need("PCI", ("PCI",), "there is no device to map", fatal=True),
    Need("debugfs", ("DEBUG_FS",), "the reservation list cannot be read", fatal=True),
    Need("PAT", ("X86_PAT",), "nothing is reserved"),
    Need("a kernel log", ("PRINTK",), "the log is not seen"),
    Need("the console", ("SERIAL_8250_CONSOLE",), "what the kernel says while booting is not seen"),
    Need(
        DRIVER, ("MODULES", "KPROBES", "KALLSYMS"), "page tables are not seen, many drivers missing"
    ),
    Need(CALLS, ("KPROBES", "KPROBE_EVENTS"), "calls of the tracking functions are not seen"),
    Need(DEV_MEM, ("DEVMEM",), "scenarios with it are skipped"),
    Need("strict /dev/mem", ("STRICT_DEVMEM", "IO_STRICT_DEVMEM"), "the model takes it as set"),
    Need("MTRRs", ("MTRR",), "the model takes them as there"),
    Need("the virtio driver", ("VIRTIO_PCI",), "window R has no driver"),
    Need("the HPET as a file", ("HPET_MMAP",), "it is reserved differently at boot"),
    Need("huge pages", ("TRANSPARENT_HUGEPAGE",), "there are no huge leaves"),
    Need(
        VFIO, ("INTEL_IOMMU", "VFIO", "VFIO_PCI", "VFIO_IOMMU_TYPE1"), "its scenarios are skipped"
    ),
)
_UARTS = ("SERIAL_8250_NR_UARTS", "SERIAL_8250_RUNTIME_UARTS")
# Of these a module is as good, if it is at hand; of all others only what is built in counts.
_AS_MODULE = frozenset({"VIRTIO_PCI", "VFIO", "VFIO_PCI", "VFIO_IOMMU_TYPE1"})


@attrs.frozen(slots=True)
class Config:
    """The options of a configuration that are not off; where it was read."""

    options: Mapping[str, str]
    path: str

    def has(self, name: str, *, module: bool = False) -> bool:
        """Is an option built in, or at least a module?"""
        return self.options.get(name, "n") in (("y", "m") if module else ("y",))

    def number(self, name: str) -> int:
        """The value of a numeric option, 0 if it is off."""
        try:
            return int(self.options.get(name, "0"), 0)
        except ValueError:
            return 0

    def text(self, name: str) -> str:
        """The value of an option that is a string."""
        return self.options.get(name, "").strip('"')

    @property
    def compiler(self) -> str:
        """The program that the kernel was compiled with, such as gcc-12."""
        words = self.text("CC_VERSION_TEXT").split()
        return words[0] if words else ""

    def lacks(self, *, modules: bool = False) -> tuple[Lack, ...]:
        """What a guest lacks; with ``modules`` those of the tree can be loaded."""
        found = []
        for need in NEEDS:
            missing = tuple(
                name
                for name in need.options
                if not self.has(name, module=modules and name in _AS_MODULE)
            )
            if missing:
                found.append(Lack(need, missing))
        for name in _UARTS:
            # The option counts ports that are set up at boot; old trees lack it when it is 0.
            if self.has("SERIAL_8250") and 0 < self.number(name) < 2:
                line = next(need for need in NEEDS if "SERIAL_8250" in need.options)
                found.append(Lack(line, (f"{name}=2",)))
        return tuple(found)


def parse_config(text: str, path: str) -> Config:
    """The options of a .config.

    Raises InputFormatError: there is none in it.
    """
    options = {name: value.strip() for name, value in _LINE.findall(text)}
    if not options:
        raise InputFormatError(f"{path}: expected lines such as CONFIG_PCI=y, found none")
    return Config(options, path)


def read_config(path: Path) -> Config:
    """A configuration from a file.

    Raises InputFormatError: it cannot be read or is none.
    """
    return parse_config(read_text(path, "a kernel's .config", _MAX_BYTES), str(path))


def config_of_image(image: Path) -> Config | None:
    """The configuration of an image: from a file beside it, or out of the image itself.

    None: the image does not hold it (CONFIG_IKCONFIG), or is packed in a way not known here.
    """
    version = image.name.removeprefix("vmlinuz")
    for path in (image.with_name(f"config{version}"), image.with_name(".config")):
        if is_file(path):
            return read_config(path)
    raw = _unpacked(read_bytes(image, "a kernel image", _MAX_IMAGE))
    start = raw.find(_MARK)
    end = raw.find(_END, start)
    if start < 0 or end < 0:
        return None
    try:
        text = gzip.decompress(raw[start + len(_MARK) : end])
    except (OSError, EOFError):
        return None
    return parse_config(text.decode("utf-8", "replace"), f"{image} (IKCONFIG)")


def _unpacked(image: bytes) -> bytes:
    """The kernel inside a bzImage; empty if its packing is not known here."""
    setup = ((image[_SETUP_AT] or 4) + 1) * 512 if len(image) > _PAYLOAD_AT + 8 else 0
    offset, length = (
        int.from_bytes(image[at : at + 4], "little") for at in (_PAYLOAD_AT, _PAYLOAD_AT + 4)
    )
    payload = image[setup + offset : setup + offset + length]
    try:
        if payload.startswith(_GZIP):
            # The size of what is packed stands behind it.
            return gzip.decompress(payload[:-4])
        if payload.startswith(_XZ):
            return lzma.LZMADecompressor().decompress(payload)
    except (OSError, EOFError, lzma.LZMAError):
        pass
    return b""


def told(lacks: tuple[Lack, ...]) -> Iterator[str]:
    """Lines that list what a guest lacks."""
    for lack in sorted(lacks, key=lambda each: not each.need.fatal):
        yield f"{'cannot do without' if lack.need.fatal else 'lacks'} {lack}"
