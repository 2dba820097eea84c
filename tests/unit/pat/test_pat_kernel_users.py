"""ioremap, arch_io_reserve_memtype_wc and set_memory_*: the kernel's own reservations."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest

from pfntrack.mm import ops
from pfntrack.pat import CacheMode
from pfntrack.pat.mtrr import Mtrr
from support import ALL, NO_PAT, NOSYNC, RES, RES_WC, VM_PAT_RELEASES, Lab, driver

WB, WC, UCM, UC, WT, WP = CacheMode


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(
    ("kind", "expected"),
    [(WB, "[0,4)U"), (WC, "[0,4)C"), (UCM, "[0,4)U"), (UC, "[0,4)S"), (WT, "[0,4)T")],
)
def test_t14_kinds_of_ioremap_on_fresh_pages(release: str, kind: CacheMode, expected: str) -> None:
    """Each kind of ioremap() reserves its type, the cached one under an uncachable MTRR UC-."""
    lab = Lab(release)
    assert "ok" == lab.ioremap("k", 0, 4, kind)
    assert expected == lab.reserved()
    assert "ok" == lab.do(ops.Iounmap("k"))
    assert "-" == lab.reserved()


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(
    ("first", "second", "result", "expected"),
    [
        (UCM, WC, "ok", "[0,4)U [0,4)U"),
        (WC, WB, "ok", "[0,4)C [0,4)C"),
        (WC, UCM, "ok", "[0,4)C [0,4)C"),
        (WC, WT, "ENOMEM", "[0,4)C"),
        (UCM, WB, "ok", "[0,4)U [0,4)U"),
        (UC, UCM, "ok", "[0,4)S [0,4)S"),
        (WT, UCM, "ok", "[0,4)T [0,4)T"),
    ],
)
def test_t14_ioremap_over_ioremap(
    release: str, first: CacheMode, second: CacheMode, result: str, expected: str
) -> None:
    """The first type wins; only WT over WC is refused here."""
    lab = Lab(release)
    lab.ioremap("a", 0, 4, first)
    assert result == lab.ioremap("b", 0, 4, second)
    assert expected == lab.reserved()


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("kind", [UCM, WC])
def test_ioremap_over_write_back_is_refused(release: str, kind: CacheMode) -> None:
    """A write-back entry locks a driver out of its BAR (H2)."""
    lab = Lab(release)
    lab.map(NOSYNC, window="H")
    assert "[0,4)B" == lab.reserved("H")
    assert "ENOMEM" == lab.ioremap("k", 0, 1, kind, window="H")
    assert "[0,4)B" == lab.reserved("H")
    assert [
        f"ioremap error for 0x200000000-0x200001000, requested 0x{kind.value}, got 0x0"
    ] == lab.log()


@pytest.mark.parametrize(
    ("release", "result"),
    [("5.10", "ENOMEM"), ("6.1", "ENOMEM"), ("6.12", "ENOMEM"), ("7.3", "ok")],
)
def test_h2_a_leak_locks_the_driver_out(release: str, result: str) -> None:
    """After a leak of write-back pages no driver for that BAR can probe any more."""
    lab = Lab(release)
    lab.map(NOSYNC, window="H")
    lab.munmap(0, 1)
    lab.munmap(1, 3)
    assert ("[0,1)B" if result == "ENOMEM" else "-") == lab.reserved("H")
    assert result == lab.ioremap("regs", 0, 4, UCM, window="H")


@pytest.mark.parametrize("release", ALL)
def test_t13_a_leak_dictates_the_type(release: str) -> None:
    """On releases that leak, write-combining of the leaked page becomes UC-."""
    lab = Lab(release)
    lab.map()
    lab.munmap(0, 1)
    lab.munmap(1, 3)
    lab.ioremap("a", 0, 1, WC)
    lab.ioremap("b", 1, 1, WC)
    leaks = release in VM_PAT_RELEASES
    assert ("[0,1)U [0,1)U [1,2)C" if leaks else "[0,1)C [1,2)C") == lab.reserved()


@pytest.mark.parametrize("release", ALL)
def test_strong_uc_over_write_back_is_accepted(release: str) -> None:
    """UC over WB is not among the refused pairs."""
    lab = Lab(release)
    lab.map(NOSYNC, window="H")
    assert "ok" == lab.ioremap("k", 0, 4, UC, window="H")
    assert "[0,4)B [0,4)B" == lab.reserved("H")


@pytest.mark.parametrize("release", ALL)
def test_iounmap_of_nothing_is_refused(release: str) -> None:
    """An unknown mapping changes nothing."""
    lab = Lab(release)
    lab.ioremap("a", 0, 4, UCM)
    assert "ENOENT" == lab.do(ops.Iounmap("b"))
    assert "[0,4)U" == lab.reserved()


@pytest.mark.parametrize("release", ALL)
def test_iounmap_may_take_a_twin(release: str) -> None:
    """Identical entries cannot be told apart: a user's survives as the kernel's."""
    lab = Lab(release)
    lab.map()
    lab.ioremap("a", 0, 4, UCM)
    assert "[0,4)U [0,4)U" == lab.reserved()
    lab.do(ops.Iounmap("a"))
    assert "[0,4)U" == lab.reserved()
    lab.munmap(0, 4)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ALL)
def test_user_mapping_follows_the_kernels_type(release: str) -> None:
    """The sysfs file asks for UC-, but the kernel's WC is there first (S18b)."""
    lab = Lab(release)
    lab.ioremap("wc", 0, 4, WC)
    assert "ok" == lab.map(RES)
    assert ("[0,4)C [0,4)C", "[0,4)W+0Cw") == (lab.reserved(), lab.ptes())
    assert [] == lab.log()


@pytest.mark.parametrize("release", ALL)
def test_wc_reservation_without_a_mapping(release: str) -> None:
    """arch_io_reserve_memtype_wc() reserves exactly its range and gives it back."""
    lab = Lab(release)
    assert "ok" == lab.do(ops.WcReserve("W", 0, 4))
    assert "[0,4)C" == lab.reserved()
    assert "ok" == lab.do(ops.WcFree("W", 0, 4))
    assert "-" == lab.reserved()


@pytest.mark.parametrize("release", ALL)
def test_wc_reservation_takes_what_it_meets(release: str) -> None:
    """WC over UC- is allowed, WC over write-back is busy."""
    lab = Lab(release)
    lab.map(RES)
    lab.map(NOSYNC, at=8, window="H")
    assert "ok" == lab.do(ops.WcReserve("W", 0, 4))
    assert "[0,4)U [0,4)U" == lab.reserved()
    assert "EBUSY" == lab.do(ops.WcReserve("H", 0, 4))
    assert "[0,4)B" == lab.reserved("H")


@pytest.mark.parametrize("release", ALL)
def test_wc_reservation_conflicts(release: str) -> None:
    """Over two types it is busy, and the neighbours stay."""
    lab = Lab(release)
    lab.map(RES, 2)
    lab.map(RES_WC, 2, at=8, off=2)
    assert "EBUSY" == lab.do(ops.WcReserve("W", 0, 4))
    assert "[0,2)U [2,4)C" == lab.reserved()


@pytest.mark.parametrize("release", ALL)
def test_driver_binds_and_unbinds(release: str) -> None:
    """A driver claims its BAR, maps its registers one by one, and gives all back."""
    lab = Lab(release)
    assert "ok" == lab.do(ops.DriverBind("V"))
    assert "[0,1)U [1,2)U [2,3)U [3,4)U" == lab.reserved("V")
    assert "EBUSY" == lab.do(ops.DriverBind("V"))
    assert "ok" == lab.do(ops.DriverUnbind("V"))
    assert ("-", ()) == (lab.reserved("V"), lab.world.phys.claims)
    assert "ENODEV" == lab.do(ops.DriverUnbind("V"))


@pytest.mark.parametrize("release", ALL)
def test_driver_that_nobody_knows_does_not_bind(release: str) -> None:
    """A device without a driver stays unclaimed."""
    lab = Lab(release)
    assert "ENODEV" == lab.do(ops.DriverBind("W"))
    assert () == lab.world.phys.claims


@pytest.mark.parametrize("release", ALL)
def test_driver_probe_that_fails_undoes_itself(release: str) -> None:
    """If a register cannot be mapped, claims and mappings are given back."""
    lab = Lab(release, mtrr=Mtrr())
    lab.ioremap("in the way", 2, 1, WB, window="V")
    assert "ENODEV" == lab.do(ops.DriverBind("V"))
    assert ("[2,3)B", ()) == (lab.reserved("V"), lab.world.phys.claims)
    assert 1 == len(lab.world.phys.ioremaps)


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("kind", [WC, UCM, WT])
def test_set_memory_and_back(release: str, kind: CacheMode) -> None:
    """RAM gets a type and loses it; user mappings of it follow (T21)."""
    lab = Lab(release)
    lab.do(ops.RamAlloc("0", 4))
    assert "ok" == lab.do(ops.RamType("0", kind))
    assert "ok" == lab.map(driver(cache=kind), window="ram0")
    assert [] == lab.log()
    assert f"[0,4)ram0+0{'C' if kind is WC else 'U' if kind is UCM else 'T'}w" == lab.ptes()
    assert "ok" == lab.do(ops.RamType("0", WB))
    assert () == lab.world.phys.ram_types


@pytest.mark.parametrize("release", ALL)
def test_n1_with_pat_off_nothing_is_listed(release: str) -> None:
    """`nopat`: map, fork, split and unmap without any entry or line."""
    lab = Lab(release, NO_PAT)
    tracked = "[0,4)*"
    for result in (lab.map(), lab.fork()):
        assert ("ok", "-", []) == (result, lab.reserved(), lab.log())
    assert (tracked, tracked) == (lab.vmas("A"), lab.vmas("B"))
    for result in (lab.mprotect(1, 1), lab.munmap(0, 1), lab.munmap(1, 3), lab.exit("B")):
        assert ("ok", "-", []) == (result, lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ALL)
def test_with_pat_off_there_is_no_wc_file(release: str) -> None:
    """resourceN_wc exists for prefetchable BARs, and only with PAT on."""
    assert "ENOENT" == Lab(release, NO_PAT).open(RES_WC)
    assert "ENOENT" == Lab(release).open(RES_WC, window="L")
    assert "ok" == Lab(release).open(RES_WC)


@pytest.mark.parametrize("release", ALL)
def test_with_pat_off_write_combining_is_uncached_minus(release: str) -> None:
    """The emulated table has no WC slot, so entries get UC-; WT has one."""
    lab = Lab(release, NO_PAT)
    lab.map(driver(cache=WC))
    lab.map(driver(cache=WT), at=8)
    assert "[0,4)W+0Uw [8,12)W+0Tw" == lab.ptes()
