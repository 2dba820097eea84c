"""mremap on pfn mappings: shrinking, refusals, whole and partial moves, failures."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest

from pfntrack.mm import ops
from pfntrack.mm.vma import VM_ACCOUNT
from support import ALL, VM_PAT_RELEASES, Lab, W, driver


@pytest.mark.parametrize("release", ALL)
def test_same_size_in_place(release: str) -> None:
    """Nothing happens, and the address comes back."""
    lab = Lab(release)
    lab.map()
    assert ("ok", 0) == (lab.mremap(0, 4, 4), lab.result.to)
    assert ("[0,4)U", "[0,4)*") == (lab.reserved(), lab.vmas())


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("maymove", [False, True])
@pytest.mark.parametrize(("old", "new"), [(4, 5), (2, 3), (0, 4)])
def test_s12_growing_is_refused(release: str, maymove: bool, old: int, new: int) -> None:
    """A pfn mapping cannot grow, and a shared one cannot be duplicated."""
    lab = Lab(release)
    lab.map()
    assert "EFAULT" == lab.mremap(0, old, new, maymove=maymove)
    assert ("[0,4)U", "[0,4)*", []) == (lab.reserved(), lab.vmas(), lab.log())


@pytest.mark.parametrize("release", ALL)
def test_dontunmap_is_refused(release: str) -> None:
    """MREMAP_DONTUNMAP is for anonymous memory."""
    lab = Lab(release)
    lab.map()
    assert "EINVAL" == lab.mremap(0, 4, 4, maymove=True, dontunmap=True)
    assert "EINVAL" == lab.mremap(0, 4, 4, dontunmap=True)
    assert "EINVAL" == lab.mremap(0, 4, 2, maymove=True, dontunmap=True)
    assert "[0,4)*" == lab.vmas()


@pytest.mark.parametrize("release", ALL)
def test_bad_arguments(release: str) -> None:
    """No size, no target, no mapping, and overlapping target."""
    lab = Lab(release)
    lab.map()
    assert "EINVAL" == lab.mremap(0, 4, 0)
    assert "EINVAL" == lab.do(ops.Mremap("A", 0, 4, 4, True, True))
    assert "EINVAL" == lab.mremap(0, 4, 4, to=2)
    assert "EFAULT" == lab.mremap(8, 4, 4, to=20)
    assert ("[0,4)*", "[0,4)U") == (lab.vmas(), lab.reserved())


@pytest.mark.parametrize(
    ("release", "result"),
    [("5.10", "EFAULT"), ("6.1", "EFAULT"), ("6.12", "EFAULT"), ("7.3", "ok")],
)
def test_moving_more_than_is_mapped(release: str, result: str) -> None:
    """A move of equal sizes may cover a hole from 6.17 on."""
    lab = Lab(release)
    lab.map()
    assert result == lab.mremap(1, 4, 4, to=20)
    assert ("[0,1)* [20,23)*" if result == "ok" else "[0,4)*") == lab.vmas()


@pytest.mark.parametrize(
    ("release", "reserved"),
    [("5.10", "[0,2)U"), ("6.1", "[0,2)U"), ("6.12", "[0,2)U"), ("7.3", "[0,4)U")],
)
def test_s11_shrinking(release: str, reserved: str) -> None:
    """The tail is unmapped: the entry shrinks with it, or stays until the end."""
    lab = Lab(release)
    lab.map()
    assert ("ok", 0) == (lab.mremap(0, 4, 2), lab.result.to)
    assert (reserved, "[0,2)*", "[0,2)W+0Uw") == (lab.reserved(), lab.vmas(), lab.ptes())
    lab.munmap(0, 2)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ALL)
def test_s8_moving_the_whole(release: str) -> None:
    """Entries and tracking go along, and the move is invisible in the tree."""
    lab = Lab(release)
    lab.map()
    assert ("ok", 16) == (lab.mremap(0, 4, 4, to=16), lab.result.to)
    assert ("[0,4)U", "[16,20)*", "[16,20)W+0Uw") == (lab.reserved(), lab.vmas(), lab.ptes())
    assert [] == lab.log()
    lab.munmap(16, 4)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize(
    ("release", "vmas", "first", "left"),
    [
        ("5.10", "[1,4) [16,17)*", "inv(0,1)", "[0,4)U"),
        ("6.1", "[1,4) [16,17)*", "inv(0,1)", "[0,4)U"),
        ("6.12", "[1,4) [16,17)*", "inv(0,1)", "[0,4)U"),
        ("7.3", "[1,4)* [16,17)*", "", "-"),
    ],
)
def test_s9_moving_the_head(release: str, vmas: str, first: str, left: str) -> None:
    """Up to 6.12 the rest of the old mapping loses its mark, and all leaks."""
    lab = Lab(release)
    lab.map()
    lab.mremap(0, 1, 1, to=16)
    assert (vmas, "[0,4)U", []) == (lab.vmas(), lab.reserved(), lab.log())
    assert "[1,4)W+1Uw [16,17)W+0Uw" == lab.ptes()
    lab.munmap(16, 1)
    assert ("[0,4)U", first) == (lab.reserved(), lab.invalid())
    lab.munmap(1, 3)
    assert (left, "") == (lab.reserved(), lab.invalid())


@pytest.mark.parametrize(
    ("release", "moved", "left"),
    [
        ("5.10", "[0,3)U", "[0,3)U"),
        ("6.1", "[0,3)U", "[0,3)U"),
        ("6.12", "[0,3)U", "[0,3)U"),
        ("7.3", "[0,4)U", "-"),
    ],
)
def test_s10_moving_the_tail(release: str, moved: str, left: str) -> None:
    """The moved tail finds its end, the rest stays behind in the tree."""
    lab = Lab(release)
    lab.map()
    lab.mremap(3, 1, 1, to=16)
    assert "[0,4)U" == lab.reserved()
    lab.munmap(16, 1)
    assert (moved, "") == (lab.reserved(), lab.invalid())
    lab.munmap(0, 3)
    assert (left, "") == (lab.reserved(), lab.invalid())


@pytest.mark.parametrize(
    ("release", "vmas"),
    [
        ("5.10", "[0,1) [3,4) [16,18)*"),
        ("6.1", "[0,1) [3,4) [16,18)*"),
        ("6.12", "[0,1) [3,4) [16,18)*"),
        ("7.3", "[0,1)* [3,4)* [16,18)*"),
    ],
)
def test_moving_the_middle(release: str, vmas: str) -> None:
    """Both remaining parts lose their mark."""
    lab = Lab(release)
    lab.map()
    lab.mremap(1, 2, 2, to=16)
    assert (vmas, "[0,1)W+0Uw [3,4)W+3Uw [16,18)W+1Uw") == (lab.vmas(), lab.ptes())


@pytest.mark.parametrize(
    ("release", "reserved"),
    [("5.10", "[0,2)U"), ("6.1", "[0,2)U"), ("6.12", "[0,2)U"), ("7.3", "[0,4)U")],
)
def test_s12b_shrinking_and_moving(release: str, reserved: str) -> None:
    """The tail is unmapped first, then the rest moves."""
    lab = Lab(release)
    lab.map()
    assert "ok" == lab.mremap(0, 4, 2, to=16)
    assert (reserved, "[16,18)*") == (lab.reserved(), lab.vmas())
    lab.munmap(16, 2)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ALL)
def test_target_is_replaced(release: str) -> None:
    """A mapping at the target goes, with its reservation."""
    lab = Lab(release)
    lab.map()
    lab.map(at=16, off=8)
    assert "ok" == lab.mremap(0, 4, 4, to=16)
    assert ("[0,4)U", "[16,20)*") == (lab.reserved(), lab.vmas())


@pytest.mark.parametrize(
    ("release", "result", "vmas"),
    [
        ("5.10", "EFAULT", "[0,1)* [1,4)*"),
        ("6.1", "EFAULT", "[0,1)* [1,4)*"),
        ("6.12", "EFAULT", "[0,1)* [1,4)*"),
        ("7.3", "ok", "[16,17)* [17,20)*"),
    ],
)
def test_pieces_of_a_split_mapping(release: str, result: str, vmas: str) -> None:
    """Only 7.3 moves several VMAs in one call."""
    lab = Lab(release)
    lab.map()
    lab.mprotect(0, 1)
    assert (result, vmas) == (lab.mremap(0, 4, 4, to=16), lab.vmas())
    assert "[0,4)U" == lab.reserved()


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(
    ("symbol", "nth"), [("__pte_alloc", 1), ("vm_area_dup", 1), ("move_page_tables", 1)]
)
def test_i8_failing_move(release: str, symbol: str, nth: int) -> None:
    """Whatever fails, the old mapping is as before and its reservation stays."""
    lab = Lab(release)
    lab.map()
    lab.fail(symbol, nth)
    # 5.10 has no call of this name that could be struck.
    works = (release, symbol) == ("5.10", "move_page_tables")
    assert ("ok" if works else "ENOMEM") == lab.mremap(0, 4, 4, to=1024)
    if not works:
        assert ("[0,4)*", "[0,4)W+0Uw") == (lab.vmas(), lab.ptes())
        assert "rrrr" == lab.touch(0, 4)
    assert ("[0,4)U", []) == (lab.reserved(), lab.log())
    lab.exit()
    assert "-" == lab.reserved()


@pytest.mark.parametrize("release", ALL)
def test_i10_failing_move_of_a_part(release: str) -> None:
    """One VMA again afterwards, still tracked."""
    lab = Lab(release)
    lab.map()
    lab.fail("__pte_alloc")
    assert "ENOMEM" == lab.mremap(0, 1, 1, to=1024)
    assert ("[0,4)*", "[0,4)U") == (lab.vmas(), lab.reserved())


@pytest.mark.parametrize("release", ALL)
def test_move_that_fails_half_way_is_undone(release: str) -> None:
    """Entries that had moved come back."""
    lab = Lab(release)
    lab.map(driver(), 8, at=508)
    lab.fail("__pte_alloc", 2)
    assert "ENOMEM" == lab.mremap(508, 8, 8, to=1024 + 509)
    assert "[508,516)W+0Uw" == lab.ptes()
    assert ("[508,516)*", "[0,8)U") == (lab.vmas(), lab.reserved())


@pytest.mark.parametrize("release", ALL)
def test_move_over_table_borders(release: str) -> None:
    """Source and target may lie differently in their tables."""
    lab = Lab(release)
    lab.map(pages=8, at=508)
    assert "ok" == lab.mremap(508, 8, 8, to=1024 + 510)
    assert "[1534,1542)W+0Uw" == lab.ptes()
    assert {2, 3} == set(lab.world.process("A").space.tables)


@pytest.mark.parametrize("release", ALL)
def test_t10h_private_mapping_with_a_copied_first_page(release: str) -> None:
    """vm_pgoff still tells the pfn after the move."""
    lab = Lab(release)
    lab.map(private=True)
    lab.write(0)
    lab.mremap(0, 4, 4, to=16)
    assert ("[0,4)U", "[16,20)*") == (lab.reserved(), lab.vmas())
    assert "[16,17)ramUw [17,20)W+1U" == lab.ptes()
    lab.munmap(16, 4)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize(
    ("release", "rest", "moved"),
    [
        ("5.10", "[0,3)", "[0,3)U"),
        ("6.1", "[0,3)", "[0,3)U"),
        ("6.12", "[0,3)", "[0,3)U"),
        ("7.3", "[0,3)*", "[0,4)U"),
    ],
)
def test_t10i_private_tail_with_a_copy(release: str, rest: str, moved: str) -> None:
    """The moved copy's pfn is read from its offset, which moved along."""
    lab = Lab(release)
    lab.map(private=True)
    lab.write(3)
    lab.mremap(3, 1, 1, to=16)
    assert (f"{rest} [16,17)*", W.pfn + 3) == (lab.vmas(), lab.vma(16).pgoff)
    lab.munmap(16, 1)
    assert (moved, "") == (lab.reserved(), lab.invalid())


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(("limit", "result"), [("17", "ok"), ("16", "ENOMEM"), ("11", "ENOMEM")])
def test_move_needs_some_spare_vmas(release: str, limit: str, result: str) -> None:
    """A fixed move is refused within five VMAs of the limit, before anything is unmapped."""
    lab = Lab(release)
    lab.map()
    lab.do(ops.Sysctl("vm/max_map_count", limit))
    assert result == lab.mremap(0, 4, 4, to=16)
    assert ("[16,20)*" if result == "ok" else "[0,4)*") == lab.vmas()


@pytest.mark.parametrize(
    ("release", "result"),
    [("5.10", "ok"), ("6.1", "EFAULT"), ("6.12", "EFAULT"), ("7.3", "EFAULT")],
)
def test_shrinking_what_is_not_there(release: str, result: str) -> None:
    """5.10 unmaps the tail before it looks for a mapping."""
    lab = Lab(release)
    lab.map(at=2)
    assert result == lab.mremap(0, 8, 3)
    assert ("[2,3)*" if result == "ok" else "[2,6)*") == lab.vmas()


@pytest.mark.parametrize("release", VM_PAT_RELEASES)
def test_flag_is_taken_off_the_old_vma(release: str) -> None:
    """Which function does it has another name in 5.10."""
    lab = Lab(release)
    lab.map()
    lab.mremap(0, 4, 4, to=16)
    assert ["untrack_pfn_moved" if release == "5.10" else "untrack_pfn_clear", "untrack_pfn"] == (
        lab.calls()
    )


@pytest.mark.parametrize("release", ALL)
def test_ordinary_memory_moves_without_tracking(release: str) -> None:
    """No tracking function is asked about a mapping that is not of raw pfns."""
    lab = Lab(release)
    lab.do(ops.AnonOver("A", 0, 2))
    lab.write(1)
    assert ("ok", []) == (lab.mremap(0, 2, 2, to=16), lab.calls())
    assert ("[16,18)", "[17,18)ramBw") == (lab.vmas(), lab.ptes())


@pytest.mark.parametrize("release", ALL)
def test_a_source_that_cannot_be_split_stays(release: str) -> None:
    """The entries have moved, so the call succeeds; the empty source keeps its place."""
    lab = Lab(release)
    lab.map(private=True)
    lab.do(ops.Fail("A", "vm_area_dup", nth=2))
    assert ("ok", 20) == (lab.mremap(1, 1, 1, to=20), lab.result.to)
    assert "[0,1)W+0U [2,4)W+2U [20,21)W+1U" == lab.ptes()
    places = [(vma.start, vma.end) for vma in lab.world.process("A").space.vmas]
    assert [(0, 4), (20, 21)] == places
    source = lab.world.process("A").space.vmas[0]
    assert not source.flags & VM_ACCOUNT


@pytest.mark.parametrize("release", ALL)
def test_several_mappings_move_with_their_gaps(release: str) -> None:
    """7.3 moves all that a range holds; the older ones refuse a range that leaves a mapping."""
    lab = Lab(release)
    lab.map(driver(), pages=2)
    lab.map(driver(), at=3, pages=2)
    moved = lab.mremap(0, 6, 6, to=20)
    assert ("ok" if release == "7.3" else "EFAULT") == moved
    places = [vma.start for vma in lab.world.process("A").space.vmas]
    assert ([20, 23] if release == "7.3" else [0, 3]) == places
