"""Opening a kernel's memory with drgn: a dump, /proc/kcore, a guest of QEMU.

drgn reads memory and walks page tables. Symbols come from the kernel's own
kallsyms (its place is in VMCOREINFO since 6.0), types from its own BTF, unless
a file with DWARF is given.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import attrs
from drgn import Architecture, FaultError, Platform, Program, ProgramFlags
from drgn.helpers.linux.kallsyms import load_vmlinux_kallsyms

from pfntrack.audit.memory import note
from pfntrack.audit.memory.btf import Btf
from pfntrack.audit.memory.kdump import KdumpFile
from pfntrack.audit.memory.qmp import Monitor
from pfntrack.audit.memory.types import BtfFinder
from pfntrack.edges import files
from pfntrack.errors import InputFormatError
from pfntrack.field.read.lines import printable

# What drgn would print about a file becomes one line of ours.
logging.getLogger("drgn").setLevel(logging.ERROR)
_SYS_BTF = Path("/sys/kernel/btf/vmlinux")
KCORE = Path("/proc/kcore")
_MAX_BTF = 256 << 20
Read = Callable[[int, int, int, bool], bytes]


@attrs.frozen
class Machine:
    """A kernel whose memory can be read; `types` says where the types come from."""

    prog: Program
    name: str
    live: bool
    note: dict[str, str]
    types: str


def open_vmcore(path: Path, debug: Path | None = None) -> Machine:
    """A dump in ELF or kdump form.

    Raises InputFormatError: it is no dump of an x86-64 Linux kernel, or what
    describes the kernel is not in it.
    """
    name = printable(str(path))
    _readable(path, "a memory dump")
    prog = Program()
    try:
        prog.set_core_dump(path)
    except Exception as error:
        prog = _with_found_note(path, name, error)
    return prepare(prog, name, debug, live=False)


def _readable(path: Path, expected: str) -> None:
    with files.open_input(path, expected) as stream:
        files.read_stream(stream, printable(str(path)), limit=1, whole=False)


def _with_found_note(path: Path, name: str, first: Exception) -> Program:
    """Open a dump that lacks the note with one found in its pages."""
    try:
        notes = note.in_file(path)
    except (OSError, ValueError):
        notes = []
    for each in notes:
        prog = Program(vmcoreinfo=each)
        try:
            prog.set_core_dump(path)
        except Exception as error:
            first = error
        else:
            return prog
    found = _of_qemu(path)
    if found is not None:
        return found
    raise InputFormatError(f"{name}: expected an ELF or kdump memory dump: {_words(first)}")


def _of_qemu(path: Path) -> Program | None:
    """A kdump file that describes no kernel, as QEMU makes them; None if it is none."""
    try:
        dump = KdumpFile(path)
        notes = note.in_memory([(0, dump.end)], dump.look)
    except (OSError, ValueError, FaultError):
        return None
    for each in notes:
        # drgn raises what it likes for a note that makes no sense, as it does for a whole file.
        with contextlib.suppress(Exception):
            return _custom([(0, dump.end)], dump.read, each, live=False)
    return None


def _custom(ram: list[tuple[int, int]], read: Read, vmcoreinfo: bytes, *, live: bool) -> Program:
    """A Linux kernel in physical memory that `read` gives."""
    prog = Program(Platform(Architecture.X86_64))
    for start, end in ram:
        prog.add_memory_segment(start, end - start, read, physical=True)
    prog.set_linux_kernel_custom(vmcoreinfo, is_live=live)
    return prog


def open_kcore(debug: Path | None = None) -> Machine:
    """The running kernel.

    Raises InputFormatError: /proc/kcore is not there, or may not be read.
    """
    name = str(KCORE)
    prog = Program()
    try:
        prog.set_kernel()
    except Exception as error:
        raise InputFormatError(f"{name}: {_words(error)}: root is needed") from None
    return prepare(prog, name, debug, live=True)


def open_qemu(path: Path, debug: Path | None = None) -> Machine:
    """A running guest through QEMU's QMP socket, from outside and without its help.

    Raises InputFormatError: no QEMU there, or no Linux kernel recognised in it.
    """
    name = printable(str(path))
    with Monitor(path) as monitor:
        ram = monitor.ram()
    prog = Program()
    try:
        prog.set_qemu_qmp(str(path.absolute()))
    except Exception as error:
        raise InputFormatError(f"{name}: {_words(error)}") from None
    if not prog.flags & ProgramFlags.IS_LINUX_KERNEL:
        prog = _recognised(prog, name, ram)
    return prepare(prog, name, debug, live=True)


def _recognised(memory: Program, name: str, ram: list[tuple[int, int]]) -> Program:
    """The same memory as a Linux kernel, for guests without the `vmcoreinfo` device."""

    def read(address: int, size: int, _offset: int, _physical: bool) -> bytes:
        return bytes(memory.read(address, size, physical=True))

    def look(address: int, size: int) -> bytes | None:
        try:
            return bytes(memory.read(address, size, physical=True))
        except FaultError:
            return None

    notes = note.in_memory(ram, look)
    if not notes:
        raise InputFormatError(f"{name}: no Linux kernel found in the guest's memory")
    return _custom(ram, read, notes[0], live=True)


def prepare(prog: Program, name: str, debug: Path | None, *, live: bool) -> Machine:
    """Find the symbols and types of a kernel whose memory is at hand.

    Raises InputFormatError: it is no x86-64 Linux kernel, or they are not there.
    """
    platform = prog.platform
    if not prog.flags & ProgramFlags.IS_LINUX_KERNEL:
        raise InputFormatError(f"{name}: no Linux kernel: VMCOREINFO was not found")
    if platform is None or platform.arch is not Architecture.X86_64:
        raise InputFormatError(f"{name}: expected x86-64, the one architecture with this tracking")
    found = note.fields(prog["VMCOREINFO"].string_())
    if debug is not None:
        _readable(debug, "a file with debug information")
        try:
            prog.load_debug_info([debug])
        except Exception as error:
            raise InputFormatError(f"{printable(str(debug))}: {_words(error)}") from None
        if _has_types(prog):
            return Machine(prog, name, live, found, f"DWARF of {printable(str(debug))}")
        raise InputFormatError(f"{printable(str(debug))}: debug information of another kernel")
    try:
        symbols = load_vmlinux_kallsyms(prog)
    except Exception as error:
        raise InputFormatError(
            f"{name}: no symbols: {_words(error)}: kernels before 6.0, and dumps without the "
            "kernel's own data, need --vmlinux"
        ) from None
    prog.register_symbol_finder("kallsyms", symbols, enable_index=0)
    blob, source = _btf(prog, name, live=live)
    BtfFinder(prog, Btf(blob, name)).register()
    return Machine(prog, name, live, found, source)


def _has_types(prog: Program) -> bool:
    try:
        prog.type("struct vm_area_struct")
    except LookupError:
        return False
    return True


def _btf(prog: Program, name: str, *, live: bool) -> tuple[bytes, str]:
    """The kernel's BTF and where it was found."""
    local = ProgramFlags.IS_LIVE | ProgramFlags.IS_LOCAL
    if live and prog.flags & local == local and os.access(_SYS_BTF, os.R_OK):
        return _SYS_BTF.read_bytes(), str(_SYS_BTF)
    try:
        start, stop = prog.symbol("__start_BTF").address, prog.symbol("__stop_BTF").address
    except LookupError:
        raise InputFormatError(
            f"{name}: the kernel has no BTF (CONFIG_DEBUG_INFO_BTF): --vmlinux is needed"
        ) from None
    if not start < stop <= start + _MAX_BTF:
        raise InputFormatError(f"{name}: BTF of impossible size")
    try:
        return prog.read(start, stop - start), "BTF in the kernel's memory"
    except FaultError:
        raise InputFormatError(
            f"{name}: the dump lacks pages of the kernel's BTF: --vmlinux is needed"
        ) from None


def _words(error: Exception) -> str:
    """The first line of an error, as it may be printed."""
    text = str(error).strip().split("\n", 1)[0]
    return printable(text) or type(error).__name__
