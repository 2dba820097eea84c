"""Situations written to order: what each must, and must not, be called."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.build import (
    BAR,
    COW,
    TRACKED,
    UNTRACKED,
    Proc,
    Vma,
    codes,
    judge,
    left,
    made,
    only,
    pages,
)
from pfntrack.audit.judged.owners import Standing

UC, WC = "uncached-minus", "write-combining"
PCI = "/sys/devices/pci0000:00/0000:00:06.0/resource2"
VFIO = "anon_inode:[vfio-device]"
AT = 0x7F0000000
VFIO_BAR = {"0000:00:06.0": ("vfio-pci", [(2, 0xFE000000, 0xFE3FFFFF, 0x14220C)])}


def test_unmapped_head_leaks_at_exit(tmp_path: Path) -> None:
    """6.x: the rest is freed by an end match, which leaves the head and logs nothing more."""
    proc = Proc(90, "part", (Vma(AT + 2, 2, 6),))
    log = ["part:90 freeing invalid memtype [mem 0xfe000000-0xfe001fff]"]
    result = made(tmp_path / "s", [pages(0, 6)], [proc], log=log)
    assert left(result) == [pages(0, 2)]
    assert result.forecast.log == ()
    assert "pieces-mismatch" in codes(result)
    assert "stale-reservation" not in codes(result)


def test_unmapped_head_is_healthy_with_contexts(tmp_path: Path) -> None:
    """7.3 keeps the whole entry until the last piece goes: no finding."""
    proc = Proc(90, "part", (Vma(AT + 2, 2, 6, UNTRACKED),))
    result = made(tmp_path / "s", [pages(0, 6)], [proc], release="7.3")
    assert (codes(result), left(result)) == ([], [])


def test_moved_middle_leaves_everything(tmp_path: Path) -> None:
    """6.x: two pieces lost VM_PAT, the moved one releases nothing that fits."""
    vmas = (
        Vma(AT, 0, 3, UNTRACKED),
        Vma(AT + 6, 6, 9, UNTRACKED),
        Vma(AT + 64, 3, 6, TRACKED),
    )
    result = made(tmp_path / "s", [pages(0, 9)], [Proc(90, "mover", vmas)])
    assert left(result) == [pages(0, 9)]
    assert result.forecast.log == ("mover:90 freeing invalid memtype [mem 0xfe003000-0xfe005fff]",)
    assert codes(result).count("lost-tracking") == 2
    (holding,) = result.owners.holdings
    assert holding.standing is Standing.PIECES
    assert len(holding.users) == 3


@pytest.mark.parametrize(("copied", "sure"), [(4, "certain"), (1, "possible")])
def test_copied_pages_make_fork_fail(tmp_path: Path, copied: int, sure: str) -> None:
    """6.12 counts copies: all pages copied is certain, some is possible."""
    proc = Proc(90, "cow", (Vma(AT, 0, 4, COW, copied=copied),))
    result = made(tmp_path / "s", [pages(0, 4)], [proc], release="6.12")
    assert only(result, "next-fork-fails").confidence == sure
    assert left(result) == []


def test_copied_pages_do_not_matter_with_contexts(tmp_path: Path) -> None:
    """7.3 forks such a mapping."""
    proc = Proc(90, "cow", (Vma(AT, 0, 4, COW.replace(" ar", ""), copied=4),))
    assert codes(made(tmp_path / "s", [pages(0, 4)], [proc], release="7.3")) == []


@pytest.mark.parametrize("release", ["6.1", "7.3"])
def test_silent_conversion(tmp_path: Path, release: str) -> None:
    """A write-combining file mapped under an older UC- entry of somebody else."""
    flags = TRACKED if release == "6.1" else UNTRACKED
    procs = [
        Proc(90, "first", (Vma(AT, 0, 4, flags, PCI),)),
        Proc(91, "second", (Vma(AT, 0, 4, flags, f"{PCI}_wc"),)),
    ]
    rows = [pages(0, 4), pages(0, 4)]
    found = only(made(tmp_path / "s", rows, procs, release=release), "silent-conversion")
    assert (found.pids, found.type) == ((91,), UC)


@pytest.mark.parametrize("release", ["6.1", "6.12", "7.3"])
def test_vfio_is_healthy(tmp_path: Path, release: str) -> None:
    """6.1 reserves for the mapping, later kernels only look up; neither is a finding."""
    old = release == "6.1"
    offset = BAR if old else 2 << 40
    flags = (TRACKED if old else UNTRACKED) + " ??"
    proc = Proc(90, "vm", (Vma(AT, 0, 16, flags, VFIO, offset=offset),))
    whole = (BAR, BAR + 0x400000, UC)
    rows = [whole, pages(0, 16)] if old else [whole]
    areas = [(whole[0], whole[1], "vfio_pci_core_setup_barmap")]
    result = made(tmp_path / "s", rows, [proc], release=release, areas=areas, devices=VFIO_BAR)
    assert (codes(result), left(result)) == ([], [])
    assert result.users[0].phys == (BAR, BAR + 0x10000)


def test_untouched_vfio_did_not_lose_anything(tmp_path: Path) -> None:
    """6.1 marks a VFIO mapping at its first fault; before that its flag is absent."""
    proc = Proc(90, "vm", (Vma(AT, 0, 16, UNTRACKED, VFIO),))
    area = (BAR, BAR + 0x400000, "vfio_pci_core_mmap")
    rows = [(area[0], area[1], UC)]
    assert codes(made(tmp_path / "s", rows, [proc], areas=[area], devices=VFIO_BAR)) == []


def test_passing_reservations_are_no_finding(tmp_path: Path) -> None:
    """What is missing in one reading is unstable, also if a log line overlaps."""
    log = ["x:1 freeing invalid memtype [mem 0xfe000000-0xfe003fff]"]
    samples = [[pages(0, 4)], [], [pages(0, 4), pages(0, 4)]]
    samples = [s if s else [pages(9, 10)] for s in samples]
    result = made(tmp_path / "s", [pages(0, 4)], samples=samples, log=log)
    assert [h.standing for h in result.owners.holdings] == [Standing.UNSTABLE]
    assert (codes(result), left(result), result.code) == ([], [], 0)


def test_passing_processes_are_not_foretold(tmp_path: Path) -> None:
    """A mapping in no reading, where entries come and go, yields neither lines nor findings."""
    proc = Proc(90, "short", (Vma(AT, 20, 24),))
    samples = [[pages(0, 4)], [pages(0, 4), pages(8, 12)]]
    result = made(tmp_path / "s", [pages(0, 4)], [proc], samples=samples)
    assert (codes(result), result.forecast.log) == ([], ())


def test_a_device_in_use_is_not_suspected(tmp_path: Path) -> None:
    """An entry in all readings, in a BAR where others come and go, proves nothing."""
    samples = [[pages(0, 4)], [pages(0, 4), pages(8, 12)]]
    result = made(tmp_path / "s", [pages(0, 4)], samples=samples)
    assert (codes(result), left(result)) == ([], [])


def test_stale_needs_readings_and_a_line(tmp_path: Path) -> None:
    """The same entry is suspected without the line and proved with it."""
    log = ["x:1 freeing invalid memtype [mem 0xfe000000-0xfe001fff]"]
    assert codes(made(tmp_path / "a", [pages(0, 4)])) == ["suspected-stale-reservation"]
    proved = made(tmp_path / "b", [pages(0, 4)], log=log)
    assert codes(proved) == ["stale-reservation"]
    assert left(proved) == [pages(0, 4)]
    # A neighbour that only touches the range is no evidence.
    log = ["x:1 freeing invalid memtype [mem 0xfe004000-0xfe005fff]"]
    assert codes(made(tmp_path / "c", [pages(0, 4)], log=log)) == ["suspected-stale-reservation"]


def test_a_graphics_driver_may_reserve_without_mapping(tmp_path: Path) -> None:
    """Its BAR's entry is the driver's, whatever the log says."""
    devices = {"0000:00:06.0": ("amdgpu", [(2, 0xFE000000, 0xFE3FFFFF, 0x14220C)])}
    log = ["x:1 freeing invalid memtype [mem 0xfe000000-0xfe001fff]"]
    result = made(tmp_path / "s", [pages(0, 1024, WC)], devices=devices, log=log)
    assert codes(result) == []
    assert "amdgpu" in result.owners.holdings[0].note


def test_a_hidden_mapping_may_be_the_owner(tmp_path: Path) -> None:
    """A tracked file whose address is not visible forbids to call its size stale."""
    proc = Proc(90, "gpu", (Vma(AT, 0, 4, TRACKED, "/dev/dri/card0", offset=0x100000000),))
    log = ["x:1 freeing invalid memtype [mem 0xfe000000-0xfe001fff]"]
    result = made(tmp_path / "s", [pages(0, 4)], [proc], log=log)
    assert result.owners.holdings[0].standing is Standing.POSSIBLE
    assert codes(result) == []


def test_one_fork_exits_and_the_other_keeps_its_entry(tmp_path: Path) -> None:
    """6.x: parent and child hold one entry each; either exit takes exactly one."""
    procs = [Proc(pid, "p", (Vma(AT, 0, 4),)) for pid in (90, 91)]
    result = made(tmp_path / "s", [pages(0, 4)] * 2, procs)
    assert codes(result) == []
    assert [(one.frees, one.ranges) for one in result.forecast.processes] == [(1, ()), (1, ())]


def test_identical_unowned_entries_are_all_reported(tmp_path: Path) -> None:
    """Duplicates are kept: three entries and one holder leave two."""
    result = made(tmp_path / "s", [pages(0, 4)] * 3, [Proc(90, "p", (Vma(AT, 0, 4),))])
    assert codes(result) == ["suspected-stale-reservation"] * 2


def test_aliases_count_only_after_the_mtrrs(tmp_path: Path) -> None:
    """UC- and write-back are one under an uncachable MTRR; write-combining is not."""
    low = [pages(0, 4), pages(2, 6, "write-back")]
    bad = [pages(0, 4), pages(2, 6, WC)]
    procs = [Proc(90, "p", (Vma(AT, 0, 4), Vma(AT + 9, 2, 6)))]
    assert "alias-mismatch" not in codes(made(tmp_path / "a", low, procs))
    assert only(made(tmp_path / "b", bad, procs), "alias-mismatch").where == pages(2, 4)[:2]


def test_mapping_that_nothing_covers(tmp_path: Path) -> None:
    """A mapping outside any reservation, unless it lies where none is ever made."""
    isa = Vma(AT + 64, 0, 4, UNTRACKED, base=0xA0000)
    proc = Proc(90, "p", (Vma(AT, 0, 4, UNTRACKED), isa))
    result = made(tmp_path / "s", [pages(100, 101)], [proc], release="7.3")
    assert only(result, "uncovered-mapping").where == pages(0, 4)[:2]


def test_old_list_format(tmp_path: Path) -> None:
    """The format before 5.6 gives the same rows."""
    folder = tmp_path / "s"
    made(folder, [pages(0, 4)])
    old = "PAT memtype list:\nuncached-minus @ 0xfe000000-0xfe004000\n"
    for name in ("pat_memtype_list", "pat_memtype_list.before"):
        (folder / name).write_text(old)
    (row,) = judge(folder).evidence.state.reservations
    assert (row.start, row.end, row.type.cattr) == pages(0, 4)
