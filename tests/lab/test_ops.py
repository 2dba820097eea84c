"""Operations as commands for the agent."""

from __future__ import annotations

from typing import Any

import pytest

from pfntrack.errors import InputFormatError
from pfntrack.lab.guests.machine import WINDOWS, Bar, regions_of
from pfntrack.lab.observe.regions import ARENA_BASE, Region
from pfntrack.lab.play.ops import Command, Translator

BARS = [
    Bar(WINDOWS[0], 0xFC000000, 4096, "0x14220c"),
    Bar(WINDOWS[2], 0xFE000000, 4, "0x14220c"),
]


@pytest.fixture
def translator() -> Translator:
    return Translator(BARS, regions_of(BARS), "/dev/vfio/3")


def _lines(translator: Translator, **op: Any) -> tuple[str, ...]:
    return translator.command({"p": "A", **op}, "A").lines


def test_sysfs_file_of_a_window(translator: Translator) -> None:
    assert _lines(translator, op="open", fd=0, target="sysfs", bar="H", wc=True) == (
        "open 0 /sys/bus/pci/devices/0000:00:04.0/resource2_wc 2",
    )


def test_driver_file_is_opened_and_configured(translator: Translator) -> None:
    lines = _lines(
        translator,
        op="open",
        fd=1,
        target="driver",
        bar="H",
        mode="fault",
        cache="WC",
        first=4,
        pages=8,
    )
    assert lines == ("open 1 /dev/pfnlab 2", f"request 1 1 - {0xFC000} 4096 2 1 4 8")


def test_device_memory_offset_is_physical(translator: Translator) -> None:
    _lines(translator, op="open", fd=0, target="devmem", sync=True)
    (line,) = _lines(
        translator, op="mmap", at=1, pages=2, fd=0, off=3, share="shared", prot="rw", bar="H"
    )
    assert line == f"mmap {ARENA_BASE + 4096} 8192 3 17 0 {0xFC003000}"


def test_vfio_offset_holds_the_region(translator: Translator) -> None:
    _lines(translator, op="vfio_open", fds=[0, 1, 2], bar="H")
    (line,) = _lines(translator, op="mmap", at=0, pages=1, fd=2, off=0, share="private", prot="r")
    assert line == f"mmap {ARENA_BASE} 4096 1 18 2 {2 << 40}"


def test_child_has_its_parents_files(translator: Translator) -> None:
    _lines(translator, op="vfio_open", fds=[0, 1, 2], bar="H")
    translator.forked("A", "B")
    command = translator.command(
        {"op": "mmap", "p": "B", "at": 0, "pages": 1, "fd": 2, "share": "shared", "prot": "rw"},
        "A",
    )
    assert command.process == "B"
    assert command.lines[0].endswith(str(2 << 40))


@pytest.mark.parametrize(
    ("flags", "number"),
    [("-", 0), ("maymove", 1), ("fixed", 3), ("dontunmap", 5), ("fixed+dontunmap", 7)],
)
def test_mremap_flags(translator: Translator, flags: str, number: int) -> None:
    (line,) = _lines(translator, op="mremap", at=0, old=1, new=1, flags=flags, to=2)
    assert line == f"mremap {ARENA_BASE} 4096 4096 {number} {ARENA_BASE + 8192}"


def test_zap_by_physical_page(translator: Translator) -> None:
    (line,) = _lines(translator, op="zap", fd=0, off="pfn:H+2", pages=1, even_cows=0)
    assert line == f"request 0 2 - {0xFC002} 1 0"


def test_memory_gets_a_name_later(translator: Translator) -> None:
    translator.regions = translator.regions.plus(Region("ram0", 0x5870, 16))
    lines = _lines(translator, op="open", fd=0, target="driver", bar="ram0", cache="WB")
    assert f" {0x5870} 16 " in lines[1]


@pytest.mark.parametrize(
    ("op", "match"),
    [
        ({"sym": "__pte_alloc", "value": -12, "nth": 2, "vma_at": 0}, 2),
        ({"sym": "copy_page_range", "value": -12, "vma_at": 0, "via": "entry"}, 1),
        ({"sym": "memtype_reserve", "value": -12}, 0),
    ],
)
def test_which_calls_a_failure_counts(
    translator: Translator, op: dict[str, Any], match: int
) -> None:
    (line,) = _lines(translator, op="fail", **op)
    words = line.split()
    assert words[3] == op["sym"]
    assert int(words[5]) == (1 << 64) - 12
    assert int(words[-1]) == match


def test_global_operations_name_no_process(translator: Translator) -> None:
    assert translator.command({"op": "driver_bind", "bar": "R"}, "A") == Command(
        "", ("write /sys/bus/pci/drivers/virtio-pci/bind 0000:00:06.0",)
    )
    assert translator.command({"op": "sysctl", "name": "vm/x", "value": "5"}, "A").lines == (
        "write /proc/sys/vm/x 5",
    )


@pytest.mark.parametrize(
    "op",
    [
        {"op": "dance"},
        {"op": "munmap", "at": 0},
        {"op": "open", "fd": 0, "target": "floppy"},
        {"op": "open", "fd": 0, "target": "sysfs", "bar": "Q"},
        {"op": "kernel", "what": "sing", "bar": "H", "pages": 1},
        {"op": "kernel", "what": "ioremap", "bar": "H", "pages": 1, "cache": "XX", "id": 0},
        {"op": "zap", "fd": 0, "off": "page:3"},
        {"op": "madvise", "at": 0, "pages": 1, "advice": "hurry"},
    ],
)
def test_bad_operations_are_input_errors(translator: Translator, op: dict[str, Any]) -> None:
    with pytest.raises(InputFormatError):
        translator.command({"p": "A", **op}, "A")
