"""Operations of a scenario as commands for the guest's agent.

Everything that needs a number (addresses, flags, page numbers of windows) is
worked out here, so the guest's side stays a thin layer over system calls.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import attrs

from pfntrack.errors import InputFormatError, ModelError
from pfntrack.lab.guests.machine import Bar
from pfntrack.lab.observe.regions import ARENA_BASE, CACHES, PAGE_SIZE, Regions
from pfntrack.mm.vocabulary import form_of, kinds
from pfntrack.traces.programs import translate

Op = Mapping[str, Any]

_O_SYNC = os.O_SYNC
_PROT = {"r": 1, "w": 2, "x": 4}
_MAP_SHARED, _MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS = 0x01, 0x02, 0x10, 0x20
_MREMAP = {"maymove": 1, "fixed": 1 | 2, "dontunmap": 1 | 4}
_ADVICE = {
    "normal": 0,
    "random": 1,
    "sequential": 2,
    "willneed": 3,
    "dontneed": 4,
    "free": 8,
    "remove": 9,
    "dontfork": 10,
    "dofork": 11,
    "mergeable": 12,
    "unmergeable": 13,
    "hugepage": 14,
    "nohugepage": 15,
    "dontdump": 16,
    "dodump": 17,
    "wipeonfork": 18,
    "keeponfork": 19,
    "cold": 20,
    "pageout": 21,
    "populate_read": 22,
    "populate_write": 23,
    "dontneed_locked": 24,
    "collapse": 25,
    "hwpoison": 100,
    "soft_offline": 101,
    "guard_install": 102,
    "guard_remove": 103,
}
_MODES = {
    "remap": 0,
    "two": 1,
    "fault": 2,
    "fault_all": 3,
    "pagewise": 4,
    "narrow": 5,
    "open_zaps": 6,
    "remap_then_fail": 7,
    "iomap": 8,
}
_MATCH_ALL, _MATCH_ARG, _MATCH_COPY = 0, 1, 2
_POINTERS = frozenset({"vm_area_dup", "pfnmap_track_ctx_alloc"})
"""Functions that fail by returning NULL, whatever error a program names."""
_SLOTS = 16
"""How many ioremaps, and how many pieces of RAM, the module keeps at once."""
_WRITTEN = 0x5A5A5A5A
"""What a write puts into the first word of a page."""

# Requests to the module; the same numbers are in module/pfnlab.h.
_REQUESTS = (
    *("CONFIG", "ZAP", "ZAPVMA", "REMAP", "IOREMAP", "IOUNMAP", "CLAIM", "UNCLAIM"),
    *("WC_RESERVE", "WC_FREE", "RAM_ALLOC", "RAM_TYPE", "RAM_FREE", "FAIL", "UNFAIL"),
)
REQUESTS = {name: number for number, name in enumerate(_REQUESTS, 1)} | {"INSERT": 17}

GLOBAL_OPS = frozenset({"mtrr", "sysctl", "driver_bind", "driver_unbind"})
"""Operations that process 1 performs by writing a file."""

_MODULE_OPS = frozenset({"zap", "zapvma", "remap", "insert", "kernel", "fail", "unfail"})

_DRIVER_OF_WINDOW = {"R": "virtio-pci"}


@attrs.frozen(slots=True)
class FileKind:
    """What an open file number of a scenario refers to, as mmap needs to know it."""

    target: str
    bar: str = ""


@attrs.frozen(slots=True)
class Command:
    """Lines for the agent: a plain command, or operations of one process."""

    process: str
    lines: tuple[str, ...]


def needs_module(op: Op) -> bool:
    """True for what only the driver module can do."""
    return op["op"] in _MODULE_OPS or (op["op"] == "open" and op.get("target") == "driver")


def _address(page: int) -> int:
    return ARENA_BASE + int(page) * PAGE_SIZE


def _cache(name: str) -> int:
    if name not in CACHES:
        raise InputFormatError(f"unknown cache mode {name!r}: expected one of {', '.join(CACHES)}")
    return CACHES.index(name)


def _prot(text: str) -> int:
    return sum(bit for letter, bit in _PROT.items() if letter in text)


def _flags(text: str) -> int:
    flags = 0
    for word in text.replace("+", " ").replace(",", " ").replace("|", " ").split():
        if word != "-":
            flags |= _MREMAP[word]
    return flags


class Translator:
    """Turns operations into commands for one guest; knows the files a scenario has open."""

    def __init__(self, bars: list[Bar], regions: Regions, vfio_group: str) -> None:
        self._bars = {bar.window.name: bar for bar in bars}
        self._vfio_group = vfio_group
        self.regions = regions
        self._files: dict[tuple[str, int], FileKind] = {}
        self._slots: dict[str, int] = {}

    def _bar(self, op: Op) -> Bar:
        name = op.get("bar", "")
        if name not in self._bars:
            raise InputFormatError(f"{op['op']}: unknown window {name!r}")
        return self._bars[name]

    def _pfn(self, name: str) -> int:
        try:
            return self.regions.base(name).pfn
        except KeyError as error:
            raise InputFormatError(f"no window or memory named {name!r}") from error

    def _pages_of(self, name: str) -> int:
        return self.regions.base(name).pages

    def _page_number(self, text: str | int) -> int:
        """``7``, or ``pfn:H+7``: a physical page number."""
        if isinstance(text, int):
            return text
        if not text.startswith("pfn:"):
            raise InputFormatError(f"{text!r} is neither a number nor pfn:NAME+PAGE")
        name, _, page = text.removeprefix("pfn:").partition("+")
        return self._pfn(name) + int(page or 0)

    def _slot(self, name: str) -> int:
        """The module's number for what a program calls by a name."""
        if name.isdecimal() and int(name) < _SLOTS:
            return int(name)
        taken = len(self._slots)
        return self._slots.setdefault(name, _SLOTS - 1 - taken)

    def forked(self, parent: str, child: str) -> None:
        """A child has its parent's files."""
        for (process, fd), kind in list(self._files.items()):
            if process == parent:
                self._files[child, fd] = kind

    def command(self, op: Op, default_process: str) -> Command:
        """The command for one operation.

        Raises InputFormatError: unknown operation, or a field is missing or wrong.
        """
        name = op.get("op")
        method = getattr(self, f"_op_{name}", self._declared)
        try:
            lines = method(op)
        except (KeyError, ValueError, TypeError) as error:
            raise InputFormatError(
                f"operation {dict(op)!r}: bad or missing field {error}"
            ) from error
        process = "" if name in GLOBAL_OPS else str(op.get("p", default_process))
        return Command(process, tuple([lines] if isinstance(lines, str) else lines))

    # files -----------------------------------------------------------------

    def _op_open(self, op: Op) -> list[str]:
        fd, target = int(op["fd"]), op["target"]
        self._files[op["p"], fd] = FileKind(target, op.get("bar", ""))
        flags = os.O_RDONLY if op.get("ro") else os.O_RDWR
        if target == "sysfs":
            bar = self._bar(op)
            path = f"/sys/bus/pci/devices/{bar.window.bdf}/resource{bar.window.bar}"
            return [f"open {fd} {path}{'_wc' if op.get('wc') else ''} {flags}"]
        if target == "devmem":
            return [f"open {fd} /dev/mem {flags | (_O_SYNC if op.get('sync') else 0)}"]
        if target == "path":
            return [f"open {fd} {op['path']} {flags | (_O_SYNC if op.get('sync') else 0)}"]
        if target == "driver":
            mode = _MODES[op.get("mode", "remap")]
            what = " ".join(
                str(n)
                for n in (
                    self._pfn(op["bar"]),
                    self._pages_of(op["bar"]),
                    mode,
                    _cache(op["cache"]),
                    op.get("first", 0),
                    op.get("pages", 0),
                )
            )
            return [f"open {fd} /dev/pfnlab {flags}", f"request {fd} {REQUESTS['CONFIG']} - {what}"]
        raise InputFormatError(f"open: unknown target {target!r}")

    def _op_close(self, op: Op) -> str:
        return f"close {op['fd']}"

    def _op_vfio_open(self, op: Op) -> str:
        bar = self._bar(op)
        fds = [int(fd) for fd in op["fds"]]
        self._files[op["p"], fds[2]] = FileKind("vfio", bar.window.name)
        numbers = " ".join(map(str, fds))
        return f"vfio_open {numbers} {self._vfio_group or '-'} {bar.window.bdf}"

    def _op_vfio_memory(self, op: Op) -> str:
        return f"vfio_memory {op['fd']} {int(op['on'])}"

    # mappings --------------------------------------------------------------

    def _op_mmap(self, op: Op) -> str:
        kind = self._files.get((op["p"], int(op["fd"])), FileKind(""))
        page = self._page_number(op.get("off", 0))
        offset = page * PAGE_SIZE
        if kind.target == "vfio":
            offset += self._bars[kind.bar].window.bar << 40
        elif "bar" in op:
            offset += self._pfn(op["bar"]) * PAGE_SIZE
        flags = _MAP_FIXED | (_MAP_PRIVATE if op["share"] == "private" else _MAP_SHARED)
        size = op["pages"] * PAGE_SIZE
        return f"mmap {_address(op['at'])} {size} {_prot(op['prot'])} {flags} {op['fd']} {offset}"

    def _op_anon_over(self, op: Op) -> str:
        flags = _MAP_FIXED | _MAP_PRIVATE | _MAP_ANONYMOUS
        prot = _prot(op.get("prot", "rw"))
        return f"mmap {_address(op['at'])} {op['pages'] * PAGE_SIZE} {prot} {flags} -1 0"

    def _range(self, op: Op) -> str:
        return f"{_address(op['at'])} {op['pages'] * PAGE_SIZE}"

    def _op_mremap(self, op: Op) -> str:
        to = _address(op["to"]) if "to" in op else 0
        sizes = f"{op['old'] * PAGE_SIZE} {op['new'] * PAGE_SIZE}"
        return f"mremap {_address(op['at'])} {sizes} {_flags(op['flags'])} {to}"

    def _op_read(self, op: Op) -> str:
        return f"read {_address(op['at'])}"

    def _op_access(self, op: Op) -> str:
        return f"access {_address(op['at'])}"

    def _op_write(self, op: Op) -> str:
        return f"write {_address(op['at'])} {_WRITTEN}"

    # processes -------------------------------------------------------------

    def _op_fork(self, op: Op) -> str:
        return f"fork {op['child']}"

    def _op_exit(self, _op: Op) -> str:
        return "exit"

    def _op_kill(self, _op: Op) -> str:
        return "kill"

    # the driver ------------------------------------------------------------

    def _op_zap(self, op: Op) -> str:
        page = self._page_number(op.get("off", 0))
        cows = int(op.get("even_cows", 1))
        return f"request {op['fd']} {REQUESTS['ZAP']} - {page} {op.get('pages', 0)} {cows}"

    def _op_fail(self, op: Op) -> str:
        match = _MATCH_ALL
        if op.get("vma_at") is not None:
            entry = op.get("via") == "entry" or op["sym"] in ("copy_page_range", "vm_area_dup")
            match = _MATCH_ARG if entry else _MATCH_COPY
        value = 0 if op["sym"] in _POINTERS else int(op["value"]) & (1 << 64) - 1
        at = _address(op.get("vma_at") or 0)
        return f"request -1 {REQUESTS['FAIL']} {op['sym']} {op.get('nth', 1)} {value} {at} {match}"

    def _op_unfail(self, _op: Op) -> str:
        return f"request -1 {REQUESTS['UNFAIL']} -"

    def _op_kernel(self, op: Op) -> str:
        if op["what"] == "ramfree":
            return f"request -1 {REQUESTS['RAM_FREE']} - {self._slot(str(op['id']))}"
        return self._declared(op)

    # what is declared ------------------------------------------------------

    def _declared(self, op: Op) -> str:
        """The line for an operation whose declaration names the call that plays it."""
        try:
            made = translate(op)
        except ModelError as error:
            raise InputFormatError(str(error)) from error
        form, known = form_of(made), kinds(type(made))
        call = form.call or form.ask
        if call is None:
            raise InputFormatError(f"unknown operation {op['op']!r}")
        numbers = " ".join(str(self._argument(made, each, known)) for each in call.arguments)
        return (
            f"request -1 {REQUESTS[call.name]} - {numbers}"
            if form.ask
            else f"{call.name} {numbers}"
        )

    def _argument(self, op: Any, argument: str, known: Mapping[str, str]) -> int:
        """The number that an argument of a declared call is."""
        if argument.isdigit():
            return int(argument)
        if argument in ("pfn", "start"):
            pfn = self._pfn(op.window) + op.off
            return int(pfn if argument == "pfn" else pfn * PAGE_SIZE)
        name, _, kind = argument.partition(":")
        value = getattr(op, name)
        return self._NUMBERS[kind or known[name]](self, value)

    _NUMBERS: ClassVar[dict[str, Callable[[Any, Any], int]]] = {
        "page": lambda _self, page: _address(page),
        "pages": lambda _self, pages: int(pages) * PAGE_SIZE,
        "count": lambda _self, pages: int(pages),
        "number": lambda _self, number: int(number),
        "prot": lambda _self, prot: _prot(prot),
        "advice": lambda _self, advice: _ADVICE[advice],
        "cache": lambda _self, cache: CACHES.index(cache.short),
        "name": lambda self, name: self._slot(name),
        "ram": lambda self, name: self._slot(name),
    }

    # process 1 -------------------------------------------------------------

    def _op_mtrr(self, op: Op) -> str:
        return f"write /proc/mtrr {op['text']}"

    def _op_sysctl(self, op: Op) -> str:
        return f"write /proc/sys/{op['name']} {op['value']}"

    def _op_driver_bind(self, op: Op) -> str:
        return self._driver(op, "bind")

    def _op_driver_unbind(self, op: Op) -> str:
        return self._driver(op, "unbind")

    def _driver(self, op: Op, what: str) -> str:
        bar = self._bar(op)
        driver = op.get("driver") or _DRIVER_OF_WINDOW.get(bar.window.name, "vfio-pci")
        return f"write /sys/bus/pci/drivers/{driver}/{what} {bar.window.bdf}"
