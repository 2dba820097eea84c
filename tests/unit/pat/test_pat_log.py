"""Every line of the message catalogue, rendered exactly, and where it comes from."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest

from pfntrack.mm import ops
from pfntrack.pat import CacheMode, Event, Task
from pfntrack.pat.events import (
    Added,
    Call,
    ChangeAttrFailed,
    ConflictingTypes,
    ExpectedType,
    Freed,
    FreeInvalid,
    IoremapError,
    IoremapReserveFailed,
    Log,
    Note,
    Oops,
    Overlap,
    RamReserveFailed,
    RamType,
    ReserveFailed,
    Warn,
)
from support import ALL, NOSYNC, RES, RES_WC, VM_PAT_RELEASES, Lab, driver

WB, WC, UCM, UC, WT, WP = CacheMode
TASK = Task("pfnmap", 1790)
LOW, HIGH = 0x10000, 0x200000000

# One value of every kind of line, its level and its text.
CATALOGUE: list[tuple[Event, int, str]] = [
    (
        FreeInvalid(TASK, 0, 0x1000),
        6,
        "x86/PAT: pfnmap:1790 freeing invalid memtype [mem 0x00000000-0x00000fff]",
    ),
    (
        ConflictingTypes(TASK, 0xFE000000, 0xFE004000, UCM, WC),
        6,
        "x86/PAT: pfnmap:1790 conflicting memory types fe000000-fe004000 "
        "uncached-minus<->write-combining",
    ),
    (
        ReserveFailed(0xFE000000, 0xFE004000, UCM, WB),
        6,
        "x86/PAT: memtype_reserve failed [mem 0xfe000000-0xfe003fff], "
        "track uncached-minus, req write-back",
    ),
    (
        ExpectedType(TASK, UCM, LOW, LOW + 0x4000, WB),
        3,
        "x86/PAT: pfnmap:1790 map pfn expected mapping type uncached-minus for "
        "[mem 0x00010000-0x00013fff], got write-back",
    ),
    (
        RamType(TASK, WC, 0x100000, 0x101000, WB),
        4,
        "x86/PAT: pfnmap:1790 map pfn RAM range req write-combining for "
        "[mem 0x00100000-0x00100fff], got write-back",
    ),
    (
        RamReserveFailed(HIGH, HIGH + 0x2000, WC, UCM),
        6,
        "x86/PAT: reserve_ram_pages_type failed [mem 0x200000000-0x200001fff], track 0x1, req 0x2",
    ),
    (
        ChangeAttrFailed(TASK, UCM, LOW, LOW + 0x1000),
        6,
        "x86/PAT: pfnmap:1790 ioremap_change_attr failed uncached-minus for "
        "[mem 0x00010000-0x00010fff]",
    ),
    (
        Warn("memtype.c", ("memtype_reserve",), "memtype_reserve failed: [mem 0x0-0x0], req x"),
        4,
        "memtype_reserve failed: [mem 0x0-0x0], req x",
    ),
    (Warn("memtype.c", ("get_pat_info", "untrack_pfn")), 4, "WARNING: memtype.c get_pat_info"),
    (
        IoremapError(HIGH, HIGH + 0x1000, UCM, WB),
        3,
        "ioremap error for 0x200000000-0x200001000, requested 0x2, got 0x0",
    ),
    (IoremapReserveFailed(-16), 3, "ioremap memtype_reserve failed -16"),
    (Overlap(0xFE000000, 0xFE004000), 6, "x86/PAT: Overlap at 0xfe000000-0xfe004000"),
    (
        Added(0xFE000000, 0xFE004000, UCM, WB, UCM),
        6,
        "x86/PAT: memtype_reserve added [mem 0xfe000000-0xfe003fff], "
        "track uncached-minus, req write-back, ret uncached-minus",
    ),
    (
        Added(0xFE000000, 0xFE004000, UC, UC, None),
        6,
        "x86/PAT: memtype_reserve added [mem 0xfe000000-0xfe003fff], "
        "track uncached, req uncached, ret -",
    ),
    (
        Freed(0xFE001000, 0xFE003000),
        6,
        "x86/PAT: memtype_free request [mem 0xfe001000-0xfe002fff]",
    ),
    (Log("any other line"), 4, "any other line"),
    (Oops("memory.c", "remap_pte_range"), 0, "kernel BUG at memory.c in remap_pte_range"),
]


@pytest.mark.parametrize(
    ("event", "level", "text"), CATALOGUE, ids=[event.kind for event, _, _ in CATALOGUE]
)
def test_text_and_level(event: Event, level: int, text: str) -> None:
    """Each kind of line has the kernel's exact words and printk level."""
    assert (level, text) == (event.level, event.text())


@pytest.mark.parametrize("event", [Call("track_pfn_remap", TASK), Note("memtype_free", "why")])
def test_calls_and_explanations_are_not_logged(event: Event) -> None:
    """What only probes and readers see has no line."""
    assert None is event.text()


def test_addresses_have_at_least_ten_characters() -> None:
    """`%#010Lx` pads small addresses and lets large ones grow."""
    assert "[mem 0x00000000-0x00000fff]" in str(Freed(0, 0x1000).text())
    assert "[mem 0x200000000-0x200000fff]" in str(Freed(HIGH, HIGH + 0x1000).text())


@pytest.mark.parametrize("mode", CacheMode)
def test_numbers_in_messages_are_enum_values(mode: CacheMode) -> None:
    """Two messages print the number of the type, the others its name."""
    assert (
        IoremapError(0, 1, mode, mode)
        .text()
        .endswith(f"requested 0x{mode.value}, got 0x{mode.value}")
    )
    assert (
        RamReserveFailed(0, 1, mode, mode)
        .text()
        .endswith(f"track 0x{mode.value}, req 0x{mode.value}")
    )


def test_s4_line_of_a_partial_munmap() -> None:
    """The line names the process that unmaps and the piece it unmaps."""
    lab = Lab("6.1")
    lab.map()
    lab.munmap(0, 1)
    assert ["x86/PAT: A:100 freeing invalid memtype [mem 0xfe000000-0xfe000fff]"] == lab.log()


@pytest.mark.parametrize("release", ALL)
def test_s20_lines_of_two_types_in_one_range(release: str) -> None:
    """A conflict is told in two lines; the driver's user sees EINVAL or EAGAIN."""
    lab = Lab(release)
    lab.map(RES, 2)
    lab.map(RES_WC, 2, at=8, off=2)
    assert "EINVAL" == lab.map(RES, at=16)
    conflict = (
        "x86/PAT: A:100 conflicting memory types fe000000-fe004000 uncached-minus<->write-combining"
    )
    failed = "x86/PAT: memtype_reserve failed [mem 0xfe000000-0xfe003fff], track uncached-minus, "
    assert [conflict, failed + "req uncached-minus"] == lab.log()
    assert "EAGAIN" == lab.map(at=16)
    assert [conflict, failed + "req uncached-minus"] == lab.log()
    assert "EAGAIN" == lab.map(NOSYNC, at=16)
    assert [conflict, failed + "req write-back"] == lab.log()


@pytest.mark.parametrize("release", ALL)
def test_s22c_line_of_a_refused_type(release: str) -> None:
    """UC- over write-back is refused with one line of level 3."""
    lab = Lab(release)
    lab.map(NOSYNC, window="LOW")
    assert "EAGAIN" == lab.map(at=8, window="LOW")
    assert [
        "x86/PAT: A:100 map pfn expected mapping type uncached-minus for "
        "[mem 0x00010000-0x00013fff], got write-back"
    ] == lab.log()
    assert [3] == [event.level for event in lab.events if event.kind == "expected_type"]


@pytest.mark.parametrize("release", VM_PAT_RELEASES)
def test_debugpat_lines_of_one_life_with_vm_pat(release: str) -> None:
    """Map, fork, child exit and unmapping from both ends, as measured."""
    lab = Lab(release)
    added = (
        "x86/PAT: memtype_reserve added [mem 0xfe000000-0xfe003fff], "
        "track uncached-minus, req uncached-minus, ret uncached-minus"
    )
    lab.map()
    assert [added] == _texts(lab)
    lab.fork()
    assert ["x86/PAT: Overlap at 0xfe000000-0xfe004000", added] == _texts(lab)
    lab.exit("B")
    assert ["x86/PAT: memtype_free request [mem 0xfe000000-0xfe003fff]"] == _texts(lab)
    lab.munmap(3, 1)
    assert ["x86/PAT: memtype_free request [mem 0xfe003000-0xfe003fff]"] == _texts(lab)
    lab.munmap(0, 1)
    assert ["x86/PAT: A:100 freeing invalid memtype [mem 0xfe000000-0xfe000fff]"] == _texts(lab)
    lab.munmap(1, 2)
    assert ["x86/PAT: memtype_free request [mem 0xfe001000-0xfe002fff]"] == _texts(lab)


def test_debugpat_lines_of_one_life_with_a_context() -> None:
    """One line at the beginning and one at the very end, for the whole range."""
    lab = Lab("7.3")
    lab.map()
    seen = _texts(lab)
    lab.fork()
    seen += _texts(lab)
    lab.exit("B")
    seen += _texts(lab)
    lab.munmap(3, 1)
    seen += _texts(lab)
    lab.munmap(0, 1)
    seen += _texts(lab)
    assert [
        "x86/PAT: memtype_reserve added [mem 0xfe000000-0xfe003fff], "
        "track uncached-minus, req uncached-minus, ret uncached-minus"
    ] == seen
    lab.munmap(1, 2)
    assert ["x86/PAT: memtype_free request [mem 0xfe000000-0xfe003fff]"] == _texts(lab)


@pytest.mark.parametrize("release", ALL)
def test_line_of_a_private_mapping_that_mremap_would_duplicate(release: str) -> None:
    """old_size 0 on private memory is refused with a line that names the task (T10f)."""
    lab = Lab(release)
    lab.map(private=True)
    assert "EINVAL" == lab.mremap(0, 0, 4, maymove=True)
    assert [
        "A (100): attempted to duplicate a private mapping with mremap.  This is not supported."
    ] == lab.log()


@pytest.mark.parametrize("release", ALL)
def test_lines_of_ioremap(release: str) -> None:
    """WT over WC is refused with numbers; a conflict below shows as an errno."""
    lab = Lab(release)
    lab.ioremap("wc", 0, 2, WC)
    assert "ENOMEM" == lab.ioremap("wt", 0, 2, WT)
    assert ["ioremap error for 0xfe000000-0xfe002000, requested 0x4, got 0x1"] == lab.log()
    lab.ioremap("uc", 2, 2, UCM)
    assert "ENOMEM" == lab.ioremap("both", 0, 4, UCM)
    assert "ioremap memtype_reserve failed -16" == lab.log()[-1]
    assert 3 == len(lab.log())


@pytest.mark.parametrize("release", ALL)
def test_ioremap_on_ram(release: str) -> None:
    """RAM above 1 MiB is not for ioremap(), which says so."""
    lab = Lab(release)
    lab.do(ops.RamAlloc("0", 4))
    assert "ENOMEM" == lab.ioremap("ram", 0, 1, UCM, window="ram0")
    assert [True] == [line.startswith("ioremap on RAM at 0x") for line in lab.log()]


@pytest.mark.parametrize("release", ALL)
def test_line_of_ioremap_on_ram(release: str) -> None:
    """`%pa` prints all sixteen digits."""
    lab = Lab(release)
    lab.do(ops.RamAlloc("0", 4))
    lab.ioremap("ram", 0, 1, UCM, window="ram0")
    assert ["ioremap on RAM at 0x0000000004000000 - 0x0000000004000fff"] == lab.log()


@pytest.mark.parametrize("release", ALL)
def test_line_of_ram_that_has_a_type_already(release: str) -> None:
    """RAM types are not counted: asking twice is busy."""
    lab = Lab(release)
    lab.do(ops.RamAlloc("0", 4))
    assert "ok" == lab.do(ops.RamType("0", WC))
    assert "EBUSY" == lab.do(ops.RamType("0", UCM))
    assert [
        "x86/PAT: reserve_ram_pages_type failed [mem 0x04000000-0x04003fff], track 0x1, req 0x2"
    ] == lab.log()
    assert "ok" == lab.do(ops.RamType("0", WB))
    assert "ok" == lab.do(ops.RamType("0", UCM))


@pytest.mark.parametrize("release", ALL)
def test_partial_mapping_over_two_types_is_silent(release: str) -> None:
    """A part of a VMA over pages of two types is refused without a line (T16c)."""
    lab = Lab(release)
    lab.map(RES, 2)
    lab.map(RES_WC, 2, at=8, off=2)
    assert "EINVAL" == lab.map(driver(pages=4), 8, at=16)
    assert [] == lab.log()


def _texts(lab: Lab) -> list[str]:
    """All lines of the last operation, as a boot with `debugpat` shows them."""
    return [text for event in lab.events if (text := event.text()) is not None]
