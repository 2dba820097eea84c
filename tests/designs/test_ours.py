"""What our own design promises, and the shortest programs on which others give in."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pfntrack.check import judge_state, judge_step
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.mm.pagetable import PTRS_PER_PTE
from pfntrack.pat import CacheMode
from pfntrack.releases import release_with
from support import RES, RES_WC, Lab, driver

UCM, WC = CacheMode.UC_MINUS, CacheMode.WC


class Judged(Lab):
    """A lab that remembers which properties broke."""

    def __init__(self, design: str) -> None:
        super().__init__(release_with(design))
        self.broken: set[str] = set()

    def do(self, op: Op) -> str:
        before = self.world
        word = super().do(op)
        found = judge_step(self.kernel, before, op, self.world, self.result, self.events)
        found += judge_state(self.kernel, self.world)
        self.broken |= {each.property for each in found}
        return word


def ours(design: str = "ours") -> Judged:
    """Our design on the ordinary machine."""
    return Judged(design)


def test_narrowing_loop() -> None:
    """A driver that maps page by page as if each were the whole is served, and leaves nothing."""
    lab = ours()
    assert "ok" == lab.map(driver("narrow", WC))
    assert ("[0,4)C", "[0,4)*") == (lab.reserved(), lab.vmas())
    lab.munmap(1, 1)
    assert "[0,1)C [2,4)C" == lab.reserved()
    lab.munmap(0, 4)
    assert ("-", set()) == (lab.reserved(), lab.broken)


def test_remap_after_zap_with_another_type() -> None:
    """What was zapped is free: the driver may map it anew as it likes."""
    lab = ours()
    lab.map(driver(cache=WC))
    lab.zap()
    assert ("-", "[0,4)") == (lab.reserved(), lab.vmas())
    assert "ok" == lab.do(ops.Remap("A", 0, 4, "W", 0, UCM))
    assert ("[0,4)U", "[0,4)*", set()) == (lab.reserved(), lab.vmas(), lab.broken)


def test_freed_part_takes_another_type() -> None:
    """A page that was unmapped is reserved no longer."""
    lab = ours()
    lab.map(RES_WC, 2)
    lab.munmap(1, 1)
    assert "ok" == lab.map(RES, 1, at=16, off=1)
    assert ("[0,1)C [1,2)U", set()) == (lab.reserved(), lab.broken)


def test_map_fixed_over_the_same_pages() -> None:
    """The old mapping is out of the books before the new one is made."""
    lab = ours()
    lab.map(RES_WC)
    assert "ok" == lab.map(RES)
    assert ("[0,4)U", set()) == (lab.reserved(), lab.broken)


def test_pages_come_back_with_their_type() -> None:
    """A driver that zaps and lets faults insert again gets the type it had mapped with."""
    lab = ours()
    lab.map(driver(cache=WC))
    lab.zap(0, 2)
    assert "[2,4)C" == lab.reserved()
    lab.do(ops.InsertPfn("A", 0, "W", 0))
    assert ("[0,1)C [2,4)C", set()) == (lab.reserved(), lab.broken)


def test_a_wish_yields_to_a_live_mapping() -> None:
    """Somebody has mapped the zapped page with another type: the insertion follows."""
    lab = ours()
    lab.map(driver(cache=WC))
    lab.zap(0, 1)
    lab.map(RES, 1, at=16)
    lab.do(ops.InsertPfn("A", 0, "W", 0))
    assert ("[0,1)U [1,4)C", set()) == (lab.reserved(), lab.broken)
    assert "[0,1)W+0Uw [1,4)W+1Cw [16,17)W+0Uw" == lab.ptes()


def test_fork_counts() -> None:
    """The child is counted, not reserved for; the last holder of a page releases it."""
    lab = ours()
    lab.map(pages=2)
    assert "ok" == lab.fork()
    assert ["[0,2)U", "[0,2)*"] == [lab.reserved(), lab.vmas("B")]
    lab.munmap(0, 1)
    assert "[0,1)U [1,2)U" == lab.reserved()
    lab.exit("B")
    assert ("[1,2)U", set()) == (lab.reserved(), lab.broken)


def test_a_store_frees_the_page() -> None:
    """A private page that was copied is the device's no longer."""
    lab = ours()
    lab.map(driver(cache=WC), 2, private=True)
    lab.write(0)
    assert "[1,2)C" == lab.reserved()
    assert "ok" == lab.map(RES, 1, at=16)
    assert ("[0,1)U [1,2)C", set()) == (lab.reserved(), lab.broken)


def test_a_part_moves() -> None:
    """Pieces go with their entries; counts do not change."""
    lab = ours()
    lab.map(pages=3)
    lab.mremap(1, 1, 1, to=16)
    assert ("[0,3)U", "[0,1)* [2,3)* [16,17)*") == (lab.reserved(), lab.vmas())
    lab.munmap(16, 1)
    assert ("[0,1)U [2,3)U", set()) == (lab.reserved(), lab.broken)


def test_ram_is_not_counted() -> None:
    """RAM keeps its type in page flags, so nothing is stored for it."""
    lab = ours()
    lab.do(ops.RamAlloc("0", 4))
    lab.map(driver(), window="ram0")
    assert ("[0,4)", None) == (lab.vmas(), lab.world.phys.tracking)
    assert None is lab.vma(0).track


def test_huge_leaves() -> None:
    """A cut through a huge leaf of raw pages clears all of it, and the books with it."""
    lab = ours()
    lab.vfio("H")
    lab.mmap(lab.fd, 2 * PTRS_PER_PTE, window="H")
    lab.read(0)
    lab.read(PTRS_PER_PTE)
    assert f"[0,{PTRS_PER_PTE})U" in lab.reserved("H").replace("[0,1024)U", "[0,512)U")
    lab.munmap(1, 1)
    assert "[0,4096)U [512,1024)U" == lab.reserved("H")
    assert set() == lab.broken
    lab.read(2)
    lab.mremap(PTRS_PER_PTE, PTRS_PER_PTE, PTRS_PER_PTE, to=4 * PTRS_PER_PTE)
    assert "[0,4096)U [2,3)U [512,1024)U" == lab.reserved("H")
    lab.mremap(4 * PTRS_PER_PTE, PTRS_PER_PTE, PTRS_PER_PTE, to=8 * PTRS_PER_PTE + 1)
    assert "[0,4096)U [2,3)U" == lab.reserved("H")
    assert set() == lab.broken


def test_failures_leave_the_books_as_they_were() -> None:
    """No memory for the books, for a page table, or at fork: nothing is kept."""
    lab = ours()
    lab.fail("pfnmap_track_ctx_alloc")
    assert ("ENOMEM", "-") == (lab.map(driver()), lab.reserved())
    lab.fail("__pte_alloc")
    assert ("ENOMEM", "-") == (lab.map(driver()), lab.reserved())
    assert "ok" == lab.map(driver())
    for symbol in ("pfnmap_track_ctx_alloc", "__pte_alloc"):
        lab.fail(symbol)
        assert ("ENOMEM", "[0,4)U") == (lab.fork(), lab.reserved())
    assert set() == lab.broken


# The shortest programs known on which one has to choose; see docs/designs.md.
ALIAS = (driver("fault"), [ops.Read("A", 0), ops.Ioremap("x", "W", 0, 1, WC)])
HALF = (driver(cache=WC, first=1), [ops.Ioremap("x", "W", 1, 1, WC)])
ZAPPED = (driver(cache=WC), [ops.ZapVma("A", 0, 4), ops.Ioremap("x", "W", 0, 1, UCM)])


COPIED = (driver(cache=WC), [ops.Write("A", 0), ops.Ioremap("x", "W", 0, 1, UCM)])


@pytest.mark.parametrize(
    ("how", "steps", "broken", "private"),
    [
        (*ALIAS, {"I5"}, False),
        (*HALF, {"I5"}, False),
        (*ZAPPED, {"I7"}, False),
        (*COPIED, {"I7"}, True),
    ],
    ids=["inserted", "part", "zapped", "copied"],
)
def test_what_work_at_faults_and_zaps_buys(
    how: dict[str, object], steps: Sequence[Op], broken: set[str], private: bool
) -> None:
    """Without it there is an alias, or a type is refused though nothing live is in the way."""
    for design in ("track-context", "counted-tree", "ours-at-unmap"):
        lab = ours(design)
        lab.map(how, private=private)
        for op in steps:
            lab.do(op)
        assert broken == lab.broken, design
    lab = ours()
    lab.map(how, private=private)
    for op in steps:
        lab.do(op)
    assert set() == lab.broken


def test_refault_finds_its_type_only_if_somebody_remembers() -> None:
    """Releasing at the zap without remembering the type, as 6.12 does, maps UC- where WC was."""
    types = {}
    for design in ("vm-pat", "track-context", "ours"):
        lab = ours(design)
        lab.map(driver(cache=WC))
        lab.zap()
        lab.do(ops.InsertPfn("A", 0, "W", 0))
        types[design] = lab.ptes()
    assert types["vm-pat"] == "[0,1)W+0Uw"
    assert types["track-context"] == types["ours"] == "[0,1)W+0Cw"
