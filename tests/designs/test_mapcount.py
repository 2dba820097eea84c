"""The entry is the piece: what raw entries count, and when they give back."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest

from designs.test_ours import Judged
from pfntrack.designs.counted.runs import runs_of
from pfntrack.mm import ops
from pfntrack.mm.pagetable import PTRS_PER_PTE, PteRun, lost, put, torn
from pfntrack.pat import CacheMode
from support import RES, RES_WC, W, driver

UCM, WC = CacheMode.UC_MINUS, CacheMode.WC


def lab() -> Judged:
    """The design on the ordinary machine, judged after each step."""
    return Judged("mapcount")


def counts(it: Judged) -> list[tuple[int, int, int]]:
    """(first page of the window, end, count) of each run."""
    return [(run.first - W.pfn, run.end - W.pfn, run.count) for run in runs_of(it.world.phys)]


def test_a_count_for_each_entry() -> None:
    """Maps, forks, zaps and exits add and take; splits and moves do nothing."""
    it = lab()
    it.map(driver(cache=WC))
    it.fork()
    assert [(0, 4, 2)] == counts(it)
    before = it.world.phys.tracking
    it.mprotect(0, 2)
    it.mremap(2, 2, 2, to=16)
    assert before == it.world.phys.tracking
    it.zap(1, 1)
    assert [(0, 1, 2), (2, 4, 2)] == counts(it)
    it.exit("B")
    assert [(0, 1, 1), (2, 4, 1)] == counts(it)
    assert None is it.vma(0).track
    it.exit()
    assert ("-", None, set()) == (it.reserved(), it.world.phys.tracking, it.broken)


def test_drivers_are_served_with_the_type_they_ask_for() -> None:
    """Narrowing, zap and remap with another type, and first faults."""
    it = lab()
    assert "ok" == it.map(driver("narrow", WC))
    it.zap()
    assert "-" == it.reserved()
    assert "ok" == it.do(ops.Remap("A", 0, 4, "W", 0, UCM))
    assert "[0,4)U" == it.reserved()
    it.munmap(0, 4)
    it.map(driver("fault", WC))
    it.read(1)
    it.read(1)
    assert ("[1,2)C", [(1, 2, 1)]) == (it.reserved(), counts(it))
    assert set() == it.broken


def test_an_insertion_over_an_entry_gives_back() -> None:
    """The page was got before the entry was found to be there."""
    it = lab()
    it.map(driver("fault", WC))
    it.read(0)
    it.do(ops.InsertPfn("A", 0, "W", 9))
    assert [(0, 1, 1)] == counts(it)
    it.munmap(0, 4)
    it.map(driver("fault", WC))
    it.fail("__pte_alloc")
    it.read(2)
    assert [(2, 3, 1)] == counts(it)
    it.munmap(0, 4)
    assert ("-", set()) == (it.reserved(), it.broken)


def test_a_copy_gives_back() -> None:
    """A store to a private page leaves a page of RAM that nobody has to count."""
    it = lab()
    it.map(driver(cache=WC), private=True)
    it.write(1)
    assert [(0, 1, 1), (2, 4, 1)] == counts(it)
    it.fork()
    assert [(0, 1, 2), (2, 4, 2)] == counts(it)
    assert set() == it.broken


@pytest.mark.parametrize("symbol", ["pfnmap_track_ctx_alloc", "__pte_alloc"])
def test_failures_leave_the_counts(symbol: str) -> None:
    """A remap and a fork that fail keep nothing of what they had got."""
    it = lab()
    it.fail(symbol)
    assert ("ENOMEM", "-") == (it.map(driver()), it.reserved())
    assert "ok" == it.map(driver())
    it.fail(symbol)
    assert ("ENOMEM", [(0, 4, 1)]) == (it.fork(), counts(it))
    assert set() == it.broken


def test_a_remap_that_fails_half_way() -> None:
    """The first table was written and zapped, the second never: both are given back."""
    it = lab()
    it.fail("__pte_alloc", 2)
    assert "ENOMEM" == it.map(driver(cache=WC), 4, at=PTRS_PER_PTE - 2)
    assert ("-", None) == (it.reserved(), it.world.phys.tracking)
    assert "ok" == it.map(driver(cache=WC), 4, at=PTRS_PER_PTE - 2)
    it.fail("__pte_alloc", 2)
    assert ("ENOMEM", [(0, 4, 1)]) == (it.fork(), counts(it))
    it.zap(0, 2)
    assert ([(2, 4, 1)], set()) == (counts(it), it.broken)


def test_type_under_map_fixed() -> None:
    """What is replaced has been given back before the new mapping asks."""
    it = lab()
    it.map(RES_WC)
    it.map(RES)
    assert ("[0,4)U", set()) == (it.reserved(), it.broken)


def test_huge_leaves() -> None:
    """A leaf counts all its pages; a cut, an unmap of a part or a bad move gives all back."""
    it = lab()
    it.vfio("H")
    it.mmap(it.fd, 2 * PTRS_PER_PTE, window="H")
    it.read(0)
    it.read(PTRS_PER_PTE)
    assert "[0,1024)U" in it.reserved("H")
    it.munmap(1, 1)
    assert "[0,4096)U [512,1024)U" == it.reserved("H")
    it.read(2)
    it.mremap(PTRS_PER_PTE, PTRS_PER_PTE, PTRS_PER_PTE, to=4 * PTRS_PER_PTE)
    assert "[0,4096)U [2,3)U [512,1024)U" == it.reserved("H")
    it.mremap(4 * PTRS_PER_PTE, PTRS_PER_PTE, PTRS_PER_PTE, to=8 * PTRS_PER_PTE + 1)
    assert "[0,4096)U [2,3)U" == it.reserved("H")
    assert set() == it.broken


def test_what_a_clear_takes() -> None:
    """`lost` names each counted page once, whole leaves where they are cut."""
    leaf = PteRun(0, 512, 1000, UCM, write=True, huge=True, counted=True)
    page = PteRun(600, 601, 9, WC, write=True, counted=True)
    other = PteRun(602, 603, 99, WC, write=True)
    table = put((), leaf, page, other)
    assert [] == torn(table, 0, 512)
    assert [leaf] == torn(table, 7, 9)
    assert 512 == sum(run.end - run.start for run in lost(table, 7, 9))
    assert [page] == lost(table, 600, 700)
    assert 513 == sum(run.end - run.start for run in lost(table, 511, 700))
