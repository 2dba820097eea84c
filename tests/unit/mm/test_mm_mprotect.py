"""mprotect: pieces, permissions, and types that never change."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest

from pfntrack.mm import ops
from support import ALL, RES, RES_WC, VM_PAT_RELEASES, Lab, driver


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(
    ("at", "pages", "vmas"),
    [
        (0, 4, "[0,4)*"),
        (0, 1, "[0,1)* [1,4)*"),
        (3, 1, "[0,3)* [3,4)*"),
        (1, 2, "[0,1)* [1,3)* [3,4)*"),
    ],
)
def test_pieces(release: str, at: int, pages: int, vmas: str) -> None:
    """The range is cut out, all pieces stay tracked, no reservation changes."""
    lab = Lab(release)
    lab.map()
    assert "ok" == lab.mprotect(at, pages)
    assert (vmas, "[0,4)U", []) == (lab.vmas(), lab.reserved(), lab.log())
    assert "wr" not in lab.flags(at)


@pytest.mark.parametrize("release", ALL)
def test_no_change_makes_no_pieces(release: str) -> None:
    """Asking for what is there already splits nothing."""
    lab = Lab(release)
    lab.map()
    assert "ok" == lab.mprotect(1, 1, "rw")
    assert "[0,4)*" == lab.vmas()


@pytest.mark.parametrize("release", ALL)
def test_entries_follow(release: str) -> None:
    """Write permission goes and comes back; PROT_NONE entries stay present for the kernel."""
    lab = Lab(release)
    lab.map()
    lab.mprotect(0, 4, "r")
    assert "[0,4)W+0U" == lab.ptes()
    lab.mprotect(0, 4, "-")
    assert "[0,4)W+0Un" == lab.ptes()
    assert "SSSS" == lab.touch(0, 4)
    lab.mprotect(0, 4, "rw")
    assert "[0,4)W+0Uw" == lab.ptes()
    assert "rrrr" == lab.touch(0, 4)


@pytest.mark.parametrize("release", ALL)
def test_driver_that_watches_writes_gets_pages_back_read_only(release: str) -> None:
    """kernfs has page_mkwrite: a clean page becomes writable at the next store only."""
    lab = Lab(release)
    lab.map(RES)
    lab.write(1)
    lab.mprotect(0, 4, "r")
    lab.mprotect(0, 4, "rw")
    assert "[0,1)W+0U [1,2)W+1Uw [2,4)W+2U" == lab.ptes()
    assert "ok" == lab.write(2)
    assert "[1,3)W+1Uw" in lab.ptes()


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("prot", ["r", "-", "rw", "w"])
def test_types_stay(release: str, prot: str) -> None:
    """Cache bits survive every change of permissions, PROT_NONE included."""
    lab = Lab(release)
    lab.map(RES_WC)
    lab.mprotect(0, 2, prot)
    lab.mprotect(0, 4, "rw")
    assert {"C"} == {run[run.index("+") + 2] for run in lab.ptes().split()}
    assert "WC" == str(lab.vma(0).prot)


@pytest.mark.parametrize("release", ALL)
def test_s37_fork_of_a_mapping_without_access(release: str) -> None:
    """The kernel still finds the pfn in a PROT_NONE entry."""
    lab = Lab(release)
    lab.map()
    lab.mprotect(0, 4, "-")
    assert "ok" == lab.fork()
    twice = release in VM_PAT_RELEASES
    assert ("[0,4)U [0,4)U" if twice else "[0,4)U") == lab.reserved()
    assert "S" == lab.touch(0, 1, "B")


@pytest.mark.parametrize("release", ALL)
def test_write_needs_a_file_opened_for_writing(release: str) -> None:
    """A shared read-only mapping cannot become writable; a private one can."""
    lab = Lab(release)
    lab.map(RES | {"readonly": True}, prot="r")
    assert "EACCES" == lab.mprotect(0, 4, "rw")
    lab.map(RES | {"readonly": True}, prot="r", private=True, at=8)
    assert "ok" == lab.mprotect(8, 4, "rw")
    assert "[8,12)W+0U" in lab.ptes()
    assert {"wr", "ac"} <= lab.flags(8)


@pytest.mark.parametrize("release", ALL)
def test_private_pages_do_not_become_writable(release: str) -> None:
    """A raw page of a private mapping waits for its copy."""
    lab = Lab(release)
    lab.map(private=True, prot="r")
    assert "[0,4)W+0U" == lab.ptes()
    lab.mprotect(0, 4, "rw")
    assert "[0,4)W+0U" == lab.ptes()
    assert "ok" == lab.write(1)
    assert "[0,1)W+0U [1,2)ramUw [2,4)W+2U" == lab.ptes()


@pytest.mark.parametrize(
    ("release", "write"), [("5.10", ""), ("6.1", "w"), ("6.12", "w"), ("7.3", "w")]
)
def test_own_copies_become_writable_at_once(release: str, write: str) -> None:
    """Later releases know that a copy belongs to this process alone."""
    lab = Lab(release)
    lab.map(private=True)
    lab.write(1)
    lab.mprotect(0, 4, "r")
    lab.mprotect(0, 4, "rw")
    assert f"[0,1)W+0U [1,2)ramU{write} [2,4)W+2U" == lab.ptes()


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(("at", "pages"), [(4, 1), (3, 2), (0, 8), (2, 4)])
def test_holes_are_enomem(release: str, at: int, pages: int) -> None:
    """What lies before the hole has been changed already."""
    lab = Lab(release)
    lab.map()
    lab.map(at=6)
    assert "ENOMEM" == lab.mprotect(at, pages)


@pytest.mark.parametrize("release", ALL)
def test_range_that_begins_in_a_hole_changes_nothing(release: str) -> None:
    """The first page must be mapped."""
    lab = Lab(release)
    lab.map(at=2)
    assert "ENOMEM" == lab.mprotect(1, 2)
    assert "[2,6)*" == lab.vmas()
    assert "wr" in lab.flags(2)


@pytest.mark.parametrize("release", ALL)
def test_several_vmas_in_one_call(release: str) -> None:
    """Each VMA gets its part."""
    lab = Lab(release)
    lab.map(pages=2)
    lab.map(pages=2, at=2, off=8)
    assert "ok" == lab.mprotect(1, 2)
    assert "[0,1)* [1,2)* [2,3)* [3,4)*" == lab.vmas()
    assert "[0,1)W+0Uw [1,2)W+1U [2,3)W+8U [3,4)W+9Uw" == lab.ptes()


@pytest.mark.parametrize("release", ALL)
def test_accounting_may_refuse(release: str) -> None:
    """Private memory that becomes writable is accounted, and that can fail."""
    lab = Lab(release)
    lab.map(private=True, prot="r")
    lab.fail("security_vm_enough_memory_mm")
    assert "ENOMEM" == lab.mprotect(0, 4, "rw")
    assert ("[0,4)*", False) == (lab.vmas(), "ac" in lab.flags(0))


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(("nth", "vmas"), [(1, "[0,4)*"), (2, "[0,1)* [1,4)*")])
def test_splits_may_fail(release: str, nth: int, vmas: str) -> None:
    """The first cut is at the start, the second at the end; a failed one is undone."""
    lab = Lab(release)
    lab.map()
    lab.fail("vm_area_dup", nth)
    assert "ENOMEM" == lab.mprotect(1, 2)
    assert (vmas, "[0,4)U") == (lab.vmas(), lab.reserved())
    assert "wr" in lab.flags(1)
    if release == "7.3":
        assert [nth] == [each.refs for each in lab.contexts()]


@pytest.mark.parametrize("release", ALL)
def test_direction_of_cuts(release: str) -> None:
    """At the start the lower part is the new object, at the end the upper, in all releases."""
    lab = Lab(release)
    lab.map(driver("open_zaps"))
    lab.mprotect(2, 2)
    assert "[2,4)W+2U" == lab.ptes()
    lab = Lab(release)
    lab.map(driver("open_zaps"))
    lab.mprotect(0, 2)
    assert "[0,2)W+0U" == lab.ptes()


@pytest.mark.parametrize(
    ("release", "listed", "gone", "left"),
    [
        ("5.10", "[0,4)U [0,2)U", "inv(0,2)", "[0,2)U"),
        ("6.1", "[0,4)U [0,2)U", "inv(0,2)", "[0,2)U"),
        ("6.12", "[0,4)U [0,2)U", "inv(0,2)", "[0,2)U"),
        ("7.3", "[0,4)U", "", "-"),
    ],
)
def test_s36_split_in_the_child(release: str, listed: str, gone: str, left: str) -> None:
    """The child's pieces are released against both entries, and one part stays."""
    lab = Lab(release)
    lab.map()
    lab.fork()
    lab.mprotect(0, 2, p="B")
    lab.exit("B")
    assert (listed, gone) == (lab.reserved(), lab.invalid())
    lab.munmap(0, 4)
    assert left == lab.reserved()


@pytest.mark.parametrize(
    ("release", "forked", "left"),
    [
        ("5.10", "[0,4)U [0,2)U [2,4)U", "[0,2)U"),
        ("6.1", "[0,4)U [0,2)U [2,4)U", "[0,2)U"),
        ("6.12", "[0,4)U [0,2)U [2,4)U", "[0,2)U"),
        ("7.3", "[0,4)U", "-"),
    ],
)
def test_s36b_split_before_fork(release: str, forked: str, left: str) -> None:
    """Each piece reserves for the child in its own size."""
    lab = Lab(release)
    lab.map()
    lab.mprotect(0, 2)
    lab.fork()
    assert forked == lab.reserved()
    lab.exit("B")
    assert "[0,4)U" == lab.reserved()
    lab.munmap(0, 4)
    assert left == lab.reserved()


@pytest.mark.parametrize("release", ALL)
def test_anonymous_memory(release: str) -> None:
    """Ordinary memory gains and loses permissions like any other."""
    lab = Lab(release)
    lab.do(ops.AnonOver("A", 0, 4))
    lab.write(0)
    lab.mprotect(0, 2)
    assert ("[0,2) [2,4)", "SIGSEGV") == (lab.vmas(), lab.write(0))
    lab.mprotect(0, 2, "rw")
    assert "ok" == lab.write(0)


@pytest.mark.parametrize("release", ALL)
def test_anonymous_pieces_merge_again(release: str) -> None:
    """What was split only for its permissions joins again when they are equal."""
    lab = Lab(release)
    lab.do(ops.AnonOver("A", 0, 4))
    lab.mprotect(0, 2)
    lab.mprotect(0, 2, "rw")
    assert "[0,4)" == lab.vmas()
