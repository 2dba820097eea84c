"""The driver's mmap reserves: one range for a VMA, which faults only look up."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest

from pfntrack.mm import ops
from pfntrack.pat import CacheMode
from pfntrack.releases import release_with
from support import RES, Lab, driver

UCM, WC = CacheMode.UC_MINUS, CacheMode.WC


def lab() -> Lab:
    """The design on the code of 7.3."""
    return Lab(release_with("reserve-at-mmap"))


def test_faults_get_what_mmap_reserved() -> None:
    """Write-combining at a fault, before and after a truncation, until the mapping goes."""
    it = lab()
    it.map(driver("fault", WC))
    assert "[0,4)C" == it.reserved()
    it.read(0)
    it.zap()
    it.read(1)
    assert "[1,2)W+1Cw" == it.ptes()
    it.fork()
    it.munmap(0, 4)
    it.read(2, "B")
    assert "[0,4)C" == it.reserved()
    it.exit("B")
    assert ("-", None, []) == (it.reserved(), it.world.phys.tracking, it.log())


@pytest.mark.parametrize("mode", ["two", "pagewise", "narrow"])
def test_parts_lie_in_the_range(mode: str) -> None:
    """One reservation, however the driver divides its calls."""
    it = lab()
    assert "ok" == it.map(driver(mode, WC))
    assert ("[0,4)C", "[0,4)W+0Cw") == (it.reserved(), it.ptes())
    assert 1 == len(it.contexts())


def test_who_comes_later_is_told() -> None:
    """The page is reserved though no fault has come yet: the second type is not granted."""
    it = lab()
    it.map(driver("fault", WC))
    it.map(RES, at=16)
    it.read(0)
    assert "[0,1)W+0Cw [16,20)W+0Cw" == it.ptes()


def test_one_range_only() -> None:
    """The same pages may be mapped anew; others are refused."""
    it = lab()
    it.map(driver(cache=WC))
    it.zap()
    assert "EINVAL" == it.do(ops.Remap("A", 0, 4, "W", 8, WC))
    assert "ok" == it.do(ops.Remap("A", 0, 4, "W", 0, UCM))
    assert ("[0,4)C", "[0,4)W+0Cw") == (it.reserved(), it.ptes())
    it.munmap(0, 2)
    assert "[0,4)C" == it.reserved()
    it.munmap(2, 2)
    assert "-" == it.reserved()


def test_a_mapping_that_cannot_be_reserved_fails() -> None:
    """mmap of a driver that only inserts can now fail, and leaves nothing."""
    it = lab()
    it.fail("memtype_reserve")
    assert ("EINVAL", "-") == (it.map(driver("fault", WC)), it.reserved())
    it.fail("pfnmap_track_ctx_alloc")
    assert ("ENOMEM", "-") == (it.map(driver("fault", WC)), it.reserved())


def test_vfio() -> None:
    """A BAR that VFIO holds UC- for itself is reserved once more for each mapping."""
    it = lab()
    it.vfio("W")
    it.mmap(it.fd, 4, window="W")
    it.read(0)
    assert "[0,64)U [0,4)U" == it.reserved()
    it.munmap(0, 4)
    assert "[0,64)U" == it.reserved()
