"""remap_pfn_range, fault-time insertion, and the copies that writes make."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest

from pfntrack.errors import ModelError
from pfntrack.mm import ops
from pfntrack.pat import CacheMode
from pfntrack.pat.events import Oops
from support import ALL, NO_PAT, NOSYNC, RES, RES_WC, VM_PAT_RELEASES, Lab, W, driver, letter

WB, WC, UCM, UC, WT, WP = CacheMode


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("cache", CacheMode)
def test_whole_vma_over_nothing(release: str, cache: CacheMode) -> None:
    """The actual type is entered, mapped and kept in vm_page_prot; write-back meets the MTRRs."""
    lab = Lab(release)
    assert "ok" == lab.map(driver(cache=cache))
    actual = letter(UCM if cache is WB else cache)
    assert (f"[0,4){actual}", f"[0,4)W+0{actual}w") == (lab.reserved(), lab.ptes())
    assert ("[0,4)*", cache) == (lab.vmas(), lab.vma(0).prot)


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("have", [WC, UCM, WT, UC, WP])
@pytest.mark.parametrize("want", [WC, UCM, WT, UC])
def test_whole_vma_over_one_type(release: str, have: CacheMode, want: CacheMode) -> None:
    """Of these only WT over WC is refused; everything else takes what is there, silently."""
    lab = Lab(release)
    lab.ioremap("k", 0, 4, have)
    refused = (have, want) == (WC, WT)
    assert ("EINVAL" if refused else "ok") == lab.map(driver(cache=want))
    one = f"[0,4){letter(have)}"
    assert (one if refused else f"{one} {one}") == lab.reserved()
    assert len(lab.log()) == int(refused)


@pytest.mark.parametrize("release", ALL)
def test_s20b_overlap_of_a_part(release: str) -> None:
    """The whole newcomer takes the type of its first neighbour."""
    lab = Lab(release)
    lab.map(RES_WC, 2)
    assert "ok" == lab.map(RES, 3, at=8, off=1)
    assert ("[0,2)C [1,4)C", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ALL)
def test_t16_part_of_the_vma(release: str) -> None:
    """Nothing is reserved or tracked; without any reservation the type is UC- (P2)."""
    lab = Lab(release)
    assert "ok" == lab.map(driver(cache=WC, pages=2))
    assert ("-", "[0,4)", "[0,2)W+0Uw") == (lab.reserved(), lab.vmas(), lab.ptes())
    lab.munmap(0, 4)
    assert [] == lab.log()


@pytest.mark.parametrize("release", ALL)
def test_t16b_part_under_an_ioremap(release: str) -> None:
    """The type is the one found; after iounmap() nothing protects it."""
    lab = Lab(release)
    lab.ioremap("fb", 0, 4, WC)
    lab.map(driver(cache=UCM, pages=2))
    assert ("[0,4)C", "[0,2)W+0Cw") == (lab.reserved(), lab.ptes())
    lab.do(ops.Iounmap("fb"))
    assert ("-", "[0,2)W+0Cw") == (lab.reserved(), lab.ptes())


@pytest.mark.parametrize("release", ALL)
def test_t16c_part_over_two_types(release: str) -> None:
    """Refused without a line; a part over one of them is fine."""
    lab = Lab(release)
    lab.ioremap("a", 0, 2, WC)
    lab.ioremap("b", 2, 2, UCM)
    assert ("EINVAL", []) == (lab.map(driver(pages=4), 8), lab.log())
    assert ("ok", []) == (lab.map(driver(pages=2), 8), lab.log())
    assert "[0,2)W+0Cw" == lab.ptes()


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("mode", ["two", "pagewise"])
def test_t16d_part_of_a_private_mapping(release: str, mode: str) -> None:
    """CoW mappings must be mapped whole."""
    lab = Lab(release)
    assert "EINVAL" == lab.map(driver(mode), private=True)
    assert ("-", "-", "-") == (lab.vmas(), lab.reserved(), lab.ptes())


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(
    ("pages", "reserved", "vmas", "ptes"),
    [(1, "[0,1)C", "[0,1)*", "[0,1)W+0Cw"), (2, "-", "[0,2)", "[0,2)W+0Uw")],
)
def test_t17_page_by_page(release: str, pages: int, reserved: str, vmas: str, ptes: str) -> None:
    """One page is a whole VMA of one page, and only then tracked."""
    lab = Lab(release)
    lab.map(driver("pagewise", WC), pages)
    assert (reserved, vmas, ptes) == (lab.reserved(), lab.vmas(), lab.ptes())


@pytest.mark.parametrize("release", ALL)
def test_two_halves(release: str) -> None:
    """Two calls map all, but none maps the whole."""
    lab = Lab(release)
    assert "ok" == lab.map(driver("two", WC))
    assert ("-", "[0,4)", "[0,4)W+0Uw") == (lab.reserved(), lab.vmas(), lab.ptes())


@pytest.mark.parametrize("release", VM_PAT_RELEASES)
def test_narrow_was_possible(release: str) -> None:
    """Moving the VMA's bounds over it reserves page by page.

    The release asks for the VMA's whole size, which no entry has: all leak.
    """
    lab = Lab(release)
    assert "ok" == lab.map(driver("narrow"))
    assert "[0,1)U [1,2)U [2,3)U [3,4)U" == lab.reserved()
    lab.munmap(0, 4)
    assert ("[0,1)U [1,2)U [2,3)U [3,4)U", "inv(0,4)") == (lab.reserved(), lab.invalid())


def test_b36_narrow_is_refused_in_7_3() -> None:
    """The second call looks like another full remap of a VMA that has a context."""
    lab = Lab("7.3")
    assert "EINVAL" == lab.map(driver("narrow"))
    assert ("-", "-", []) == (lab.vmas(), lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ALL)
def test_second_remap_without_a_zap(release: str) -> None:
    """Up to 6.12 it dies on a present entry, in 7.3 it is refused before."""
    lab = Lab(release)
    lab.map(driver())
    result = lab.do(ops.Remap("A", 0, 4, "W"))
    bugs = [event for event in lab.events if isinstance(event, Oops)]
    if release == "7.3":
        assert ("EINVAL", [], "[0,4)U") == (result, bugs, lab.reserved())
    else:
        assert ("SIGHANG", [Oops("memory.c", "remap_pte_range")]) == (result, bugs)
        assert "[0,4)U [0,4)U" == lab.reserved()


@pytest.mark.parametrize("release", ALL)
def test_remap_of_nothing(release: str) -> None:
    """Where there is no VMA there is nothing to map into; windows must exist."""
    lab = Lab(release)
    assert "EINVAL" == lab.do(ops.Remap("A", 0, 4, "W"))
    lab.map(driver())
    with pytest.raises(ModelError, match="no window 'X'"):
        lab.do(ops.Remap("A", 0, 4, "X"))


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("how", [driver(), RES, None], ids=["driver", "sysfs", "devmem"])
@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("nth", [1, 2])
def test_i4_to_i7_page_tables_run_out(
    release: str, how: dict[str, object] | None, private: bool, nth: int
) -> None:
    """Nothing is left of the mapping; only the shared one without any entry warns, up to 6.12."""
    lab = Lab(release)
    lab.open(how or {"target": "devmem", "sync": True})
    lab.fail("__pte_alloc", nth)
    assert ("EAGAIN" if how is None else "ENOMEM") == lab.mmap(lab.fd, 8, at=508, private=private)
    assert ("-", "-", "-") == (lab.vmas(), lab.reserved(), lab.ptes())
    warned = nth == 1 and not private and release in ("6.1", "6.12")
    assert warned == bool(lab.warns())
    assert not lab.invalid()


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(
    "symbol",
    ["memtype_reserve", "memtype_kernel_map_sync", "track_pfn_remap", "pfnmap_track"],
)
def test_failing_reservation(release: str, symbol: str) -> None:
    """Whatever goes wrong below, the caller hears EINVAL and nothing stays."""
    lab = Lab(release)
    lab.open(driver())
    if lab.fail(symbol) == "ENOENT":
        assert symbol not in lab.release.design.symbols
        return
    assert "EINVAL" == lab.mmap(lab.fd)
    assert ("-", "-", []) == (lab.vmas(), lab.reserved(), lab.log())


def test_failing_context_allocation() -> None:
    """The reservation that was made for it goes again, and the errno is kept."""
    lab = Lab("7.3")
    lab.open(driver())
    lab.fail("pfnmap_track_ctx_alloc")
    assert "ENOMEM" == lab.mmap(lab.fd)
    assert ("-", "-", []) == (lab.vmas(), lab.reserved(), lab.contexts())
    assert ["added", "freed"] == [event.kind for event in lab.events if event.text() is not None]


@pytest.mark.parametrize("release", ALL)
def test_t15_write_through(release: str) -> None:
    """WT is tracked like any type (T15b, T15c)."""
    lab = Lab(release)
    lab.map(driver(cache=WT))
    lab.fork()
    twice = release in VM_PAT_RELEASES
    assert ("[0,4)T [0,4)T" if twice else "[0,4)T") == lab.reserved()


# Fault time.


@pytest.mark.parametrize("release", ALL)
def test_t18_pages_come_one_by_one(release: str) -> None:
    """Nothing at mmap, one entry per fault, no reservation ever; UC- by default (P3)."""
    lab = Lab(release)
    lab.map(driver("fault", WC))
    assert ("-", "-", "[0,4)") == (lab.ptes(), lab.reserved(), lab.vmas())
    lab.read(2)
    assert ("[2,3)W+2Uw", "-") == (lab.ptes(), lab.reserved())
    lab.write(0)
    assert "[0,1)W+0Uw [2,3)W+2Uw" == lab.ptes()
    lab.munmap(0, 4)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ALL)
def test_inserted_type_is_whatever_covers_the_page(release: str) -> None:
    """It is decided at the fault, and not again later."""
    lab = Lab(release)
    lab.ioremap("fb", 1, 1, WC)
    lab.map(driver("fault"))
    lab.touch(0, 3)
    assert "[0,1)W+0Uw [1,2)W+1Cw [2,3)W+2Uw" == lab.ptes()
    lab.do(ops.Iounmap("fb"))
    assert "[1,2)W+1Cw" in lab.ptes()


@pytest.mark.parametrize("release", ALL)
def test_inserted_type_with_pat_off(release: str) -> None:
    """The driver's own bits stay."""
    lab = Lab(release, NO_PAT)
    lab.map(driver("fault", UC))
    lab.read(0)
    assert "[0,1)W+0Sw" == lab.ptes()


@pytest.mark.parametrize("release", ALL)
def test_zapped_pages_fault_again(release: str) -> None:
    """A driver with a fault handler survives truncation."""
    lab = Lab(release)
    lab.map(driver("fault"))
    lab.touch(0, 4)
    lab.zap(1, 2)
    assert "[0,1)W+0Uw [3,4)W+3Uw" == lab.ptes()
    assert ("rrrr", "[0,4)W+0Uw", "-") == (lab.touch(0, 4), lab.ptes(), lab.reserved())


@pytest.mark.parametrize("release", ALL)
def test_insert_leaves_a_present_entry_alone(release: str) -> None:
    """The second insertion of a page changes nothing."""
    lab = Lab(release)
    lab.map(driver("fault"))
    assert "ok" == lab.do(ops.InsertPfn("A", 0, "W", 5))
    assert "ok" == lab.do(ops.InsertPfn("A", 0, "W", 6))
    assert "[0,1)W+5Uw" == lab.ptes()


@pytest.mark.parametrize("release", ALL)
def test_insert_into_a_private_mapping_is_a_bug(release: str) -> None:
    """BUG_ON: a CoW pfn mapping must not be filled at fault time."""
    lab = Lab(release)
    lab.map(driver("fault"), private=True)
    assert "SIGHANG" == lab.read(0)
    assert [Oops("memory.c", "vmf_insert_pfn_prot")] == [
        event for event in lab.events if isinstance(event, Oops)
    ]


@pytest.mark.parametrize("release", VM_PAT_RELEASES)
def test_remap_at_fault_is_tracked(release: str) -> None:
    """A handler that maps the whole VMA reserves it, whichever page was touched."""
    lab = Lab(release)
    lab.map(driver("fault_all"))
    assert "-" == lab.reserved()
    lab.read(2)
    assert ("[0,4)U", "[0,4)*", "[0,4)W+0Uw") == (lab.reserved(), lab.vmas(), lab.ptes())


@pytest.mark.parametrize(("release", "chains"), [("6.1", 0), ("6.12", 2), ("7.3", 0)])
def test_flags_changed_under_the_read_lock(release: str, chains: int) -> None:
    """6.12 asserts the write lock when a fault handler makes flags change."""
    lab = Lab(release)
    lab.map(driver("fault_all"))
    lab.read(0)
    assert chains == len(lab.warns())
    assert all(event.file == "rwsem.h" for event in lab.events if hasattr(event, "file"))


@pytest.mark.parametrize(
    ("release", "result"), [("5.10", "ok"), ("6.1", "ok"), ("6.12", "ok"), ("7.3", "SIGBUS")]
)
def test_b37_remap_zap_fault(release: str, result: str) -> None:
    """A handler that maps again after a zap works no more in 7.3."""
    lab = Lab(release)
    lab.map(driver("fault_all"))
    lab.read(0)
    lab.zap()
    assert result == lab.read(0)


# Copies.


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(("how", "kind"), [(None, "U"), (RES_WC, "C"), (NOSYNC, "B")])
def test_copies_take_the_type_of_vm_page_prot(
    release: str, how: dict[str, object] | None, kind: str
) -> None:
    """Also where the raw entries were given another type."""
    lab = Lab(release)
    lab.map(how, private=True)
    lab.write(1)
    raw = "U" if kind == "B" else kind
    assert f"[0,1)W+0{raw} [1,2)ram{kind}w [2,4)W+2{raw}" == lab.ptes()
    assert (f"[0,4){raw}", "[0,4)*") == (lab.reserved(), lab.vmas())


@pytest.mark.parametrize("release", ALL)
def test_copies_hold_what_was_written(release: str) -> None:
    """The device does not see it, and other processes neither."""
    lab = Lab(release)
    lab.map(private=True)
    lab.map(at=8)
    lab.write(1)
    lab.read(1)
    assert 0x5A5A5A5A == lab.result.value
    lab.read(9)
    assert 0 == lab.result.value


@pytest.mark.parametrize("release", ALL)
def test_shared_stores_reach_the_device(release: str) -> None:
    """Every mapping of the page shows them."""
    lab = Lab(release)
    lab.map()
    lab.map(private=True, at=8)
    lab.write(1)
    lab.read(9)
    assert 0x5A5A5A5A == lab.result.value
    assert {W.pfn + 1} == lab.world.phys.written


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(
    ("prot", "read", "write"),
    [
        ("rw", "ok", "ok"),
        ("r", "ok", "SIGSEGV"),
        ("-", "SIGSEGV", "SIGSEGV"),
        ("w", "SIGSEGV", "ok"),
    ],
)
def test_permissions(release: str, prot: str, read: str, write: str) -> None:
    """Permissions decide before entries do; a hole is a segmentation fault."""
    lab = Lab(release)
    lab.map(prot=prot)
    assert (read, write) == (lab.read(0), lab.write(1))
    assert ("SIGSEGV", "SIGSEGV") == (lab.read(100), lab.write(100))


@pytest.mark.parametrize("release", ALL)
def test_anonymous_memory_is_zero(release: str) -> None:
    """A load finds the zero page, which is nobody's; a store makes a page of one's own."""
    lab = Lab(release)
    lab.do(ops.AnonOver("A", 0, 2))
    assert "-" == lab.ptes()
    assert ("ok", 0) == (lab.read(0), lab.result.value)
    assert "[0,1)ramB" == lab.ptes()
    assert ("ok", "[0,1)ramBw") == (lab.write(0), lab.ptes())


@pytest.mark.parametrize("release", ALL)
def test_fault_that_runs_out_of_memory_says_so_and_retries(release: str) -> None:
    """The page-fault handler tries again, and the second time it works."""
    lab = Lab(release)
    lab.map(driver("fault"))
    lab.fail("__pte_alloc")
    assert "ok" == lab.read(0)
    assert ["Huh VM_FAULT_OOM leaked out to the #PF handler. Retrying PF"] == lab.log()
