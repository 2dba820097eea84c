"""The guest's devices, and what of a program goes into one exchange."""

from __future__ import annotations

from pfntrack.lab.guests.machine import WINDOWS, arguments, parse_bar
from pfntrack.lab.play.lockstep import setting
from pfntrack.lab.play.quick import BATCH, parts

_RESOURCE = """\
0x00000000febf8000 0x00000000febf80ff 0x0000000000040200
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x00000000fc000000 0x00000000fcffffff 0x000000000014220c
0x000000000000c040 0x000000000000c05f 0x0000000000040101
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x0000000000000000 0x0000000000000000 0x0000000000000000
"""


def test_a_device_has_its_window_and_other_memory_bars() -> None:
    """A BAR smaller than a page takes a page; ports and empty BARs are none."""
    bar = parse_bar(WINDOWS[0], _RESOURCE)
    assert bar is not None
    assert (bar.base, bar.pages, bar.flags) == (0xFC000000, 4096, "0x14220c")
    assert bar.others == ((0, 0xFEBF8000, 1),)
    assert parse_bar(WINDOWS[2], _RESOURCE) is None


def test_bars_without_a_name_are_windows_of_the_model() -> None:
    """What VFIO claims with the function is known before anything shows it."""
    bar = parse_bar(WINDOWS[0], _RESOURCE)
    assert bar is not None
    machine = {"bars": {"H": bar.as_json()}, "qemu": arguments(vfio=True)}
    kernel = {"series": "7.3", "append": ""}
    trace = {"kernel": kernel, "machine": machine, "baseline": [], "steps": [], "end": {}}
    other = setting(trace).machine.window("H.bar0")
    assert other is not None
    assert (other.start, other.pages, other.bar) == (0xFEBF8000, 1, 0)


def test_an_allocation_ends_an_exchange() -> None:
    """Later commands name memory whose place the guest must tell first."""
    read = {"op": "read", "p": "A", "at": 0}
    alloc = {"op": "kernel", "what": "ramalloc", "id": "0", "pages": 1}
    steps = [read, alloc, *[read] * (BATCH + 1)]
    assert [len(part) for part in parts(steps)] == [2, BATCH, 1]
    assert list(parts([])) == []
