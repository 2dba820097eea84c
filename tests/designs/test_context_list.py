"""Small changes of the tracking context: RAM, several contexts, early release."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest

from pfntrack.mm import ops
from pfntrack.mm.step import TrackContext
from pfntrack.pat import CacheMode
from pfntrack.releases import release_with
from support import RES, RES_WC, Lab, W, driver

UCM, WC = CacheMode.UC_MINUS, CacheMode.WC
LADDER = ("context-ram", "context-list", "context-list-early")


def lab(design: str) -> Lab:
    """A design of the ladder on the code of 7.3."""
    return Lab(release_with(design))


def held(it: Lab) -> tuple[TrackContext, ...]:
    """All contexts; an observer sees the newest of each VMA."""
    found = it.world.phys.tracking
    assert isinstance(found, tuple)
    return found


@pytest.mark.parametrize("design", LADDER)
def test_one_full_remap_is_as_in_7_3(design: str) -> None:
    """Fork shares, a part keeps the whole, and the last VMA releases."""
    new, old = lab(design), lab("track-context")
    for it in (new, old):
        it.map(RES_WC)
        it.fork()
        it.munmap(1, 2)
        it.exit("B")
    assert (old.reserved(), old.vmas(), old.ptes()) == (new.reserved(), new.vmas(), new.ptes())
    assert old.contexts() == new.contexts() == [TrackContext(1, W.pfn, 4, 2)]
    new.exit()
    assert ("-", None) == (new.reserved(), new.world.phys.tracking)


@pytest.mark.parametrize(("design", "word"), list(zip(LADDER, ("EINVAL", "ok", "ok"), strict=True)))
def test_second_full_remap(design: str, word: str) -> None:
    """A list takes a further context, of other pages and another type."""
    it = lab(design)
    it.map(driver(cache=WC))
    it.zap()
    assert word == it.do(ops.Remap("A", 0, 4, "W", 8, UCM))
    assert ("[0,4)C [8,12)U" if word == "ok" else "[0,4)C") == it.reserved()
    it.munmap(0, 4)
    assert ("-", None, []) == (it.reserved(), it.world.phys.tracking, it.log())


@pytest.mark.parametrize("design", LADDER[1:])
def test_narrowing_loop(design: str) -> None:
    """One context for each page; a split shares all of them, a child as well."""
    it = lab(design)
    assert "ok" == it.map(driver("narrow", WC))
    assert 4 == len(held(it))
    it.mprotect(0, 2)
    it.fork()
    # Four VMAs hold the newest, and each context holds the one made before it.
    assert [1, 1, 1, 4] == sorted(each.refs for each in held(it))
    it.munmap(0, 2)
    it.exit("A")
    assert [1, 1, 1, 2] == sorted(each.refs for each in held(it))
    it.exit("B")
    assert ("-", None, []) == (it.reserved(), it.world.phys.tracking, it.log())


def test_a_failing_remap_takes_back_its_own_context_only() -> None:
    """What the VMA held before stays."""
    it = lab("context-list")
    it.map(driver(cache=WC))
    it.zap()
    for symbol in ("pfnmap_track_ctx_alloc", "pfnmap_track"):
        it.do(ops.Fail("A", symbol))
        assert "ok" != it.do(ops.Remap("A", 0, 4, "W", 8, UCM))
        assert "[0,4)C" == it.reserved()
    it.munmap(0, 4)
    assert ("-", None) == (it.reserved(), it.world.phys.tracking)


@pytest.mark.parametrize(("design", "kind"), list(zip(LADDER, "CCU", strict=True)))
def test_type_under_map_fixed(design: str, kind: str) -> None:
    """Released before the new mapping is made, the old type does not stand in its way."""
    it = lab(design)
    it.map(RES_WC)
    it.map(RES)
    assert f"[0,4){kind}" == it.reserved()
    it.munmap(0, 4)
    assert "-" == it.reserved()


def test_early_release_of_one_piece() -> None:
    """A replaced piece gives up its share; the others keep the range."""
    it = lab("context-list-early")
    it.map(RES_WC)
    it.map(RES, 1, at=1, off=8)
    assert "[0,4)C [8,9)U" == it.reserved()
    it.munmap(0, 1)
    it.munmap(2, 2)
    assert "[8,9)U" == it.reserved()
