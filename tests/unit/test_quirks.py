"""The differences between releases, D1 to D25, each seen from outside where it can be.

`6.x` means 6.1 and 6.12 alike; 5.10 is added where its behaviour is known.
"""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import errno

import attrs
import pytest

from pfntrack.mm import ops
from pfntrack.mm.vma import VM_PAT, VM_PFNMAP
from pfntrack.pat import CacheMode, Memtype
from pfntrack.pat.context import RamFlags
from pfntrack.pat.events import Freed
from pfntrack.pat.layout import FULL, LEGACY, from_msr, pgprot_noncached, pgprot_writecombine
from pfntrack.pat.memtype import memtype_free, memtype_reserve
from pfntrack.pat.mtrr import Mtrr, MtrrLookup
from pfntrack.releases.release import RELEASES
from support import (
    ALL,
    NO_PAT,
    NOSYNC,
    RES,
    RES_WC,
    VM_PAT_RELEASES,
    Lab,
    W,
    context,
    driver,
)

WB, WC, UCM, UC, WT, WP = CacheMode
PAGE = 4096


@pytest.mark.parametrize("release", VM_PAT_RELEASES)
def test_d01_a_flag_marks_a_tracked_vma(release: str) -> None:
    """Up to 6.12 it is the flag VM_PAT, which smaps shows as `ar`."""
    lab = Lab(release)
    lab.map()
    assert VM_PAT == 0x01000000 == lab.vma(0).flags & VM_PAT
    assert "ar" in lab.flags(0)
    assert None is lab.vma(0).track
    assert [] == lab.contexts()


def test_d01_a_context_marks_a_tracked_vma() -> None:
    """In 7.3 it is a counted pfn and size, which no flag shows."""
    lab = Lab("7.3")
    lab.map(off=2)
    assert "ar" not in lab.flags(0)
    assert [(W.pfn + 2, 4, 1)] == [(each.pfn, each.pages, each.refs) for each in lab.contexts()]


@pytest.mark.parametrize("release", VM_PAT_RELEASES)
def test_d02_pfn_is_read_back_from_the_first_entry(release: str) -> None:
    """Without that entry a shared mapping only warns, and stays marked."""
    lab = Lab(release)
    lab.map(driver("open_zaps"))
    assert "ok" == lab.mremap(0, 4, 4, to=16)
    assert ["get_pat_info"] == [chain[0] for chain in lab.warns()]
    assert ("[0,4)U", "[16,20)*") == (lab.reserved(), lab.vmas())


@pytest.mark.parametrize("release", VM_PAT_RELEASES)
def test_d02_pfn_of_a_private_mapping_is_its_offset(release: str) -> None:
    """A CoWed first page leaves vm_pgoff as the only record of the pfn."""
    lab = Lab(release)
    lab.map(private=True)
    lab.write(0)
    lab.munmap(0, 4)
    assert "get_pat_info" in lab.notes()
    assert ("-", []) == (lab.reserved(), lab.log())


def test_d02_pfn_is_stored_in_the_context() -> None:
    """7.3 needs no page table to know what to release."""
    lab = Lab("7.3")
    lab.map(driver("open_zaps"))
    lab.mremap(0, 4, 4, to=16)
    assert [] == lab.warns()
    lab.munmap(16, 4)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize(
    ("release", "sizes"), [("5.10", [2, 2]), ("6.1", [2, 2]), ("6.12", [2, 2]), ("7.3", [4])]
)
def test_d03_size_to_release(release: str, sizes: list[int]) -> None:
    """The VMA's present size counts up to 6.12, the original one in 7.3."""
    lab = Lab(release)
    lab.map()
    freed = []
    for op in (ops.Mremap("A", 0, 4, 2), ops.Munmap("A", 0, 2)):
        assert "ok" == lab.do(op)
        freed += [event for event in lab.events if isinstance(event, Freed)]
    assert "-" == lab.reserved()
    assert sizes == [(event.end - event.start) // PAGE for event in freed]


@pytest.mark.parametrize(
    ("release", "reserved", "vmas"),
    [
        ("5.10", "-", "[0,4)"),
        ("6.1", "-", "[0,4)"),
        ("6.12", "-", "[0,4)"),
        ("7.3", "[0,4)U", "[0,4)*"),
    ],
)
def test_d04_when_a_mapping_is_untracked(release: str, reserved: str, vmas: str) -> None:
    """Any zap of any part does it up to 6.12; in 7.3 only the end of the last VMA."""
    lab = Lab(release)
    lab.map(driver())
    lab.zap(3, 1)
    assert (reserved, vmas, "[0,3)W+0Uw") == (lab.reserved(), lab.vmas(), lab.ptes())
    lab.munmap(0, 4)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize("release", VM_PAT_RELEASES)
def test_d04_release_comes_before_the_entries_are_cleared(release: str) -> None:
    """While a range is released its pages are still mapped: the pfn comes from them."""
    lab = Lab(release)
    lab.map()
    lab.munmap(0, 4)
    assert ["untrack_pfn", "memtype_free"] == lab.calls()
    assert [] == lab.warns()


@pytest.mark.parametrize(
    ("release", "tail", "left"),
    [
        ("5.10", 0, "[0,3)U"),
        ("6.1", 0, "[0,3)U"),
        ("6.12", 0, "[0,3)U"),
        ("7.3", -errno.EINVAL, "[0,4)U"),
    ],
)
def test_d05_erase(release: str, tail: int, left: str) -> None:
    """Up to 6.12 an entry that ends alike is shrunk; 7.3 wants the exact range."""
    ctx = context(release, tree=(Memtype(W.start, W.start + 4 * PAGE, UCM),))
    assert tail == memtype_free(ctx, W.start + 3 * PAGE, W.start + 4 * PAGE)
    lab = Lab(release)
    lab.world = attrs.evolve(lab.world, phys=ctx.phys)
    assert left == lab.reserved()


@pytest.mark.parametrize(
    ("release", "reserved"),
    [
        ("5.10", "[0,4)U [0,4)U"),
        ("6.1", "[0,4)U [0,4)U"),
        ("6.12", "[0,4)U [0,4)U"),
        ("7.3", "[0,4)U"),
    ],
)
def test_d06_fork(release: str, reserved: str) -> None:
    """The child gets a reservation of its own, or shares its parent's."""
    lab = Lab(release)
    lab.map()
    assert "ok" == lab.fork()
    assert (reserved, "[0,4)*", "[0,4)*") == (lab.reserved(), lab.vmas("A"), lab.vmas("B"))
    lab.exit("B")
    assert "[0,4)U" == lab.reserved()


@pytest.mark.parametrize(
    ("release", "result", "struck"),
    [("6.1", "ENOMEM", 1), ("6.12", "ENOMEM", 1), ("7.3", "ok", 0)],
)
def test_d06_fork_can_fail_for_a_reservation(release: str, result: str, struck: int) -> None:
    """In 7.3 fork reserves nothing, so nothing can go wrong there."""
    lab = Lab(release)
    lab.map()
    lab.fail("memtype_reserve")
    assert result == lab.fork()
    assert ("[0,4)U", "[0,4)*") == (lab.reserved(), lab.vmas())
    lab.do(ops.Unfail("A"))
    assert struck == lab.result.fired


@pytest.mark.parametrize(
    ("release", "result", "reserved"),
    [
        ("5.10", "ENOMEM", "-"),
        ("6.1", "ENOMEM", "[0,4)U"),
        ("6.12", "ENOMEM", "[0,4)U"),
        ("7.3", "ok", "[0,4)U"),
    ],
)
def test_d07_fork_after_the_first_private_page_was_written(
    release: str, result: str, reserved: str
) -> None:
    """The type cannot be read back from a copy, so fork fails without a line.

    In 5.10 the half-made child still carries the flag, and its teardown takes
    the parent's reservation away.
    """
    lab = Lab(release)
    lab.map(private=True)
    lab.write(0)
    assert result == lab.fork()
    assert ([], reserved, "[0,4)*") == (lab.log(), lab.reserved(), lab.vmas())


@pytest.mark.parametrize("release", ALL)
def test_d07_fork_after_another_private_page_was_written(release: str) -> None:
    """Only the first page matters."""
    lab = Lab(release)
    lab.map(private=True)
    lab.write(1)
    assert "ok" == lab.fork()


@pytest.mark.parametrize("release", VM_PAT_RELEASES)
def test_d08_partial_munmap_breaks_the_bookkeeping(release: str) -> None:
    """Releasing a head matches nothing: a line, and a leak at the end (S4)."""
    lab = Lab(release)
    lab.map()
    lab.munmap(0, 1)
    assert ("[0,4)U", "inv(0,1)") == (lab.reserved(), lab.invalid())
    lab.munmap(1, 3)
    assert ("[0,1)U", "", "-") == (lab.reserved(), lab.invalid(), lab.vmas())


@pytest.mark.parametrize("release", VM_PAT_RELEASES)
def test_d08_pieces_from_the_top_down_are_clean(release: str) -> None:
    """Tails match the end of the entry, one after the other (S7)."""
    lab = Lab(release)
    lab.map()
    seen = []
    for page in (3, 2, 1, 0):
        lab.munmap(page, 1)
        seen.append((lab.reserved(), lab.invalid()))
    assert [("[0,3)U", ""), ("[0,2)U", ""), ("[0,1)U", ""), ("-", "")] == seen


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2), (2, 3, 0, 1)])
def test_d08_whole_range_stays_until_the_last_piece(order: tuple[int, ...]) -> None:
    """In 7.3 the order of pieces is irrelevant and nothing leaks."""
    lab = Lab("7.3")
    lab.map()
    for page in order[:-1]:
        lab.munmap(page, 1)
        assert ("[0,4)U", "") == (lab.reserved(), lab.invalid())
    lab.munmap(order[-1], 1)
    assert ("-", "") == (lab.reserved(), lab.invalid())


@pytest.mark.parametrize(
    ("release", "reserved"), [("5.10", "-"), ("6.1", "-"), ("6.12", "-"), ("7.3", "[0,4)U")]
)
@pytest.mark.parametrize(("page", "touched"), [(0, "Brrr"), (1, "rBrr"), (3, "rrrB")])
def test_d09_truncating_one_page(release: str, reserved: str, page: int, touched: str) -> None:
    """The rest stays mapped: without a reservation up to 6.12, with it in 7.3 (T2, T3)."""
    lab = Lab(release)
    lab.map(driver())
    lab.zap(page, 1)
    assert (reserved, []) == (lab.reserved(), lab.log())
    assert touched == lab.touch(0, 4)


@pytest.mark.parametrize(
    ("release", "result", "reserved"),
    [
        ("5.10", "ok", "[0,4)U"),
        ("6.1", "ok", "[0,4)U"),
        ("6.12", "ok", "[0,4)U"),
        ("7.3", "EINVAL", "[0,4)U"),
    ],
)
def test_d10_second_full_remap_after_a_zap(release: str, result: str, reserved: str) -> None:
    """7.3 refuses it while the VMA has a context (T19)."""
    lab = Lab(release)
    lab.map(driver())
    lab.do(ops.ZapVma("A", 0, 4))
    assert ("-" if result == "ok" else "[0,4)U") == lab.reserved()
    assert result == lab.do(ops.Remap("A", 0, 4, "W"))
    assert reserved == lab.reserved()
    assert ("[0,4)W+0Uw" if result == "ok" else "-") == lab.ptes()
    lab.exit()
    assert "-" == lab.reserved()


@pytest.mark.parametrize(
    ("release", "wc_over_uc", "uc_over_wc"),
    [
        ("5.10", "[0,4)C", "[0,4)U"),
        ("6.1", "[0,4)C", "[0,4)U"),
        ("6.12", "[0,4)C", "[0,4)U"),
        ("7.3", "[0,4)U", "[0,4)C"),
    ],
)
def test_d11_map_fixed_over_an_old_mapping(release: str, wc_over_uc: str, uc_over_wc: str) -> None:
    """7.3 frees the old reservation last, so the new mapping inherits its type (S34)."""
    lab = Lab(release)
    lab.map(RES)
    assert "ok" == lab.map(RES_WC)
    assert wc_over_uc == lab.reserved()
    lab = Lab(release)
    lab.map(RES_WC)
    assert "ok" == lab.map(RES)
    assert uc_over_wc == lab.reserved()


@pytest.mark.parametrize("release", ALL)
def test_d12_devmem_over_an_old_mapping_gets_its_own_type(release: str) -> None:
    """/dev/mem maps after the old VMA is gone, in 7.3 thanks to mmap_prepare (S34d)."""
    lab = Lab(release)
    lab.map(RES_WC)
    assert "ok" == lab.map()
    assert ("[0,4)U", "[0,4)W+0Uw") == (lab.reserved(), lab.ptes())


def test_d12_only_the_newest_prepares() -> None:
    """Without that way of mapping, 7.3 would inherit the old type here too."""
    assert [False, False, False, True] == [RELEASES[name].mm.devmem_prepares for name in ALL]
    release = RELEASES["7.3"]
    lab = Lab(attrs.evolve(release, mm=attrs.evolve(release.mm, devmem_prepares=False)))
    lab.map(RES_WC)
    lab.map()
    assert "[0,4)C" == lab.reserved()


@pytest.mark.parametrize(
    ("release", "target"), [("5.10", "S"), ("6.1", "S"), ("6.12", "S"), ("7.3", "r")]
)
def test_d13_mremap_that_fails_after_its_target_is_gone(release: str, target: str) -> None:
    """DONTUNMAP with FIXED is refused, up to 6.12 after the target was unmapped (S12)."""
    lab = Lab(release)
    lab.map()
    lab.do(ops.AnonOver("A", 16, 8))
    assert "EINVAL" == lab.mremap(0, 4, 4, to=16, dontunmap=True)
    assert target * 4 + "rrrr" == lab.touch(16, 24)
    assert "[0,4)U" == lab.reserved()


@pytest.mark.parametrize(
    ("release", "opened", "mapped", "touched", "tracked"),
    [
        ("5.10", "-", "[0,64)U", "[0,64)U [0,4)U", "[0,4)*"),
        ("6.1", "-", "[0,64)U", "[0,64)U [0,4)U", "[0,4)*"),
        ("6.12", "-", "[0,64)U", "[0,64)U", "[0,4)"),
        ("7.3", "[0,64)U", "[0,64)U", "[0,64)U", "[0,4)"),
    ],
)
def test_d14_vfio(release: str, opened: str, mapped: str, touched: str, tracked: str) -> None:
    """When BARs are reserved by the driver, and whether a fault reserves."""
    lab = Lab(release)
    lab.vfio()
    assert opened == lab.reserved()
    lab.mmap(lab.fd)
    assert (mapped, "-") == (lab.reserved(), lab.ptes())
    assert "ok" == lab.read(1)
    assert (touched, tracked) == (lab.reserved(), lab.vmas())
    whole = release in ("5.10", "6.1")
    assert ("[0,4)W+0Uw" if whole else "[1,2)W+1Uw") == lab.ptes()


@pytest.mark.parametrize(
    ("release", "flags"),
    [
        ("5.10", RamFlags.UNCACHED_ARCH_1),
        ("6.1", RamFlags.UNCACHED_ARCH_1),
        ("6.12", RamFlags.ARCH_2_ARCH_1),
        ("7.3", RamFlags.ARCH_2_ARCH_1),
    ],
)
def test_d15_page_flags_of_ram_types(release: str, flags: RamFlags) -> None:
    """The release knows its two flags; the types that they hold are the same."""
    assert flags is RELEASES[release].pat.ram_flags
    ctx = context(release)
    assert (0, WT) == memtype_reserve(ctx, 0x200000, 0x201000, WT)
    assert ((0x200, 0x201, WT),) == ctx.phys.ram_types


@pytest.mark.parametrize(
    ("release", "lookup", "reserved"),
    [
        ("5.10", MtrrLookup.FIXED_AT_START, "[0,4)B"),
        ("6.1", MtrrLookup.FIXED_AT_START, "[0,4)B"),
        ("6.12", MtrrLookup.MERGED_MAP, "[0,4)U"),
        ("7.3", MtrrLookup.MERGED_MAP, "[0,4)U"),
    ],
)
def test_d16_mtrr_lookup_below_one_megabyte(
    release: str, lookup: MtrrLookup, reserved: str
) -> None:
    """Across a boundary the old lookup sees only the register at the start (M1)."""
    lab = Lab(release)
    assert "ok" == lab.map(NOSYNC, window="VIDEO")
    assert (lookup, reserved) == (RELEASES[release].pat.mtrr_lookup, lab.reserved("VIDEO"))


@pytest.mark.parametrize("release", ALL)
def test_d17_mtrrs_off(release: str) -> None:
    """With MTRRs off write-back cannot be confirmed anywhere; the PAT layout is the machine's.

    That old kernels skip setting PAT up is told to the model through the
    machine: PAT off, or the layout that the register held.
    """
    lab = Lab(release, mtrr=Mtrr(enabled=False))
    lab.map(NOSYNC, window="H")
    assert "[0,4)U" == lab.reserved("H")
    assert "-" == _reserved_without_pat(release)
    assert LEGACY.slots == from_msr(0x0007040600070406).slots


def _reserved_without_pat(release: str) -> str:
    lab = Lab(release, NO_PAT, mtrr=Mtrr(enabled=False))
    lab.map(NOSYNC, window="H")
    return lab.reserved("H")


@pytest.mark.parametrize("release", ALL)
def test_d18_flags_and_tracking_in_remap(release: str) -> None:
    """If tracking fails, 7.3 has marked the VMA as a pfn mapping already."""
    lab = Lab(release)
    lab.map(RES, 2)
    lab.map(RES_WC, 2, at=8, off=2)
    lab.do(ops.AnonOver("A", 16, 4))
    assert "EINVAL" == lab.do(ops.Remap("A", 16, 4, "W"))
    assert (release == "7.3") == bool(lab.vma(16).flags & VM_PFNMAP)
    # 5.10 tests for CoW before it tracks, so vm_pgoff is overwritten there too.
    assert (16 if release in ("6.1", "6.12") else W.pfn) == lab.vma(16).pgoff


@pytest.mark.parametrize(
    ("release", "calls", "refs"),
    [
        ("5.10", ["track_pfn_copy", "memtype_reserve", "memtype_kernel_map_sync"], []),
        (
            "6.1",
            ["untrack_pfn_clear", "track_pfn_copy", "memtype_reserve", "memtype_kernel_map_sync"],
            [],
        ),
        (
            "6.12",
            ["untrack_pfn_clear", "track_pfn_copy", "memtype_reserve", "memtype_kernel_map_sync"],
            [],
        ),
        ("7.3", [], [2]),
    ],
)
def test_d19_duplicating_the_vma_in_fork(release: str, calls: list[str], refs: list[int]) -> None:
    """6.x clears the copied flag and sets it again; 7.3 only counts."""
    lab = Lab(release)
    lab.map()
    lab.fork()
    assert calls == lab.calls()
    assert refs == [each.refs for each in lab.contexts()]


@pytest.mark.parametrize(
    ("release", "seal", "change"),
    [
        ("5.10", "ENOSYS", "ok"),
        ("6.1", "ENOSYS", "ok"),
        ("6.12", "ok", "EPERM"),
        ("7.3", "ok", "EPERM"),
    ],
)
def test_d20_mseal(release: str, seal: str, change: str) -> None:
    """Sealed mappings can be neither reprotected, nor moved, nor unmapped."""
    lab = Lab(release)
    lab.map()
    assert seal == lab.do(ops.Mseal("A", 0, 4))
    assert change == lab.mprotect(1, 1)
    assert change == lab.mremap(0, 1, 1, to=16)
    assert change == lab.munmap(1, 3)


@pytest.mark.parametrize(
    ("release", "result"),
    [("5.10", "EFBIG"), ("6.1", "EFBIG"), ("6.12", "EFBIG"), ("7.3", "EOPNOTSUPP")],
)
def test_d21_madv_remove_on_a_sysfs_mapping(release: str, result: str) -> None:
    """A sysfs file counts as regular, and refuses to be punched in different words."""
    lab = Lab(release)
    lab.map(RES)
    assert result == lab.madvise(0, 4, "remove")


@pytest.mark.parametrize(
    ("release", "warns"), [("5.10", False), ("6.1", True), ("6.12", True), ("7.3", False)]
)
def test_d22_debugger_access_to_a_copied_page(release: str, warns: bool) -> None:
    """A copy is RAM, which ioremap() refuses; 5.10 and 7.3 refuse without a WARN (P4)."""
    lab = Lab(release)
    lab.map(private=True)
    lab.write(0)
    assert "EIO" == lab.do(ops.Access("A", 0))
    assert ([("__ioremap_caller", "ioremap_prot")] if warns else []) == lab.warns()
    assert ("ok", []) == (lab.do(ops.Access("A", 1)), lab.warns())
    assert ("[0,4)U", warns) == (lab.reserved(), RELEASES[release].mm.access_warns_on_copy)


@pytest.mark.parametrize(
    ("release", "mode"), [("5.10", UC), ("6.1", UC), ("6.12", UC), ("7.3", WC)]
)
def test_d23_writecombine_of_a_noncached_prot(release: str, mode: CacheMode) -> None:
    """ORing the bits of WC onto UC- makes strong UC; 7.3 replaces them."""
    replaces = RELEASES[release].pat.pgprot_replaces
    bits = pgprot_writecombine(FULL, pgprot_noncached(FULL, 0), replaces=replaces)
    assert mode is FULL.decode(bits)


@pytest.mark.parametrize(
    ("release", "ptes"),
    [
        ("5.10", "[0,4)W+0Uw"),
        ("6.1", "[0,4)W+0Uw"),
        ("6.12", "[0,4)W+0Uw"),
        ("7.3", "[0,4)W+0Bw"),
    ],
)
def test_d24_o_sync_with_pat_off(release: str, ptes: str) -> None:
    """Only 7.3 leaves the cache bits alone when PAT is off."""
    lab = Lab(release, NO_PAT)
    lab.map()
    assert ptes == lab.ptes()
    lab = Lab(release, NO_PAT)
    lab.map(NOSYNC)
    assert "[0,4)W+0Bw" == lab.ptes()


@pytest.mark.parametrize(
    ("release", "chains"),
    [
        ("5.10", [("get_pat_info", "untrack_pfn")]),
        ("6.1", [("get_pat_info", "untrack_pfn")]),
        ("6.12", [("get_pat_info", "untrack_pfn")]),
        ("7.3", []),
    ],
)
def test_d25_the_warning_of_get_pat_info(release: str, chains: list[tuple[str, ...]]) -> None:
    """The WARN is known by file and call chain (its line is not modelled); 7.3 has none."""
    lab = Lab(release)
    lab.map(driver("open_zaps"))
    lab.mremap(0, 4, 4, to=16)
    assert chains == [chain[:2] for chain in lab.warns()]
    assert ["WARNING: memtype.c get_pat_info"] * len(chains) == lab.log()
