"""Operations as C: one expression or statement per step, by kernel and libc names."""

from __future__ import annotations

import errno
import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from pfntrack.lab.images.build import MODULE_SOURCES
from pfntrack.lab.observe.regions import Regions
from pfntrack.lab.play.ops import Translator
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.mm.vocabulary import form_of, kinds
from pfntrack.pat.cachemode import CacheMode
from pfntrack.traces.programs import neutral

TEST = "TEST"
_CACHES = {
    CacheMode.WB: "PFNLAB_WB",
    CacheMode.WC: "PFNLAB_WC",
    CacheMode.UC_MINUS: "PFNLAB_UC_MINUS",
    CacheMode.UC: "PFNLAB_UC",
    CacheMode.WT: "PFNLAB_WT",
    CacheMode.WP: "PFNLAB_WP",
}
_MODES = {"remap_then_fail": "PFNLAB_MODE_FAILS"}
_PROTS = {"r": "PROT_READ", "w": "PROT_WRITE", "x": "PROT_EXEC"}


@attrs.frozen
class Action:
    """Who does a step, and the statement."""

    who: str
    statement: str


class Translation:
    """Operations of one program as C; remembers names that become numbers."""

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}
        self._ram: dict[str, int] = {}
        self.vfio: dict[int, str] = {}
        """Windows by the descriptors of their VFIO devices; children inherit them."""

    def action(self, op: Op) -> Action:
        """The C statement for one operation."""
        if isinstance(op, ops.Exit):
            return (
                Action(TEST, f"kill_process({op.p});") if op.killed else Action(op.p, "_exit(0);")
            )
        if isinstance(op, ops.Fork):
            return Action(op.p, f"fork_process({op.child});")
        if isinstance(op, ops.Read | ops.Write):
            store = "true" if isinstance(op, ops.Write) else "false"
            return Action(op.p, f"signalled(touch({op.at}, {store}));")
        who = str(getattr(op, "p", TEST))
        call = _CALLS.get(type(op), _declared)(self, op)
        return Action(who, f"result({call});")

    def slot(self, name: str) -> int:
        """The module's number for a kernel mapping."""
        return self._slots.setdefault(name, len(self._slots))

    def ram(self, name: str) -> int:
        """The module's number for allocated memory."""
        return self._ram.setdefault(name, len(self._ram))


def _prot(text: str) -> str:
    return " | ".join(_PROTS[letter] for letter in "rwx" if letter in text) or "PROT_NONE"


def _open(_t: Translation, op: ops.Open) -> str:
    flags = "O_RDONLY" if op.readonly else "O_RDWR"
    if op.sync:
        flags += " | O_SYNC"
    match op.target:
        case "sysfs":
            suffix = '"_wc"' if op.wc else '""'
            call = f"open_bar({op.window}, {suffix}, {flags})"
        case "driver":
            mode = _MODES.get(op.mode, f"PFNLAB_MODE_{op.mode.upper()}")
            cache = _CACHES[op.cache]
            call = f"open_lab({op.window}, {mode}, {cache}, {op.first}, {op.pages}, {flags})"
        case "devmem":
            call = f'open("/dev/mem", {flags})'
        case _:
            call = f"open({quoted(op.path)}, {flags})"
    return f"fd[{op.fd}] = {call}"


def _mmap(t: Translation, op: ops.Mmap) -> str:
    off = f"pfn({op.window}, {op.off})" if op.window else str(op.off)
    if op.fd in t.vfio:
        off = f"vfio_page(fd[{op.fd}], {t.vfio[op.fd]}, {op.off})"
    share = "MAP_SHARED" if op.shared else "MAP_PRIVATE"
    return f"map(fd[{op.fd}], {op.at}, {op.pages}, {off}, {_prot(op.prot)}, {share})"


def _vfio_open(t: Translation, op: ops.VfioOpen) -> str:
    container, group, device = op.fds
    t.vfio[device] = op.window
    return f"open_vfio({op.window}, &fd[{container}], &fd[{group}], &fd[{device}])"


def _anon(_t: Translation, op: ops.AnonOver) -> str:
    return f"map(-1, {op.at}, {op.pages}, 0, {_prot(op.prot)}, MAP_PRIVATE | MAP_ANONYMOUS)"


def _mremap(_t: Translation, op: ops.Mremap) -> str:
    names = (
        ("MREMAP_MAYMOVE", op.maymove or op.fixed or op.dontunmap),
        ("MREMAP_FIXED", op.fixed),
        ("MREMAP_DONTUNMAP", op.dontunmap),
    )
    flags = " | ".join(name for name, on in names if on) or "0"
    return f"resize({op.at}, {op.old}, {op.new}, {flags}, {op.to or 0})"


def _ask(file: str, what: str, *arguments: object) -> str:
    return f"ASK({', '.join(map(str, (file, f'PFNLAB_{what}', *arguments)))})"


def _zap(_t: Translation, op: ops.Zap) -> str:
    first = f"pfn({op.window}, {op.off})" if op.window else op.off
    return _ask(f"fd[{op.fd}]", "ZAP", first, op.pages, int(op.even_cows))


def _fail(_t: Translation, op: ops.Fail) -> str:
    # The lab knows which calls count and what a function returns that gives a pointer.
    line = Translator([], Regions(), "").command(neutral(op), op.p).lines[0]
    _, _, _, symbol, *numbers = line.split()
    nth, value, _, match = map(int, numbers)
    signed = value - (1 << 64) if value >> 63 else value
    returned = f"-{errno.errorcode[-signed]}" if -signed in errno.errorcode else str(signed)
    kind = next(n for n, v in module_numbers().items() if v == match and "_MATCH_" in n)
    return f'lab_fail("{symbol}", {nth}, {returned}, {op.vma_at or 0}, {kind})'


# System calls that glibc has a function for.
_FUNCTIONS = frozenset({"munmap", "mprotect", "madvise", "mlock", "munlock", "mlock2"})


def _declared(t: Translation, op: Op) -> str:
    """The call that the operation's declaration names."""
    form, known = form_of(op), kinds(type(op))
    call = form.call or form.ask
    if call is None:
        raise TypeError(f"no way to write {op!r} in C")
    arguments = [_argument(t, op, each, known) for each in call.arguments]
    if form.ask:
        if arguments[0].startswith("AT("):
            arguments[0] = f"(__u64){arguments[0]}"
        return _ask("lab", call.name, *arguments)
    if call.name in _FUNCTIONS:
        return f"{call.name}({', '.join(arguments)})"
    return f"syscall({', '.join((f'SYS_{call.name}', *arguments))})"


def _argument(t: Translation, op: Any, argument: str, known: Mapping[str, str]) -> str:
    """An argument of a declared call."""
    if argument.isdigit():
        return argument
    if argument in ("pfn", "start"):
        pfn = f"pfn({op.window}, {op.off})"
        return pfn if argument == "pfn" else f"PAGES({pfn})"
    value = getattr(op, argument)
    return _WRITTEN[known[argument]](t, value)


_WRITTEN: dict[str, Callable[[Translation, Any], str]] = {
    "page": lambda _t, page: f"AT({page})",
    "pages": lambda _t, pages: f"PAGES({pages})",
    "number": lambda _t, number: str(number),
    "prot": lambda _t, prot: _prot(prot),
    "advice": lambda _t, advice: f"MADV_{advice.upper()}",
    "cache": lambda _t, cache: _CACHES[cache],
    "name": lambda t, name: str(t.slot(name)),
    "ram": lambda t, name: str(t.ram(name)),
}

_CALLS: dict[type[Op], Callable[[Translation, Any], str]] = {
    ops.Open: _open,
    ops.Close: lambda _t, op: f"close(fd[{op.fd}])",
    ops.Mmap: _mmap,
    ops.AnonOver: _anon,
    ops.Mremap: _mremap,
    ops.Access: lambda _t, op: f"debugger_reads({op.at})",
    ops.Zap: _zap,
    ops.RamAlloc: lambda t, op: f"lab_ram(ram{op.id}, {t.ram(op.id)})",
    ops.DriverBind: lambda _t, op: f'driver_does({op.window}, "bind")',
    ops.DriverUnbind: lambda _t, op: f'driver_does({op.window}, "unbind")',
    ops.SetMtrr: lambda _t, op: f'write_file("/proc/mtrr", {quoted(op.text)})',
    ops.Sysctl: lambda _t, op: f'write_file("/proc/sys/{op.name}", {quoted(op.value)})',
    ops.VfioOpen: _vfio_open,
    ops.VfioMemory: lambda _t, op: f"vfio_memory(fd[{op.fd}], {'true' if op.on else 'false'})",
    ops.Fail: _fail,
    ops.Unfail: lambda _t, _op: "lab_fired()",
}


def quoted(text: str) -> str:
    """A C string literal; anything but plain ASCII is written in octal."""
    out = []
    for byte in text.encode():
        char = chr(byte)
        if char in '"\\':
            out.append(f"\\{char}")
        elif 32 <= byte < 127 and char != "?":
            out.append(char)
        else:
            out.append(f"\\{byte:03o}")
    return f'"{"".join(out)}"'


@functools.cache
def module_numbers() -> dict[str, int]:
    """Names and numbers of the driver module's interface, from its header."""
    text = (MODULE_SOURCES / "pfnlab.h").read_text()
    numbers: dict[str, int] = {}
    for body in re.findall(r"enum \{(.*?)\};", text, re.DOTALL):
        following = 0
        for name, given in re.findall(r"^\s*(PFNLAB_\w+)(?:\s*=\s*(\d+))?,", body, re.MULTILINE):
            following = int(given) if given else following
            numbers[name] = following
            following += 1
    return numbers
