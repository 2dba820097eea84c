"""The machine around the tree: resources, PCI functions, MTRRs, the PAT, the log.

Source: kernel/resource.c, include/linux/pci.h, arch/x86/kernel/cpu/mtrr/ and
arch/x86/mm/pat/memtype.c (5.10 to 7.3), *faithful*.
"""

from __future__ import annotations

from drgn import Object, Program
from drgn.helpers.linux.pci import for_each_pci_dev, pci_name
from drgn.helpers.linux.printk import get_dmesg

from pfntrack.audit.memory.gaps import Gaps
from pfntrack.audit.read.evidence import Bar, PciDevice
from pfntrack.field.read.context import Resource
from pfntrack.field.read.lines import printable
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.mtrr import MIB, Mtrr, Variable

_MEMORY, _PREFETCH = 0x200, 0x2000
_BARS = 7  # six windows and the expansion ROM
_FIXED = ((8, 0x10000), (16, 0x4000), (64, 0x1000))
_VALID, _TYPE, _ENABLED, _FIXED_ENABLED = 0x800, 0xFF, 2, 1
_MODES = tuple(CacheMode)
_DEPTH = 64


def text_of(value: Object) -> str:
    """A C string, as it may be printed."""
    return printable(value.string_().decode("utf-8", "replace"))


def resources(prog: Program, gaps: Gaps) -> tuple[Resource, ...]:
    """The rows of /proc/iomem."""
    found: list[Resource] = []
    with gaps.trying("claims", "iomem_resource"):
        _below(prog["iomem_resource"].child.read_(), 0, found, gaps)
    return tuple(found)


def _below(node: Object, depth: int, found: list[Resource], gaps: Gaps) -> None:
    with gaps.trying("claims", "a branch of the resource tree"):
        while node and depth < _DEPTH:
            name = text_of(node.name) if node.name else "<BAD>"
            start, last = node.start.value_(), node.end.value_()
            found.append(Resource(start, last + 1, name, depth))
            child = node.child.read_()
            if child:
                _below(child, depth + 1, found, gaps)
            node = node.sibling.read_()


def devices(prog: Program, gaps: Gaps) -> tuple[PciDevice, ...]:
    """PCI functions in the order of their names, with memory windows and drivers."""
    found: list[PciDevice] = []
    with gaps.trying("devices", "the PCI bus"):
        for device in for_each_pci_dev(prog):
            with gaps.trying("devices", "a PCI function"):
                driver = device.dev.driver.read_()
                bars = tuple(
                    bar
                    for number in range(_BARS)
                    if (bar := _bar(number, device.resource[number])) is not None
                )
                name = printable(pci_name(device))
                found.append(PciDevice(name, text_of(driver.name) if driver else None, bars))
    return tuple(sorted(found, key=lambda device: device.name))


def _bar(number: int, window: Object) -> Bar | None:
    start, last, flags = (getattr(window, name).value_() for name in ("start", "end", "flags"))
    if not flags & _MEMORY or not 0 < start < last:
        return None
    return Bar(number, start, last + 1, bool(flags & _PREFETCH))


def mtrr(prog: Program, gaps: Gaps) -> Mtrr | None:
    """The registers as the kernel read them at boot and keeps them."""
    with gaps.trying("mtrr", "mtrr_state"):
        state = prog["mtrr_state"].read_()
        enabled = state.enabled.value_()
        variable = []
        for register in state.var_ranges:
            mask = register.mask_hi.value_() << 32 | register.mask_lo.value_()
            base = register.base_hi.value_() << 32 | register.base_lo.value_()
            if mask & _VALID:
                size = mask & ~0xFFF
                start = base & ~0xFFF
                variable.append(Variable(start, size & -size, base & _TYPE))
        fixed: tuple[tuple[int, int, int], ...] = ()
        if state.have_fixed.value_() and enabled & _FIXED_ENABLED:
            fixed = _fixed([kind.value_() for kind in state.fixed_ranges])
        default = state.def_type.value_()
        return Mtrr(bool(enabled & _ENABLED), default, tuple(variable), fixed)
    return None


def _fixed(kinds: list[int]) -> tuple[tuple[int, int, int], ...]:
    """Eight ranges of 64 KiB, sixteen of 16 KiB, sixty-four of 4 KiB; equal neighbours joined."""
    sizes = [size for count, size in _FIXED for _ in range(count)]
    made: list[tuple[int, int, int]] = []
    at = 0
    for kind, size in zip(kinds, sizes, strict=True):
        if made and made[-1][2] == kind:
            made[-1] = (made[-1][0], at + size, kind)
        else:
            made.append((at, at + size, kind))
        at += size
    return tuple(made) if at == MIB else ()


def pat_on(prog: Program, gaps: Gaps) -> bool | None:
    """`pat_enabled()`, from whichever variable it returns on this kernel."""
    with gaps.trying("pat", "whether PAT is on"):
        for name, on in (("pat_bp_enabled", True), ("pat_disabled", False)):
            try:
                address = prog.symbol(name).address
            except LookupError:
                continue
            return bool(prog.read_u8(address)) is on
        raise LookupError("neither pat_bp_enabled nor pat_disabled is a symbol")
    return None


def cache_modes(prog: Program, gaps: Gaps) -> tuple[CacheMode, ...] | None:
    """`__pte2cachemode_tbl`: the cache mode that each of the eight PAT entries stands for."""
    with gaps.trying("entries", "__pte2cachemode_tbl"):
        raw = prog.read(prog.symbol("__pte2cachemode_tbl").address, 8)
        return tuple(_MODES[number] for number in raw)
    return None


def log(prog: Program, gaps: Gaps) -> str | None:
    """The kernel log as dmesg prints it."""
    with gaps.trying("log", "the log buffer"):
        return get_dmesg(prog).decode("utf-8", "replace")
    return None
