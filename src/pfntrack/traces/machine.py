"""The machine of a trace, and the state in which its scenario began.

Traces name BARs and list the reservations of boot, but not the MTRRs, the RAM
map or the BARs that no scenario uses. Those are filled in from what the
machine is (QEMU q35, SeaBIOS): see `docs/conformance.md`.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import attrs

from pfntrack.pat.cachemode import BY_SHORT
from pfntrack.pat.memtype_interval import Memtype, insert
from pfntrack.pat.mtrr import UC, Mtrr, Variable, pc_fixed
from pfntrack.pat.physical import Claim, Ioremap, Machine, Physical, Window
from pfntrack.pat.ram import PAGE_SHIFT, PAGE_SIZE
from pfntrack.releases.world import World
from pfntrack.traces.load import Trace

MIB = 1 << 20
# What SeaBIOS keeps at the top of RAM for ACPI tables.
ACPI_BYTES = 128 << 10
PREFETCHABLE = 0x2000

# BARs of the machine's devices that have no name in a trace: (number, pages).
_OTHER_BARS = {"ivshmem-plain": ((0, 1),), "bochs-display": ((2, 1),), "virtio-rng-pci": ((1, 1),)}
# The order in which virtio's modern transport maps its structures.
_VIRTIO_REGISTERS = (0, 1, 3, 2)


def machine_of(trace: Trace) -> Machine:
    """The machine that the trace was recorded on."""
    args = [str(arg) for arg in trace.machine.get("qemu", [])]
    devices = _devices(args)
    windows = []
    for name, bar in trace.machine["bars"].items():
        device = devices.get(str(bar.get("bdf", ""))[-4:-2], "")
        windows.append(
            Window(
                name,
                bar["base"] >> PAGE_SHIFT,
                bar["pages"],
                bdf=bar.get("bdf", ""),
                bar=bar.get("n", 0),
                prefetchable=bool(int(bar.get("flags", "0x2000"), 0) & PREFETCHABLE),
                registers=_VIRTIO_REGISTERS if device.startswith("virtio") else (),
            )
        )
    windows += _unnamed(trace, windows, devices)
    top = _memory(args) - ACPI_BYTES
    return Machine(
        ram=((PAGE_SIZE, 0x9FC00), (MIB, top)),
        windows=tuple(windows),
        high_memory=top,
        overcommit_pages=_memory(args) >> PAGE_SHIFT,
    )


def _memory(args: list[str]) -> int:
    """Bytes of RAM: the argument of -m."""
    if "-m" in args[:-1]:
        found = re.match(r"(?:size=)?(\d{1,9})([MG]?)", args[args.index("-m") + 1])
        if found:
            return int(found[1]) * (1024 if found[2] == "G" else 1) * MIB
    return 256 * MIB


def _devices(args: list[str]) -> dict[str, str]:
    """PCI slot (two hex digits) -> QEMU's name of the device."""
    found = {}
    for option, value in pairwise(args):
        slot = re.search(r",addr=(?:0x)?([0-9a-f]{1,4})", value)
        if option == "-device" and slot:
            found[f"{int(slot[1], 16):02x}"] = value.partition(",")[0]
    return found


def _unnamed(trace: Trace, named: list[Window], devices: dict[str, str]) -> list[Window]:
    """BARs that have no name, which matter when VFIO maps a whole function.

    Newer recordings list them. In others their numbers follow from the device,
    and their addresses are read from the first step that shows them.
    """
    listed = [
        Window(f"{w.name}.bar{number}", base >> PAGE_SHIFT, pages, w.bdf, number, False)
        for w in named
        for number, base, pages in trace.machine["bars"][w.name].get("others", ())
    ]
    if listed:
        return listed
    opened = {step["op"].get("bar") for step in trace.steps if step["op"]["op"] == "vfio_open"}
    known = {tuple(entry) for entry in trace.baseline}
    raw: list[tuple[int, int]] = []
    for step in trace.steps:
        for entry in step["memtype"]:
            if len(entry) == 3 and tuple(entry) not in known:
                place = int(entry[0], 0), int(entry[1], 0)
                raw += [place] if place not in raw else []
    found = []
    for window in named:
        others = _OTHER_BARS.get(devices.get(window.bdf[-4:-2], ""), ())
        if window.name not in opened:
            continue
        for (number, pages), (start, _) in zip(others, raw, strict=False):
            name = f"{window.name}.bar{number}"
            found.append(
                Window(name, start >> PAGE_SHIFT, pages, window.bdf, number, prefetchable=False)
            )
    return found


def world_of(trace: Trace, machine: Machine) -> World:
    """The state before the first step: boot's reservations and the first processes."""
    phys = Physical(mtrr=q35_mtrr())
    claims, ioremaps = [], []
    for number, entry in enumerate(trace.baseline):
        start, end, kind = entry_range(entry, machine)
        held = Memtype(start, end, BY_SHORT[kind])
        phys = attrs.evolve(phys, tree=insert(phys.tree, held))
        key = f"boot:{number}"
        for window in machine.windows:
            if window.registers and window.start <= start < window.end:
                key = f"{window.name}:{(start - window.start) >> PAGE_SHIFT}"
                claim = Claim(window.start, window.end, "driver")
                claims += [claim] if claim not in claims else []
        ioremaps.append(Ioremap(key, start, end, held.type))
    phys = attrs.evolve(phys, claims=tuple(claims), ioremaps=tuple(ioremaps))
    world = World(phys=phys, comm="lab{}")
    for name in first_processes(trace):
        world = world.start(name)
    return world


def first_processes(trace: Trace) -> list[str]:
    """Processes that exist before the first step: those that nobody forks."""
    forked = {step["op"].get("child") for step in trace.steps if step["op"]["op"] == "fork"}
    shown = list(trace.steps[0]["procs"]) if trace.steps else []
    used = [step["op"]["p"] for step in trace.steps if "p" in step["op"]]
    return [name for name in dict.fromkeys((*shown, *used)) if name not in forked]


def entry_range(entry: list[Any], machine: Machine) -> tuple[int, int, str]:
    """Bytes and type of `[bar, first, end, type]` or `[start, end, type]`."""
    if len(entry) == 4:
        window = machine.window(entry[0])
        base = window.pfn if window else 0
        return (base + entry[1]) << PAGE_SHIFT, (base + entry[2]) << PAGE_SHIFT, entry[3]
    return int(entry[0], 0), int(entry[1], 0), entry[2]


def q35_mtrr() -> Mtrr:
    """SeaBIOS on q35: uncachable from 3 to 4 GiB, write-back elsewhere."""
    return Mtrr(variable=(Variable(3 << 30, 1 << 30, UC),), fixed=pc_fixed())
