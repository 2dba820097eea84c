"""A debugger's look at a pfn mapping: a reservation for the blink of an eye."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest

from pfntrack.mm import ops
from pfntrack.pat import CacheMode
from support import ALL, NO_PAT, NOSYNC, RES, RES_WC, Lab


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(
    ("how", "name"),
    [(None, "uncached-minus"), (RES_WC, "write-combining"), (RES, "uncached-minus")],
)
def test_p1_the_entrys_own_type_is_asked_for(
    release: str, how: dict[str, object] | None, name: str
) -> None:
    """One page is reserved and released at once, and `debugpat` shows its type."""
    lab = Lab(release)
    lab.map(how)
    assert "ok" == lab.do(ops.Access("A", 1))
    assert [
        "x86/PAT: Overlap at 0xfe000000-0xfe004000",
        f"x86/PAT: memtype_reserve added [mem 0xfe001000-0xfe001fff], "
        f"track {name}, req {name}, ret {name}",
        "x86/PAT: memtype_free request [mem 0xfe001000-0xfe001fff]",
    ] == [text for event in lab.events if (text := event.text()) is not None]
    assert "[0,4)*" == lab.vmas()


@pytest.mark.parametrize("release", ALL)
def test_access_leaves_nothing_behind(release: str) -> None:
    """Tree, mappings and entries are as before, also for the last page of an entry."""
    lab = Lab(release)
    lab.map(NOSYNC, window="H")
    before = lab.world
    for page in range(4):
        assert "ok" == lab.do(ops.Access("A", page))
        assert before == lab.world


@pytest.mark.parametrize("release", ALL)
def test_access_shows_what_was_stored(release: str) -> None:
    """The device's page is read, not a copy of it."""
    lab = Lab(release)
    lab.map()
    lab.write(2)
    lab.do(ops.Access("A", 2))
    assert 0x5A5A5A5A == lab.result.value
    lab.do(ops.Access("A", 1))
    assert 0 == lab.result.value


@pytest.mark.parametrize("release", ALL)
def test_access_needs_an_entry(release: str) -> None:
    """Zapped pages, holes, and drivers without ->access are EIO, silently."""
    lab = Lab(release)
    lab.map(at=8)
    lab.do(ops.Request("W", 0, 1))
    lab.vfio("L")
    lab.mmap(lab.fd)
    lab.read(0)
    assert "[0,1)L+0Uw" in lab.ptes() or "[0,4)L+0Uw" in lab.ptes()
    assert ["EIO"] * 3 == [lab.do(ops.Access("A", page)) for page in (8, 100, 0)]
    assert [] == lab.log()


@pytest.mark.parametrize("release", ALL)
def test_access_does_not_need_permission(release: str) -> None:
    """A debugger sees what the process itself may not."""
    lab = Lab(release)
    lab.map()
    lab.mprotect(0, 4, "-")
    assert ("SIGSEGV", "ok") == (lab.read(0), lab.do(ops.Access("A", 0)))


@pytest.mark.parametrize("release", ALL)
def test_access_to_ordinary_memory(release: str) -> None:
    """There it is a plain read."""
    lab = Lab(release)
    lab.do(ops.AnonOver("A", 0, 2))
    lab.write(0)
    assert ("ok", 0x5A5A5A5A) == (lab.do(ops.Access("A", 0)), lab.result.value)


@pytest.mark.parametrize("release", ALL)
def test_access_with_pat_off(release: str) -> None:
    """Nothing is reserved, not even for a moment."""
    lab = Lab(release, NO_PAT)
    lab.map()
    assert ("ok", []) == (lab.do(ops.Access("A", 0)), [e for e in lab.events if e.kind == "added"])


@pytest.mark.parametrize("release", ALL)
def test_access_after_the_reservation_was_lost(release: str) -> None:
    """Without an entry in the way the page's type is reserved alone."""
    lab = Lab(release)
    lab.ioremap("fb", 0, 4, CacheMode.WC)
    lab.map(RES)
    lab.do(ops.Iounmap("fb"))
    lab.munmap(1, 3)
    assert "ok" == lab.do(ops.Access("A", 0))
    assert [CacheMode.WC] == [getattr(e, "req", None) for e in lab.events if e.kind == "added"]
