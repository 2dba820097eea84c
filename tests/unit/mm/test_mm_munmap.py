"""mmap, munmap, splits and exit: VMAs, entries and reservations piece by piece."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest

from pfntrack.mm import ops
from support import ALL, NOSYNC, RES, RES_WC, VM_PAT_RELEASES, Lab, W, driver

KEEPS = "7.3"


@pytest.mark.parametrize("release", ALL)
def test_s1_map_and_unmap(release: str) -> None:
    """One mapping makes one reservation, one tracked VMA and one run of entries."""
    lab = Lab(release)
    assert "ok" == lab.map()
    assert ("[0,4)U", "[0,4)*", "[0,4)W+0Uw") == (lab.reserved(), lab.vmas(), lab.ptes())
    assert {"pf", "io", "de", "dd", "sh", "ms", "mw", "rd", "wr"} <= lab.flags(0)
    assert "ok" == lab.munmap(0, 4)
    assert ("-", "-", "-", []) == (lab.reserved(), lab.vmas(), lab.ptes(), lab.log())


@pytest.mark.parametrize("release", ALL)
def test_offset_is_the_pfn(release: str) -> None:
    """/dev/mem and PCI sysfs keep the pfn in vm_pgoff."""
    lab = Lab(release)
    lab.map(off=3)
    lab.map(RES, at=8, off=5)
    assert (W.pfn + 3, W.pfn + 5) == (lab.vma(0).pgoff, lab.vma(8).pgoff)


@pytest.mark.parametrize("release", ALL)
def test_private_mapping_takes_the_pfn_as_its_offset(release: str) -> None:
    """remap_pfn_range() overwrites vm_pgoff of a CoW mapping, and splits keep it linear."""
    lab = Lab(release)
    lab.map(driver(), off=3, private=True)
    assert W.pfn + 3 == lab.vma(0).pgoff
    lab.mprotect(2, 1)
    assert [W.pfn + 3, W.pfn + 5, W.pfn + 6] == [lab.vma(page).pgoff for page in (0, 2, 3)]


@pytest.mark.parametrize("release", ALL)
def test_shared_driver_mapping_keeps_its_file_offset(release: str) -> None:
    """Without CoW vm_pgoff stays what mmap() said."""
    lab = Lab(release)
    lab.map(driver(), off=3)
    assert 3 == lab.vma(0).pgoff


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(
    ("at", "pages", "left"),
    [(0, 1, "[1,4)*"), (3, 1, "[0,3)*"), (1, 2, "[0,1)* [3,4)*"), (0, 4, "-"), (2, 8, "[0,2)*")],
)
def test_which_pieces_are_left(release: str, at: int, pages: int, left: str) -> None:
    """Every piece inherits the tracking of the whole."""
    lab = Lab(release)
    lab.map()
    assert "ok" == lab.munmap(at, pages)
    assert left == lab.vmas()


@pytest.mark.parametrize("release", VM_PAT_RELEASES)
@pytest.mark.parametrize(
    ("at", "pages", "reserved", "invalid"),
    [
        (0, 4, "-", ""),
        (3, 1, "[0,3)U", ""),
        (1, 3, "[0,1)U", ""),
        (0, 1, "[0,4)U", "inv(0,1)"),
        (0, 3, "[0,4)U", "inv(0,3)"),
        (1, 2, "[0,4)U", "inv(1,3)"),
    ],
)
def test_reservation_after_one_piece_went(
    release: str, at: int, pages: int, reserved: str, invalid: str
) -> None:
    """Only the whole and tails are found in the tree (8.5)."""
    lab = Lab(release)
    lab.map()
    lab.munmap(at, pages)
    assert (reserved, invalid) == (lab.reserved(), lab.invalid())


@pytest.mark.parametrize(("at", "pages"), [(0, 1), (3, 1), (1, 2), (0, 3)])
def test_context_holds_the_whole_range(at: int, pages: int) -> None:
    """In 7.3 a piece takes one reference with it, and nothing else."""
    lab = Lab("7.3")
    lab.map()
    lab.munmap(at, pages)
    assert ("[0,4)U", []) == (lab.reserved(), lab.log())
    assert [len(lab.vmas().split())] == [each.refs for each in lab.contexts()]


@pytest.mark.parametrize(
    ("release", "reserved", "invalid"),
    [
        ("5.10", "[0,2)U", "inv(0,1) inv(1,2)"),
        ("6.1", "[0,2)U", "inv(0,1) inv(1,2)"),
        ("6.12", "[0,2)U", "inv(0,1) inv(1,2)"),
        ("7.3", "-", ""),
    ],
)
@pytest.mark.parametrize("how", ["munmap", "exit", "kill"])
def test_s6_three_pieces_go_bottom_up(release: str, reserved: str, invalid: str, how: str) -> None:
    """munmap of all, exit and kill alike leak what lies below the topmost piece (S6, H4)."""
    lab = Lab(release)
    lab.map()
    lab.mprotect(1, 1)
    lab.mprotect(1, 1, "rw")
    assert "[0,1)* [1,2)* [2,4)*" == lab.vmas()
    if how == "munmap":
        lab.munmap(0, 4)
    else:
        lab.do(ops.Exit("A", killed=how == "kill"))
    assert (reserved, invalid) == (lab.reserved(), lab.invalid())


@pytest.mark.parametrize("release", VM_PAT_RELEASES)
def test_s5_middle_piece_then_exit(release: str) -> None:
    """The line of the exit names the dying task."""
    lab = Lab(release)
    lab.map()
    lab.munmap(1, 1)
    assert ("[0,4)U", "inv(1,2)") == (lab.reserved(), lab.invalid())
    lab.exit()
    assert ("[0,2)U", "inv(0,1)") == (lab.reserved(), lab.invalid())
    assert ["x86/PAT: A:100 freeing invalid memtype [mem 0xfe000000-0xfe000fff]"] == lab.log()


@pytest.mark.parametrize(
    ("release", "mapped", "left"),
    [
        ("5.10", "[0,4)U [9,10)U", "[0,2)U"),
        ("6.1", "[0,4)U [9,10)U", "[0,2)U"),
        ("6.12", "[0,4)U [9,10)U", "[0,2)U"),
        ("7.3", "[0,4)U [9,10)U", "-"),
    ],
)
def test_s34c_map_fixed_over_one_page(release: str, mapped: str, left: str) -> None:
    """Replacing a middle page is a munmap of it."""
    lab = Lab(release)
    lab.map()
    lab.map(pages=1, at=1, off=9)
    assert (mapped, "[0,1)* [1,2)* [2,4)*") == (lab.reserved(), lab.vmas())
    assert ("inv(1,2)" if release != "7.3" else "") == lab.invalid()
    lab.exit()
    assert left == lab.reserved()


@pytest.mark.parametrize(
    ("release", "stolen", "unsplit", "left"),
    [
        ("5.10", "[0,2)U [1,4)U", "inv(0,4)", "[0,1)U [1,4)U"),
        ("6.1", "[0,2)U [1,4)U", "inv(0,4)", "[0,1)U [1,4)U"),
        ("6.12", "[0,2)U [1,4)U", "inv(0,4)", "[0,1)U [1,4)U"),
        ("7.3", "[0,4)U [1,4)U", "", "-"),
    ],
)
def test_h6_end_match_takes_somebody_elses_entry(
    release: str, stolen: str, unsplit: str, left: str
) -> None:
    """The entry with the lowest start is cut, and its owner cannot release it any more."""
    lab = Lab(release)
    lab.map()
    lab.map(pages=3, at=8, off=1)
    lab.munmap(9, 2)
    assert stolen == lab.reserved()
    lab.munmap(0, 4)
    assert unsplit == lab.invalid()
    lab.munmap(8, 1)
    assert left == lab.reserved()


@pytest.mark.parametrize(
    ("release", "after_first", "after_second", "left"),
    [
        ("5.10", "[0,2)U", "[0,1)U", "-"),
        ("6.1", "[0,2)U", "[0,1)U", "-"),
        ("6.12", "[0,2)U", "[0,1)U", "-"),
        ("7.3", "[0,2)U [0,1)U", "[0,1)U", "-"),
    ],
)
def test_s35_exact_match_takes_somebody_elses_entry(
    release: str, after_first: str, after_second: str, left: str
) -> None:
    """A head that equals another process's mapping takes that one's entry, silently."""
    lab = Lab(release)
    lab.fork()
    lab.map(pages=2)
    lab.map(pages=1, p="B")
    lab.munmap(0, 1)
    assert (after_first, "") == (lab.reserved(), lab.invalid())
    lab.munmap(1, 1)
    assert after_second == lab.reserved()
    lab.munmap(0, 1, p="B")
    assert (left, "") == (lab.reserved(), lab.invalid())


@pytest.mark.parametrize(
    ("release", "low_is_new"), [("5.10", False), ("6.1", False), ("6.12", True), ("7.3", True)]
)
def test_direction_of_the_cut_at_the_start(release: str, low_is_new: bool) -> None:
    """vm_ops->open sees the new object: the driver's zap shows which part that is."""
    lab = Lab(release)
    lab.map(driver("open_zaps"))
    lab.munmap(3, 1)
    assert ("-" if low_is_new else "[0,3)W+0Uw") == lab.ptes()


@pytest.mark.parametrize(
    ("release", "low_is_new"), [("5.10", True), ("6.1", True), ("6.12", False), ("7.3", False)]
)
def test_direction_of_the_cut_at_the_end(release: str, low_is_new: bool) -> None:
    """Cutting a head off, the kept upper part is the new object from 6.12 on."""
    lab = Lab(release)
    lab.map(driver("open_zaps"))
    lab.munmap(0, 1)
    assert ("[1,4)W+1Uw" if low_is_new else "-") == lab.ptes()


@pytest.mark.parametrize("release", ALL)
def test_pieces_never_merge_again(release: str) -> None:
    """Special VMAs stay split even if they become equal."""
    lab = Lab(release)
    lab.map()
    lab.mprotect(1, 1)
    lab.mprotect(1, 1, "rw")
    assert "[0,1)* [1,2)* [2,4)*" == lab.vmas()
    assert {frozenset(lab.flags(0))} == {frozenset(lab.flags(page)) for page in range(4)}


@pytest.mark.parametrize("release", ALL)
def test_anonymous_neighbours_merge(release: str) -> None:
    """Ordinary memory side by side is one VMA."""
    lab = Lab(release)
    lab.do(ops.AnonOver("A", 0, 2))
    lab.do(ops.AnonOver("A", 2, 2))
    assert "[0,4)" == lab.vmas()
    lab.do(ops.AnonOver("A", 4, 2, "r"))
    assert "[0,4) [4,6)" == lab.vmas()


@pytest.mark.parametrize("release", ALL)
def test_neighbouring_maps_stay_apart(release: str) -> None:
    """Two mappings side by side are two VMAs with a reservation each."""
    lab = Lab(release)
    lab.map(pages=2)
    lab.map(pages=2, at=2, off=2)
    assert ("[0,2)* [2,4)*", "[0,2)U [2,4)U") == (lab.vmas(), lab.reserved())
    # The entries look like one run.
    assert "[0,4)W+0Uw" == lab.ptes()
    lab.munmap(0, 4)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("pages", [0, -1])
def test_empty_ranges_are_refused(release: str, pages: int) -> None:
    """Neither munmap() nor mmap() takes nothing."""
    lab = Lab(release)
    lab.open(NOSYNC)
    assert "EINVAL" == lab.munmap(0, pages)
    assert "EINVAL" == lab.mmap(lab.fd, pages)


@pytest.mark.parametrize("release", ALL)
def test_unmapping_nothing_is_fine(release: str) -> None:
    """munmap() of a hole succeeds."""
    assert "ok" == Lab(release).munmap(100, 5)


@pytest.mark.parametrize("release", ALL)
def test_failed_mmap_has_unmapped_its_target(release: str) -> None:
    """A MAP_FIXED target is gone when the driver refuses (M4)."""
    lab = Lab(release)
    lab.map()
    assert "EINVAL" == lab.map(RES, 2, at=1, off=63)
    assert "[0,1)* [3,4)*" == lab.vmas()


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(
    ("how", "window", "off", "result"),
    [
        (RES, "W", 61, "EINVAL"),
        (NOSYNC, "EDGE", -4, "EPERM"),
        (NOSYNC, "W", (1 << 40) - 0xFE002, "EINVAL"),
        (NOSYNC, "ISA", 0, "ok"),
        (NOSYNC, "LOW", 0, "ok"),
        (RES, "W", 60, "ok"),
    ],
)
def test_what_drivers_accept(
    release: str, how: dict[str, object], window: str, off: int, result: str
) -> None:
    """Outside the BAR, above the physical space, and RAM above 1 MiB are refused (S22d)."""
    assert result == Lab(release).map(how, window=window, off=off)


@pytest.mark.parametrize("release", ALL)
def test_s22_isa_range_is_mapped_untracked(release: str) -> None:
    """O_SYNC or not, 640 KiB to 1 MiB becomes write-back without an entry."""
    lab = Lab(release)
    lab.map(window="ISA")
    lab.map(NOSYNC, at=8, window="ISA")
    assert ("-", "[0,4)* [8,12)*") == (lab.reserved("ISA"), lab.vmas())
    assert "[0,4)ISA+0Bw [8,12)ISA+0Bw" == lab.ptes()
    assert [] == lab.log()


@pytest.mark.parametrize("release", ALL)
def test_s22c_low_ram_is_tracked(release: str) -> None:
    """RAM below 1 MiB is reserved like I/O memory; write-back gives way to O_SYNC."""
    lab = Lab(release)
    lab.map(window="LOW")
    lab.map(NOSYNC, at=8, window="LOW")
    assert "[0,4)U [0,4)U" == lab.reserved("LOW")


@pytest.mark.parametrize("release", ALL)
def test_s18_sysfs_files_share_the_first_type(release: str) -> None:
    """Two files with two types of the same pages: the first one wins, silently."""
    lab = Lab(release)
    lab.map(RES)
    lab.map(RES_WC, at=8)
    assert ("[0,4)U [0,4)U", []) == (lab.reserved(), lab.log())
    lab = Lab(release)
    lab.map(RES_WC)
    lab.map(RES, at=8)
    assert ("[0,4)C [0,4)C", []) == (lab.reserved(), lab.log())
    # Asked for and granted differ: vm_page_prot keeps what was asked for.
    assert ("UC-", "[0,4)W+0Cw [8,12)W+0Cw") == (str(lab.vma(8).prot), lab.ptes())


@pytest.mark.parametrize("release", ALL)
def test_h1_write_back_first(release: str) -> None:
    """Over a write-back entry every other mapping is refused with a line."""
    lab = Lab(release)
    lab.map(NOSYNC, window="H")
    for how, result in ((None, "EAGAIN"), (RES, "EINVAL"), (RES_WC, "EINVAL")):
        assert result == lab.map(how, at=8, window="H")
        assert 1 == len(lab.log())
    assert ("[0,4)B", "[0,4)*") == (lab.reserved("H"), lab.vmas())


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(
    ("readonly", "shared", "prot", "result", "flags"),
    [
        (False, True, "rw", "ok", {"rd", "wr", "sh", "mr", "mw", "ms"}),
        (True, True, "r", "ok", {"rd", "mr", "ms"}),
        (True, True, "rw", "EACCES", set()),
        (True, False, "rw", "ok", {"rd", "wr", "mr", "mw", "ac"}),
        (False, False, "r", "ok", {"rd", "mr", "mw"}),
        (False, False, "-", "ok", {"mr", "mw"}),
    ],
)
def test_flags_of_new_mappings(
    release: str, readonly: bool, shared: bool, prot: str, result: str, flags: set[str]
) -> None:
    """Open mode and sharing decide what may be written, and what is accounted (7.1)."""
    lab = Lab(release)
    assert result == lab.map(RES | {"readonly": readonly}, private=not shared, prot=prot)
    if result == "ok":
        special = {"pf", "io", "de", "dd", "ar", "me", "sd"}
        assert flags == lab.flags(0) - special


@pytest.mark.parametrize("release", ALL)
def test_sysfs_is_not_for_execution(release: str) -> None:
    """sysfs is mounted noexec."""
    lab = Lab(release)
    assert "EPERM" == lab.map(RES, prot="rx")
    assert "ok" == lab.map(RES, prot="r")
    assert "EACCES" == lab.mprotect(0, 4, "rx")
    assert "ok" == lab.map(prot="rwx", at=8)


@pytest.mark.parametrize("release", ALL)
def test_exit_takes_everything(release: str) -> None:
    """VMAs, entries and page tables of a process end with it."""
    lab = Lab(release)
    lab.map()
    lab.map(driver(), at=600, off=8)
    lab.exit()
    assert () == lab.world.processes
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ALL)
def test_h6_of_one_process_leaves_the_other_alone(release: str) -> None:
    """Unmapping in one process does not change the other's VMAs or entries."""
    lab = Lab(release)
    lab.map()
    lab.fork()
    lab.munmap(1, 2)
    assert ("[0,4)*", "[0,4)W+0Uw") == (lab.vmas("B"), lab.ptes("B"))
    assert "[0,1)W+0Uw [3,4)W+3Uw" == lab.ptes()


@pytest.mark.parametrize("release", ALL)
def test_page_tables_are_freed_with_their_last_mapping(release: str) -> None:
    """A table of 512 pages lives as long as a VMA touches it."""
    lab = Lab(release)
    lab.map(pages=8, at=508)
    tables = lab.world.process("A").space.tables
    assert {0, 1} == tables
    lab.munmap(508, 4)
    assert {1} == lab.world.process("A").space.tables
    lab.munmap(512, 4)
    assert frozenset() == lab.world.process("A").space.tables
