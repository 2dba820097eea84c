"""madvise on pfn mappings: each advice on each release, and what splits or stays."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest

from pfntrack.errors import ModelError
from pfntrack.mm import ops
from pfntrack.mm.calls.madvise import ADVICES, ADVICES_5_10, ADVICES_6_1
from support import ALL, RES, VM_PAT_RELEASES, Lab, driver

# Results on a shared, writable /dev/mem mapping. Advice that a release does
# not know is EINVAL, which is what newer ones say of these as well.
ON_DEVMEM = {
    "normal": "ok",
    "random": "ok",
    "sequential": "ok",
    "willneed": "ok",
    "dontneed": "EINVAL",
    "dontneed_locked": "EINVAL",
    "free": "EINVAL",
    "remove": "ENODEV",
    "dontfork": "ok",
    "dofork": "EINVAL",
    "mergeable": "ok",
    "unmergeable": "ok",
    "hugepage": "ok",
    "nohugepage": "ok",
    "dontdump": "ok",
    "dodump": "EINVAL",
    "wipeonfork": "EINVAL",
    "keeponfork": "ok",
    "cold": "EINVAL",
    "pageout": "EINVAL",
    "hwpoison": "EFAULT",
    "soft_offline": "EFAULT",
    "populate_read": "EINVAL",
    "populate_write": "EINVAL",
    "collapse": "EINVAL",
    "guard_install": "EINVAL",
    "guard_remove": "EINVAL",
}
SPLITTING = ["random", "sequential", "dontfork", "hugepage", "nohugepage"]
HARMLESS = sorted(set(ON_DEVMEM) - set(SPLITTING))


def test_table_is_complete() -> None:
    """Every advice of any release is in the table, and releases only learn."""
    assert set(ON_DEVMEM) == ADVICES
    assert ADVICES_5_10 < ADVICES_6_1 < ADVICES


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("advice", sorted(ON_DEVMEM))
def test_result_on_devmem(release: str, advice: str) -> None:
    """The documented result; whatever it is, entries and reservations stay."""
    lab = Lab(release)
    lab.map()
    assert ON_DEVMEM[advice] == lab.madvise(0, 4, advice)
    assert ("[0,4)U", "[0,4)*", "[0,4)W+0Uw") == (lab.reserved(), lab.vmas(), lab.ptes())
    assert [] == lab.log()


@pytest.mark.parametrize(
    ("release", "known"),
    [
        ("5.10", {"populate_read": False, "dontneed_locked": False, "collapse": False}),
        ("6.1", {"populate_read": True, "collapse": True, "guard_install": False}),
        ("6.12", {"populate_read": True, "collapse": True, "guard_install": False}),
        ("7.3", {"populate_read": True, "collapse": True, "guard_install": True}),
    ],
)
def test_advice_that_a_release_does_not_know(release: str, known: dict[str, bool]) -> None:
    """On ordinary memory the difference between unknown and refused shows."""
    lab = Lab(release)
    lab.do(ops.AnonOver("A", 0, 4))
    results = {advice: lab.madvise(0, 4, advice) for advice in known}
    assert {advice: "ok" if yes else "EINVAL" for advice, yes in known.items()} == results


def test_advice_that_nobody_knows() -> None:
    """A word that is no advice of any release is the caller's mistake."""
    with pytest.raises(ModelError, match="unknown advice 'hurry'"):
        Lab().madvise(0, 4, "hurry")


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("advice", SPLITTING)
def test_advice_that_splits(release: str, advice: str) -> None:
    """A part of a VMA becomes a VMA of its own, and all parts stay tracked."""
    lab = Lab(release)
    lab.map()
    assert "ok" == lab.madvise(1, 2, advice)
    assert ("[0,1)* [1,3)* [3,4)*", "[0,4)U") == (lab.vmas(), lab.reserved())


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("advice", HARMLESS)
def test_advice_that_does_not_split(release: str, advice: str) -> None:
    """No flag changes, so nothing is cut."""
    lab = Lab(release)
    lab.map()
    lab.madvise(1, 2, advice)
    assert "[0,4)*" == lab.vmas()


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(
    ("advice", "flag"),
    [
        ("random", "rr"),
        ("sequential", "sr"),
        ("dontfork", "dc"),
        ("hugepage", "hg"),
        ("nohugepage", "nh"),
    ],
)
def test_flags(release: str, advice: str, flag: str) -> None:
    """Each advice sets its flag; opposites replace each other."""
    lab = Lab(release)
    lab.map()
    lab.madvise(0, 4, advice)
    assert flag in lab.flags(0)
    lab.madvise(0, 4, "normal")
    lab.madvise(0, 4, {"hg": "nohugepage", "nh": "hugepage"}.get(flag, "normal"))
    assert (flag == "dc") == (flag in lab.flags(0))


@pytest.mark.parametrize(
    ("release", "left", "invalid"),
    [
        ("5.10", "[0,2)U", "inv(0,2)"),
        ("6.1", "[0,2)U", "inv(0,2)"),
        ("6.12", "[0,2)U", "inv(0,2)"),
        ("7.3", "-", ""),
    ],
)
def test_s14_advice_is_enough_to_leak(release: str, left: str, invalid: str) -> None:
    """A split by madvise breaks the bookkeeping like any other."""
    lab = Lab(release)
    lab.map()
    lab.madvise(2, 2, "random")
    lab.munmap(0, 4)
    assert (left, invalid) == (lab.reserved(), lab.invalid())


@pytest.mark.parametrize("release", ALL)
def test_s13_dontfork(release: str) -> None:
    """The child does not get the mapping, and nothing is reserved for it."""
    lab = Lab(release)
    lab.map()
    lab.madvise(0, 4, "dontfork")
    assert "ok" == lab.fork()
    assert ("[0,4)U", "-") == (lab.reserved(), lab.vmas("B"))


@pytest.mark.parametrize("release", ALL)
def test_dontfork_of_a_part(release: str) -> None:
    """The other parts are copied, each with a reservation of its own up to 6.12."""
    lab = Lab(release)
    lab.map()
    lab.madvise(0, 2, "dontfork")
    assert "ok" == lab.fork()
    twice = release in VM_PAT_RELEASES
    assert ("[0,4)U [2,4)U" if twice else "[0,4)U", "[2,4)*") == (lab.reserved(), lab.vmas("B"))


@pytest.mark.parametrize("release", ALL)
def test_remove_needs_a_shared_writable_mapping(release: str) -> None:
    """Nobody else may have the file punched; from 6.1 it is enough that it may be written."""
    lab = Lab(release)
    lab.map(driver(), private=True)
    assert "EACCES" == lab.madvise(0, 4, "remove")
    lab.map(driver(), at=8, prot="r")
    assert ("EACCES" if release == "5.10" else "ENODEV") == lab.madvise(8, 4, "remove")


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("how", [driver(), driver("fault")], ids=["remap", "fault"])
def test_remove_on_a_character_device(release: str, how: dict[str, object]) -> None:
    """A device file cannot be punched at all."""
    lab = Lab(release)
    lab.map(how)
    assert "ENODEV" == lab.madvise(0, 4, "remove")


@pytest.mark.parametrize("release", ALL)
def test_holes(release: str) -> None:
    """What is mapped gets the advice, the hole is reported."""
    lab = Lab(release)
    lab.map(pages=2)
    lab.map(RES, 2, at=4, off=8)
    assert "ENOMEM" == lab.madvise(0, 6, "random")
    assert {"rr"} <= lab.flags(0) & lab.flags(4)
    assert "ENOMEM" == lab.madvise(100, 1, "random")


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("advice", ["dontneed", "free"])
def test_anonymous_pages_are_dropped(release: str, advice: str) -> None:
    """On ordinary memory the pages go, and come back empty."""
    lab = Lab(release)
    lab.do(ops.AnonOver("A", 0, 4))
    lab.write(1)
    assert "ok" == lab.madvise(0, 4, advice)
    assert "-" == lab.ptes()
    assert ("ok", 0) == (lab.read(1), lab.result.value)


@pytest.mark.parametrize(
    ("release", "result"),
    [("5.10", "ENOMEM"), ("6.1", "EAGAIN"), ("6.12", "EAGAIN"), ("7.3", "EAGAIN")],
)
def test_too_many_vmas(release: str, result: str) -> None:
    """A split that may not be made is told as `try again`, except by 5.10."""
    lab = Lab(release)
    lab.map()
    lab.do(ops.Sysctl("vm/max_map_count", "11"))
    assert result == lab.madvise(1, 2, "random")
    assert ("[0,4)*", "[0,4)U") == (lab.vmas(), lab.reserved())


@pytest.mark.parametrize(
    ("release", "result"), [("6.1", "EINVAL"), ("6.12", "ENOMEM"), ("7.3", "ENOMEM")]
)
def test_populating_meets_a_hole_first(release: str, result: str) -> None:
    """Newer kernels stop at the hole; 6.1 goes on and is refused by the mapping behind it."""
    lab = Lab(release)
    lab.map(at=4)
    assert result == lab.madvise(2, 4, "populate_read")
