"""The ideas of 2024, one by one: what each was for, and what it cannot do."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest

from pfntrack.designs import DESIGNS
from pfntrack.mm import ops
from pfntrack.mm.vma import VM_PAT
from pfntrack.pat import CacheMode
from pfntrack.releases import RELEASES, release_with
from support import RES, RES_WC, Lab, W, driver

UCM, WC = CacheMode.UC_MINUS, CacheMode.WC


def lab(design: str) -> Lab:
    """A design on the code of its base release."""
    return Lab(release_with(design))


@pytest.mark.parametrize(
    "design",
    "pfn-per-vma driver-hook side-table counted-tree track-context".split(),
)
def test_release_needs_no_page_table(design: str) -> None:
    """After everything was zapped the release still finds its range, in silence."""
    it = lab(design)
    it.map(driver())
    it.zap()
    it.munmap(0, 4)
    assert ("-", []) == (it.reserved(), it.log())


def test_pfn_per_vma_advances() -> None:
    """The upper piece of a split begins at a later pfn; the tree still knows the whole only."""
    it = lab("pfn-per-vma")
    it.map(RES)
    it.mprotect(2, 2)
    assert (W.pfn, W.pfn + 2) == (it.vma(0).track, it.vma(2).track)
    it.munmap(0, 2)
    assert "inv(0,2)" == it.invalid()


def test_pfn_per_vma_child_reserves() -> None:
    """The child has a reservation of its own, of the type that the tree knows."""
    it = lab("pfn-per-vma")
    it.map(RES_WC)
    it.fork()
    assert "[0,4)C [0,4)C" == it.reserved()
    it.exit("B")
    assert "[0,4)C" == it.reserved()


def test_driver_hook_stores_a_flag_only() -> None:
    """The VMA holds no pfn: the driver is asked, and answers for private mappings too."""
    it = lab("driver-hook")
    it.map(driver(), off=3, private=True)
    assert None is it.vma(0).track
    assert it.vma(0).flags & VM_PAT
    it.write(0)
    it.munmap(0, 4)
    assert ("-", []) == (it.reserved(), it.log())


def test_driver_hook_believes_the_driver() -> None:
    """A driver that maps other pages later still answers with the first ones."""
    it = lab("driver-hook")
    it.map(driver())
    it.zap()
    it.do(ops.Remap("A", 0, 4, "W", 8))
    it.munmap(0, 4)
    assert ("inv(0,4)", "[8,12)U") == (it.invalid(), it.reserved())


def test_side_table_shares() -> None:
    """Pieces and children add rows, not reservations; numbers are used again."""
    it = lab("side-table")
    it.map()
    it.mprotect(0, 2)
    it.fork()
    assert ("[0,4)U", [4]) == (it.reserved(), [each.refs for each in it.contexts()])
    it.exit("B")
    it.munmap(0, 2)
    assert [1] == [each.refs for each in it.contexts()]
    it.munmap(2, 2)
    assert ("-", None) == (it.reserved(), it.world.phys.tracking)
    it.map()
    assert 1 == it.vma(0).track


def test_forbid_partial_zap() -> None:
    """A part is not zapped and stays mapped; all of a VMA is, and releases as before."""
    it = lab("forbid-partial-zap")
    it.map(driver())
    before = it.world.process("A").space
    it.zap(1, 1)
    assert before == it.world.process("A").space
    assert ("ok", "[0,4)U") == (it.read(1), it.reserved())
    it.zap()
    assert ("-", "-", []) == (it.reserved(), it.ptes(), it.log())


def test_forbid_partial_zap_lets_programs_split() -> None:
    """munmap, mprotect and mremap of a part go through a split."""
    it = lab("forbid-partial-zap")
    it.map(driver())
    assert "ok" == it.munmap(3, 1)
    assert "ok" == it.mprotect(1, 2)
    it.zap(1, 2)
    assert "[0,1)W+0Uw" == it.ptes()


def test_caller_managed_has_one_type_per_window() -> None:
    """The first mapping decides for the whole window, until the last one has gone."""
    it = lab("caller-managed")
    it.map(driver(cache=WC), 1)
    it.map(driver(cache=UCM), 1, at=16, off=8)
    assert "[0,64)C" == it.reserved()
    assert "[0,1)W+0Cw [16,17)W+8Cw" == it.ptes()
    it.munmap(0, 1)
    it.fork()
    it.exit("A")
    assert "[0,64)C" == it.reserved()
    it.exit("B")
    assert ("-", None) == (it.reserved(), it.world.phys.tracking)


def test_caller_managed_devmem_has_no_driver() -> None:
    """/dev/mem reserves nothing: it gets what it finds, UC- in doubt."""
    it = lab("caller-managed")
    it.map()
    assert ("-", "[0,4)W+0Uw") == (it.reserved(), it.ptes())


def test_split_reservation_splits_the_entry() -> None:
    """Each piece has its entry, and leaves in any order."""
    it = lab("split-reservation")
    it.map(RES)
    it.munmap(1, 1)
    assert ("[0,1)U [2,4)U", []) == (it.reserved(), it.log())
    it.munmap(0, 4)
    assert ("-", []) == (it.reserved(), it.log())


def test_split_reservation_can_fail() -> None:
    """A mapping made page by page has no entry to split: a part of it cannot be unmapped."""
    it = lab("split-reservation")
    assert "ok" == it.map(driver("narrow"))
    assert "[0,1)U [1,2)U [2,3)U [3,4)U" == it.reserved()
    assert "EINVAL" == it.munmap(1, 1)
    assert ("[0,4)*", "[0,4)W+0Uw") == (it.vmas(), it.ptes())


def test_counted_tree_counts_runs() -> None:
    """Overlapping mappings make runs of different counts; the tree has no overlaps."""
    it = lab("counted-tree")
    it.map(RES, 2)
    it.mmap(it.fd, 2, at=16, off=1)
    assert "[0,1)U [1,2)U [2,3)U" == it.reserved()
    it.munmap(0, 2)
    assert ("[1,3)U", []) == (it.reserved(), it.log())


def test_interface_moments_are_harmless() -> None:
    """Designs that do not care about an inserted entry or a copied page do nothing there."""
    for name, design in DESIGNS.items():
        it = lab(name)
        it.map(driver("fault"))
        it.read(0)
        it.map(driver(), private=True, at=16)
        it.write(16)
        it.exit()
        assert None is it.world.phys.tracking, name
        assert design.base in RELEASES
        assert design.cost.remap.tree, name
