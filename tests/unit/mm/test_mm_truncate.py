"""Zaps through the file: truncation, revocation, and drivers whose open() zaps."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest

from pfntrack.mm import ops
from pfntrack.pat import CacheMode
from support import ALL, RES, SYNC, VM_PAT_RELEASES, Lab, driver

KEPT = {"5.10": "-", "6.1": "-", "6.12": "-", "7.3": "[0,4)U"}


def kept(release: str) -> str:
    """The reservation after a zap of any part."""
    return KEPT[release]


@pytest.mark.parametrize("release", ALL)
def test_t1_whole(release: str) -> None:
    """The VMA stays without entries; the reservation goes with the zap, or with the VMA."""
    lab = Lab(release)
    lab.map(driver())
    lab.zap()
    assert (kept(release), "-", "BBBB") == (lab.reserved(), lab.ptes(), lab.touch(0, 4))
    assert 1 == len(lab.vmas().split())
    lab.munmap(0, 4)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(
    ("off", "pages", "touched"),
    [
        (0, 1, "Brrr"),
        (1, 1, "rBrr"),
        (3, 1, "rrrB"),
        (1, 2, "rBBr"),
        (2, 0, "rrBB"),
        (2, 9, "rrBB"),
    ],
)
def test_t2_t3_parts(release: str, off: int, pages: int, touched: str) -> None:
    """Only the named pages lose their entries; a later munmap is clean."""
    lab = Lab(release)
    lab.map(driver())
    lab.zap(off, pages)
    assert (kept(release), touched) == (lab.reserved(), lab.touch(0, 4))
    lab.munmap(0, 4)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ALL)
def test_t9_twice(release: str) -> None:
    """The second zap finds nothing to untrack and says nothing."""
    lab = Lab(release)
    lab.map(driver())
    for _ in range(2):
        lab.zap()
        assert (kept(release), [], []) == (lab.reserved(), lab.log(), lab.warns())


@pytest.mark.parametrize("release", ALL)
def test_beyond_the_mapping(release: str) -> None:
    """Pages that nobody maps concern nobody."""
    lab = Lab(release)
    lab.map(driver(), off=8)
    lab.zap(0, 8)
    lab.zap(12, 0)
    assert ("[8,12)U", "[0,4)W+8Uw") == (lab.reserved(), lab.ptes())
    lab.zap(0, 9)
    assert "[1,4)W+9Uw" == lab.ptes()


@pytest.mark.parametrize("release", ALL)
def test_only_the_files_own_mappings(release: str) -> None:
    """/dev/mem of the same pages has another address space than the driver's file."""
    lab = Lab(release)
    lab.map()
    lab.map(driver(), at=8)
    lab.zap()
    assert "[0,4)W+0Uw" == lab.ptes()


@pytest.mark.parametrize("release", ALL)
def test_t4_then_fork(release: str) -> None:
    """The child gets what is left of the entries."""
    lab = Lab(release)
    lab.map(driver())
    lab.zap(1, 1)
    assert "ok" == lab.fork()
    assert (kept(release), "rBrr") == (lab.reserved(), lab.touch(0, 4, "B"))
    lab.exit("B")
    lab.munmap(0, 4)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ALL)
def test_t5_then_mremap(release: str) -> None:
    """What is left moves."""
    lab = Lab(release)
    lab.map(driver())
    lab.zap(1, 1)
    lab.mremap(0, 4, 4, to=16)
    assert (kept(release), "rBrr") == (lab.reserved(), lab.touch(16, 20))
    lab.munmap(16, 4)
    assert ("-", [], []) == (lab.reserved(), lab.log(), lab.warns())


@pytest.mark.parametrize("release", ALL)
def test_t6_head_fork_mremap(release: str) -> None:
    """No step of the long way leaks or complains."""
    lab = Lab(release)
    lab.map(driver())
    lab.zap(0, 1)
    for _ in (lab.fork(), lab.mremap(0, 4, 4, to=16), lab.munmap(16, 4)):
        assert [] == lab.log()
    assert kept(release) == lab.reserved()
    lab.exit("B")
    assert "-" == lab.reserved()


@pytest.mark.parametrize("release", ALL)
def test_t7_fork_then_zap(release: str) -> None:
    """Parent and child are both found and both untracked."""
    lab = Lab(release)
    lab.map(driver())
    lab.fork()
    lab.zap(1, 1)
    assert kept(release) == lab.reserved()
    assert ("rBrr", "rBrr") == (lab.touch(0, 4), lab.touch(0, 4, "B"))
    stars = "[0,4)*" if release == "7.3" else "[0,4)"
    assert (stars, stars) == (lab.vmas("A"), lab.vmas("B"))


@pytest.mark.parametrize(
    ("release", "zapped", "invalid", "vmas", "left"),
    [
        ("5.10", "[0,4)U", "inv(1,2)", "[0,1)* [1,2) [2,4)*", "[0,2)U"),
        ("6.1", "[0,4)U", "inv(1,2)", "[0,1)* [1,2) [2,4)*", "[0,2)U"),
        ("6.12", "[0,4)U", "inv(1,2)", "[0,1)* [1,2) [2,4)*", "[0,2)U"),
        ("7.3", "[0,4)U", "", "[0,1)* [1,2)* [2,4)*", "-"),
    ],
)
def test_t8_one_of_three_pieces(
    release: str, zapped: str, invalid: str, vmas: str, left: str
) -> None:
    """Each piece is untracked by its own zap."""
    lab = Lab(release)
    lab.map(driver())
    lab.mprotect(1, 1)
    lab.zap(1, 1)
    assert (zapped, invalid, vmas) == (lab.reserved(), lab.invalid(), lab.vmas())
    lab.munmap(0, 4)
    assert left == lab.reserved()
    assert ("inv(0,1)" if invalid else "") == lab.invalid()


@pytest.mark.parametrize("release", VM_PAT_RELEASES)
def test_t8b_all_three_pieces(release: str) -> None:
    """All marks are gone after the zap, and so is every chance to release the rest."""
    lab = Lab(release)
    lab.map(driver())
    lab.mprotect(1, 1)
    lab.zap()
    assert ("[0,2)U", "inv(0,1) inv(1,2)") == (lab.reserved(), lab.invalid())
    assert "[0,1) [1,2) [2,4)" == lab.vmas()
    lab.munmap(0, 4)
    assert ("[0,2)U", "") == (lab.reserved(), lab.invalid())


@pytest.mark.parametrize("release", VM_PAT_RELEASES)
def test_line_names_the_task_that_zaps(release: str) -> None:
    """Not the owner of the mapping."""
    lab = Lab(release)
    lab.open(driver())
    lab.fork()
    lab.mmap(0)
    lab.mprotect(1, 1)
    lab.do(ops.Zap("B", 0, 1, 1))
    assert ["x86/PAT: B:101 freeing invalid memtype [mem 0xfe001000-0xfe001fff]"] == lab.log()


@pytest.mark.parametrize("release", ALL)
def test_t10_private_mapping_is_indexed_by_pfn(release: str) -> None:
    """A truncation by file offset misses it."""
    lab = Lab(release)
    lab.map(driver(), private=True)
    lab.write(0)
    lab.zap(0, 4)
    assert "unmap_mapping_range" in lab.notes()
    assert ("[0,4)U", "[0,4)*") == (lab.reserved(), lab.vmas())
    assert "[0,1)ramUw [1,4)W+1U" == lab.ptes()


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(("even_cows", "ptes"), [(True, "-"), (False, "[0,1)ramUw")])
def test_t10b_t10d_even_cows(release: str, even_cows: bool, ptes: str) -> None:
    """Copies survive without even_cows; the reservation does not, up to 6.12."""
    lab = Lab(release)
    lab.map(driver(), private=True)
    lab.write(0)
    assert "ok" == lab.do(ops.Zap("A", 0, 0, 4, even_cows, "W"))
    assert (ptes, kept(release)) == (lab.ptes(), lab.reserved())
    assert [] == lab.warns()
    # What fork refused before is now untracked.
    assert "ok" == lab.fork()


@pytest.mark.parametrize("release", ALL)
def test_t10e_one_page_of_a_private_mapping(release: str) -> None:
    """The page named is not the first, the reservation of all goes."""
    lab = Lab(release)
    lab.map(driver(), private=True)
    lab.write(0)
    lab.do(ops.Zap("A", 0, 2, 1, False, "W"))
    assert (kept(release), "rrBr") == (lab.reserved(), lab.touch(0, 4))


@pytest.mark.parametrize("release", ALL)
def test_t10g_zapped_private_page(release: str) -> None:
    """A page that is gone cannot be copied on write; another can."""
    lab = Lab(release)
    lab.map(driver(), private=True)
    lab.do(ops.Zap("A", 0, 1, 1, window="W"))
    assert ("SIGBUS", "ok") == (lab.write(1), lab.write(0))


@pytest.mark.parametrize("release", ALL)
def test_t11_driver_zaps_a_user_range(release: str) -> None:
    """zap_vma_ptes() has the same effect."""
    lab = Lab(release)
    lab.map(driver())
    assert "ok" == lab.do(ops.ZapVma("A", 2, 1))
    assert (kept(release), "rrBr") == (lab.reserved(), lab.touch(0, 4))


@pytest.mark.parametrize("release", ALL)
def test_driver_cannot_zap_what_is_not_its(release: str) -> None:
    """Outside of one VMA it is refused; ordinary memory is left alone."""
    lab = Lab(release)
    lab.map(driver())
    lab.do(ops.AnonOver("A", 8, 2))
    lab.read(8)
    assert "EINVAL" == lab.do(ops.ZapVma("A", 6, 1))
    assert "EINVAL" == lab.do(ops.ZapVma("A", 2, 4))
    assert "ok" == lab.do(ops.ZapVma("A", 8, 1))
    assert ("[0,4)W+0Uw [8,9)ramB", "[0,4)U") == (lab.ptes(), lab.reserved())


@pytest.mark.parametrize(
    ("release", "reserved"),
    [("5.10", "[0,4)C"), ("6.1", "[0,4)C"), ("6.12", "[0,4)C"), ("7.3", "[0,4)U [0,4)U")],
)
def test_t12_alias_after_a_truncation(release: str, reserved: str) -> None:
    """The kernel maps write-combining what a process still maps UC-, up to 6.12."""
    lab = Lab(release)
    lab.map(driver())
    lab.zap(3, 1)
    assert "ok" == lab.ioremap("fb", 0, 4, CacheMode.WC)
    assert (reserved, "[0,3)W+0Uw") == (lab.reserved(), lab.ptes())


# Revocation: a driver claims what user space has mapped.


@pytest.mark.parametrize("release", ALL)
def test_t23_claim_of_a_part(release: str) -> None:
    """Only the claimed pages lose their entries; new mappings of them are refused."""
    lab = Lab(release)
    lab.map(pages=8)
    assert "ok" == lab.do(ops.Request("W", 2, 2))
    tracked = release == "7.3"
    assert ("[0,8)U" if tracked else "-", "rrBBrrrr") == (lab.reserved(), lab.touch(0, 8))
    assert "EPERM" == lab.map(pages=1, at=16, off=2)
    assert "ok" == lab.map(pages=1, at=16, off=1)
    assert "EBUSY" == lab.do(ops.Request("W", 3, 1))


@pytest.mark.parametrize(
    ("release", "ptes", "reserved"),
    [
        ("5.10", "[0,4)W+0Uw", "[0,4)U"),
        ("6.1", "-", "-"),
        ("6.12", "-", "-"),
        ("7.3", "-", "[0,4)U"),
    ],
)
def test_t23b_claim_of_a_sysfs_mapping(release: str, ptes: str, reserved: str) -> None:
    """From 5.12 on sysfs mappings are revoked like those of /dev/mem."""
    lab = Lab(release)
    lab.map(RES)
    lab.do(ops.Request("W", 0, 4))
    assert (ptes, reserved) == (lab.ptes(), lab.reserved())
    # Only the BAR's first page decides about new ones.
    assert "EINVAL" == lab.map(RES, 2, at=8, off=8)


@pytest.mark.parametrize("release", ALL)
def test_t23c_claim_of_a_private_mapping(release: str) -> None:
    """Copies go too, and fork works again."""
    lab = Lab(release)
    lab.map(private=True)
    lab.write(1)
    lab.do(ops.Request("W", 0, 4))
    assert (kept(release), "BBBB", "ok") == (lab.reserved(), lab.touch(0, 4), lab.fork())


@pytest.mark.parametrize("release", ALL)
def test_claim_reaches_every_process(release: str) -> None:
    """Whoever maps the pages loses them."""
    lab = Lab(release)
    lab.map()
    lab.fork()
    lab.do(ops.Request("W", 0, 4))
    assert ("-", "-", kept(release)) == (lab.ptes("A"), lab.ptes("B"), lab.reserved())


@pytest.mark.parametrize("release", ALL)
def test_claim_below_one_megabyte_revokes_nothing(release: str) -> None:
    """There /dev/mem stays allowed, so nobody is disturbed."""
    lab = Lab(release)
    lab.map(window="LOW")
    assert "ok" == lab.do(ops.Request("LOW", 0, 4))
    assert "[0,4)LOW+0Uw" == lab.ptes()


@pytest.mark.parametrize("release", ALL)
def test_claim_given_back(release: str) -> None:
    """After release_mem_region() the pages may be mapped again."""
    lab = Lab(release)
    lab.do(ops.Request("W", 0, 4))
    assert "EPERM" == lab.map(SYNC)
    assert "ok" == lab.do(ops.Release("W", 0, 4))
    assert "ok" == lab.map(SYNC)


@pytest.mark.parametrize("release", ALL)
def test_bind_revokes(release: str) -> None:
    """A driver that probes zaps mappings of its BAR, then maps it itself."""
    lab = Lab(release)
    lab.map(window="V")
    assert "ok" == lab.do(ops.DriverBind("V"))
    assert "-" == lab.ptes()
    user = "[0,4)U " if release == "7.3" else ""
    assert f"{user}[0,1)U [1,2)U [2,3)U [3,4)U" == lab.reserved("V")


# Drivers whose vm_ops->open zaps.


@pytest.mark.parametrize("release", ALL)
def test_t22_open_zaps_and_mremap(release: str) -> None:
    """The new VMA is still empty when it is zapped: up to 6.12 a warning, nothing worse."""
    lab = Lab(release)
    lab.map(driver("open_zaps"))
    assert "ok" == lab.mremap(0, 4, 4, to=16)
    assert (release != "7.3") == bool(lab.warns())
    assert ("[0,4)U", "[16,20)*", "rrrr") == (lab.reserved(), lab.vmas(), lab.touch(16, 20))
    lab.munmap(16, 4)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize(
    ("release", "invalid", "vmas", "left"),
    [
        ("5.10", "inv(0,2)", "[0,2) [2,4)*", "[0,2)U"),
        ("6.1", "inv(0,2)", "[0,2) [2,4)*", "[0,2)U"),
        ("6.12", "inv(0,2)", "[0,2) [2,4)*", "[0,2)U"),
        ("7.3", "", "[0,2)* [2,4)*", "-"),
    ],
)
def test_t22b_open_zaps_and_mprotect_of_the_tail(
    release: str, invalid: str, vmas: str, left: str
) -> None:
    """The lower part is the new one: its release does not match."""
    lab = Lab(release)
    lab.map(driver("open_zaps"))
    lab.mprotect(2, 2)
    assert (invalid, vmas, "BBrr") == (lab.invalid(), lab.vmas(), lab.touch(0, 4))
    lab.munmap(0, 4)
    assert left == lab.reserved()


@pytest.mark.parametrize(
    ("release", "vmas", "reserved"),
    [
        ("5.10", "[0,2)* [2,4)", "[0,2)U"),
        ("6.1", "[0,2)* [2,4)", "[0,2)U"),
        ("6.12", "[0,2)* [2,4)", "[0,2)U"),
        ("7.3", "[0,2)* [2,4)*", "[0,4)U"),
    ],
)
def test_t22c_open_zaps_and_mprotect_of_the_head(release: str, vmas: str, reserved: str) -> None:
    """The upper part is the new one: its release shrinks the entry."""
    lab = Lab(release)
    lab.map(driver("open_zaps"))
    lab.mprotect(0, 2)
    assert (vmas, reserved) == (lab.vmas(), lab.reserved())
    assert "rrBB" == lab.touch(0, 4)
    lab.munmap(0, 4)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ["6.1", "6.12", "7.3"])
def test_open_zaps_and_fork(release: str) -> None:
    """open() comes before tracking and copying, so it finds nothing to do."""
    lab = Lab(release)
    lab.map(driver("open_zaps"))
    assert "ok" == lab.fork()
    assert ([], [], "rrrr") == (lab.log(), lab.warns(), lab.touch(0, 4, "B"))


def test_open_zaps_and_fork_in_5_10() -> None:
    """There open() comes last and takes the child's entries and reservation."""
    lab = Lab("5.10")
    lab.map(driver("open_zaps"))
    assert "ok" == lab.fork()
    assert ("[0,4)U", "-", "[0,4)") == (lab.reserved(), lab.ptes("B"), lab.vmas("B"))


@pytest.mark.parametrize("release", ALL)
def test_zap_through_any_descriptor_of_the_file(release: str) -> None:
    """Two opens of one device share their mappings, at offsets of the file."""
    lab = Lab(release)
    lab.map(driver())
    lab.map(driver(), at=8, off=2)
    lab.do(ops.Zap("A", 0, 2, 2))
    assert "[0,2)W+0Uw [10,12)W+4Uw" == lab.ptes()
