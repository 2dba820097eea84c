"""From scenarios back to text: the canonical form of the language.

`parse(format_scenario(s)) == s` holds for every scenario that makes sense.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable

from pfntrack.mm import ops
from pfntrack.mm.overlap import Overlap
from pfntrack.pat.physical import Window
from pfntrack.scenario.expect import (
    Expect,
    ExpectEntries,
    ExpectLeaks,
    ExpectLog,
    ExpectMappings,
    ExpectProperty,
    ExpectReservations,
    ExpectResult,
    ExpectStruck,
    ExpectTracked,
    Said,
)
from pfntrack.scenario.model import NO_LIMIT, MachineSpec, Scenario


def format_scenario(scenario: Scenario) -> str:
    """The scenario as a `.pfn` text."""
    head = [f"scenario {scenario.name}"]
    if scenario.about:
        head.append(f"about {_quoted(scenario.about)}")
    if scenario.tags:
        head.append(" ".join(("tags", *scenario.tags)))
    settings = _settings(scenario.machine)
    if settings:
        head += ["", "machine", *(f"  {line}" for line in settings)]
    body = [""]
    for step in scenario.steps:
        body.append(format_op(step.op, scenario.machine))
        if isinstance(step.op, Overlap) and step.op.schedule:
            body.append(f"  schedule {format_schedule(step.op.schedule)}")
        body += [f"  expect{_claim(expect)}" for expect in step.expects]
    if scenario.final:
        body += ["", *(f"finally{_claim(expect)}" for expect in scenario.final)]
    return "\n".join((*head, *body, ""))


def _settings(machine: MachineSpec) -> list[str]:
    lines = []
    if machine.pat == "off":
        lines.append("pat off")
    elif machine.pat != "full":
        lines.append(f"pat layout {machine.pat}")
    if not machine.mtrrs:
        lines.append("no mtrr")
    if machine.phys_bits != MachineSpec().phys_bits:
        lines.append(f"physical bits {machine.phys_bits}")
    if machine.overcommit_pages != NO_LIMIT:
        lines.append(f"overcommit limit {_count(machine.overcommit_pages)}")
    return lines + [_window(window) for window in machine.windows]


def _window(window: Window) -> str:
    text = f"window {window.name} at {window.start:#x} for {_count(window.pages)}"
    if window.bdf:
        text += f" as BAR {window.bar} of {window.bdf}"
        if not window.prefetchable:
            text += ", not prefetchable"
    return text


def format_op(op: ops.Op, machine: MachineSpec | None = None) -> str:
    """One operation as a line of the language."""
    match op:
        case Overlap(left, right):
            return f"{format_op(left, machine)} || {format_op(right, machine)}"
        case ops.Open():
            return _open(op, machine or MachineSpec())
        case ops.VfioOpen(p, (container, group, device), window):
            return f"{p} opens vfio of {window} as fd{container}, fd{group}, fd{device}"
        case ops.Close(p, fd):
            return f"{p} closes fd{fd}"
        case ops.Mmap(p, at, pages, fd, off, shared, prot, window):
            file = _range(off, pages)
            what = f"{window}{file} through fd{fd}" if window else f"fd{fd}{file}"
            private = "" if shared else ", private"
            return f"{p} maps {what} at {at}{private}{_access(prot)}"
        case ops.AnonOver(p, at, pages, prot):
            return f"{p} maps anonymous memory at {_range(at, pages)}{_access(prot)}"
        case ops.Munmap(p, at, pages):
            return f"{p} unmaps {_range(at, pages)}"
        case ops.Mprotect(p, at, pages, prot):
            return f"{p} protects {_range(at, pages)} as {_prot(prot)}"
        case ops.Madvise(p, at, pages, advice):
            return f"{p} advises {advice} on {_range(at, pages)}"
        case ops.Mremap():
            return _mremap(op)
        case ops.Mlock(p, at, pages, unlock):
            return f"{p} {'unlocks' if unlock else 'locks'} {_range(at, pages)}"
        case ops.Mseal(p, at, pages):
            return f"{p} seals {_range(at, pages)}"
        case ops.Read(p, at):
            return f"{p} reads page {at}"
        case ops.Access(p=p, at=at):
            return f"debugger reads page {at} of {p}"
        case ops.Write(p, at):
            return f"{p} writes page {at}"
        case ops.Fork(p, child):
            return f"{p} forks {child}"
        case ops.Exit(p, killed):
            return f"{p} is killed" if killed else f"{p} exits"
        case ops.VfioMemory(p, fd, on):
            return f"{p} turns memory {'on' if on else 'off'} through fd{fd}"
        case ops.Fail(p, symbol, nth, value, vma_at):
            return _fail(p, symbol, nth, value, vma_at)
        case ops.Unfail(p):
            return f"stop failing in {p}"
        case _:
            return _driver_or_kernel(op)


def format_schedule(schedule: Iterable[tuple[int, int]]) -> str:
    """Who goes on for how many parts: `left 4, right`."""
    sides = ("left", "right")
    return ", ".join(f"{sides[who]} {parts}" if parts else sides[who] for who, parts in schedule)


def _driver_or_kernel(op: ops.Op) -> str:
    """What no process does itself."""
    match op:
        case ops.Zap(p, fd, off, pages, even_cows, window):
            file = _open_range(off, pages)
            what = f"{window}{file} through fd{fd}" if window else f"fd{fd}{file}"
            return f"driver zaps {what} of {p}{'' if even_cows else ', keeping copies'}"
        case ops.ZapVma(p, at, pages):
            return f"driver zaps vma {_range(at, pages)} of {p}"
        case ops.Remap(p, at, pages, window, off, cache):
            to = f"{window}{_range(off, pages)}"
            return f"driver remaps {_range(at, pages)} of {p} to {to} with {cache.short}"
        case ops.InsertPfn(p, at, window, off):
            return f"driver inserts {window}{_range(off, 1)} at {at} of {p}"
        case ops.DriverBind(window):
            return f"driver binds {window}"
        case ops.DriverUnbind(window):
            return f"driver unbinds {window}"
        case ops.Ioremap(name, window, off, pages, cache):
            return f"kernel ioremaps {window}{_range(off, pages)} with {cache.short} as {name}"
        case ops.Iounmap(name):
            return f"kernel iounmaps {name}"
        case ops.Request(window, off, pages):
            return f"kernel requests {window}{_range(off, pages)}"
        case ops.Release(window, off, pages):
            return f"kernel releases {window}{_range(off, pages)}"
        case ops.WcReserve(window, off, pages):
            return f"kernel reserves {window}{_range(off, pages)} as WC"
        case ops.WcFree(window, off, pages):
            return f"kernel frees {window}{_range(off, pages)} as WC"
        case ops.RamAlloc(name, pages):
            return f"kernel allocates {_count(pages)} as ram{name}"
        case ops.RamType(name, cache):
            return f"kernel sets ram{name} to {cache.short}"
        case ops.SetMtrr(text):
            return f"mtrr {_quoted(text)}"
        case ops.Sysctl(name, value):
            plain = value.isascii() and value.isdigit()
            return f"sysctl {name} = {value if plain else _quoted(value)}"
        case _:
            raise TypeError(f"no way to say {type(op).__name__}")


def _open(op: ops.Open, machine: MachineSpec) -> str:
    match op.target:
        case "sysfs":
            window = machine.window(op.window)
            bar = window.bar if window else ""
            what = f"resource{bar}{'_wc' if op.wc else ''} of {op.window}"
        case "devmem":
            what = "/dev/mem with O_SYNC" if op.sync else "/dev/mem"
        case "driver":
            what = f"driver on {op.window} with {op.cache.short}"
            if op.first or op.pages:
                what += f" for pages {_open_range(op.first, op.pages)}"
            if op.mode != "remap":
                what += f" by {op.mode}"
        case "path":
            what = _quoted(op.path) + (" with O_SYNC" if op.sync else "")
        case _:
            raise TypeError(f"no way to open {op.target!r}")
    return f"{op.p} opens {what}{' read-only' if op.readonly else ''} as fd{op.fd}"


def _mremap(op: ops.Mremap) -> str:
    old = _range(op.at, op.old)
    if op.maymove and op.fixed and not op.dontunmap and op.to is not None:
        return f"{op.p} moves {old} to {_range(op.to, op.new)}"
    named = (("MAYMOVE", op.maymove), ("FIXED", op.fixed), ("DONTUNMAP", op.dontunmap))
    flags = [name for name, is_set in named if is_set]
    if op.to is not None:
        flags.append(f"at {op.to}")
    return ", ".join((f"{op.p} mremaps {old} to {_count(op.new)}", *flags))


def _fail(p: str, symbol: str, nth: int, value: int, vma_at: int | None) -> str:
    text = f"fail {symbol} in {p}"
    if nth != 1:
        text += f" at call {nth}"
    text += f" with {errno.errorcode.get(-value, value)}"
    if vma_at is not None:
        text += f" while fork copies the mapping at {vma_at}"
    return text


def _claim(expect: Expect) -> str:
    """What follows `expect` or `finally`."""
    on = f" on {', '.join(expect.on)}" if expect.on else ""
    mode = f" {expect.mode}" if expect.mode else ""
    return f"{mode}{on}: {format_claim(expect)}"


def format_claim(expect: Expect) -> str:
    """A claim without the releases it is made for."""
    match expect:
        case ExpectResult(word=word, side=side):
            return f"{side} {word}" if side else word
        case ExpectStruck(times=times):
            return f"struck {times}"
        case ExpectReservations(held=held):
            return f"reservations {_listed(held)}"
        case ExpectLeaks(held=held):
            return f"leaks {_listed(held)}"
        case ExpectLog(said=said):
            return f"log {', '.join(map(format_said, said)) or 'none'}"
        case ExpectTracked(p=p, at=at, pages=pages, tracked=tracked):
            return f"{'tracked' if tracked else 'untracked'} {p}{_range(at, pages)}"
        case ExpectMappings(p=p, areas=areas):
            ranges = ", ".join(_range(at, end - at) for at, end in areas)
            return f"mappings of {p} {ranges or 'none'}"
        case ExpectEntries(p=p, runs=runs):
            return f"entries of {p} {_listed(runs)}"
        case ExpectProperty(names=names, broken=broken):
            return f"{'breaks' if broken else 'keeps'} {', '.join(names)}"
        case _:
            raise TypeError(f"no way to say {type(expect).__name__}")


def format_said(said: Said) -> str:
    """A log line in neutral form."""
    types = [cache.short for cache in said.types]
    match said.kind:
        case "freeing_invalid":
            return f"freeing invalid {said.pages}"
        case "conflicting_types":
            return f"conflicting types {said.pages} {types[0]}<->{types[1]}"
        case "expected_type":
            return f"expected {types[0]} for {said.pages} got {types[1]}"
        case "ram_type":
            return f"RAM wanted {types[0]} got {types[1]}"
        case "ioremap_error":
            return f"ioremap error {said.pages} wanted {types[0]} got {types[1]}"
        case "warn":
            return f"WARN {said.text}"
        case "bug":
            return f"BUG {said.text}"
        case _:
            return f"line {_quoted(said.text)}"


def _listed(values: tuple[object, ...]) -> str:
    return ", ".join(map(str, values)) or "none"


def _range(first: int, pages: int) -> str:
    return f"[{first},{first + pages})"


def _open_range(first: int, pages: int) -> str:
    return _range(first, pages) if pages else f"[{first},end)"


def _count(pages: int) -> str:
    return f"{pages} page{'' if pages == 1 else 's'}"


def _prot(prot: str) -> str:
    return {"-": "none", "r": "read-only"}.get(prot, prot)


def _access(prot: str) -> str:
    """Nothing for the default `rw`."""
    if prot == "rw":
        return ""
    return ", read-only" if prot == "r" else f", prot {_prot(prot)}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
