"""fork: what the child gets, and what is left when any step of it fails."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest

from pfntrack.errors import ModelError
from pfntrack.mm import ops
from pfntrack.releases.kernel import SYMBOLS
from support import ALL, NO_PAT, VM_PAT_RELEASES, Lab, driver

# Kernel functions that fork calls for a tracked mapping, in the order of releases.
CALLED = {
    "__pte_alloc": ALL,
    "copy_page_range": ALL,
    "memtype_kernel_map_sync": VM_PAT_RELEASES,
    "memtype_reserve": VM_PAT_RELEASES,
    "track_pfn_copy": VM_PAT_RELEASES,
    "vm_area_dup": ALL,
}


@pytest.mark.parametrize("release", ALL)
def test_s2_child_goes_first(release: str) -> None:
    """Map, fork, child exits, parent unmaps: clean in every release."""
    lab = Lab(release)
    lab.map()
    assert "ok" == lab.fork()
    assert ("[0,4)*", "[0,4)W+0Uw") == (lab.vmas("B"), lab.ptes("B"))
    lab.exit("B")
    assert ("[0,4)U", []) == (lab.reserved(), lab.log())
    lab.munmap(0, 4)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ALL)
def test_s2b_parent_goes_first(release: str) -> None:
    """The child keeps the range reserved."""
    lab = Lab(release)
    lab.map()
    lab.fork()
    lab.munmap(0, 4)
    assert ("[0,4)U", "rrrr") == (lab.reserved(), lab.touch(0, 4, "B"))
    lab.exit("B")
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize(
    ("release", "reserved", "refs"),
    [("5.10", 3, []), ("6.1", 3, []), ("6.12", 3, []), ("7.3", 1, [3])],
)
def test_generations(release: str, reserved: int, refs: list[int]) -> None:
    """Each process adds an entry, or a reference."""
    lab = Lab(release)
    lab.map()
    lab.fork("A", "B")
    lab.fork("B", "C")
    assert " ".join(["[0,4)U"] * reserved) == lab.reserved()
    assert refs == [each.refs for each in lab.contexts()]
    for name in "ABC":
        lab.exit(name)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(
    ("how", "window"),
    [(driver(pages=2), "W"), (driver("fault"), "W"), (driver(), "ram0"), (None, "ISA")],
    ids=["part", "fault", "ram", "isa"],
)
def test_mappings_without_a_reservation(
    release: str, how: dict[str, object] | None, window: str
) -> None:
    """Partial, fault-time, RAM and ISA mappings are copied without an entry."""
    lab = Lab(release)
    lab.map(how, window=window)
    lab.read(0)
    before = lab.vmas()
    assert ("ok", "-", []) == (lab.fork(), lab.reserved(window), lab.log())
    assert (before, lab.ptes()) == (lab.vmas("B"), lab.ptes("B"))


@pytest.mark.parametrize("release", ALL)
def test_s15_private_mapping(release: str) -> None:
    """Both sides lose write permission, and the offset still names the pfn."""
    lab = Lab(release)
    lab.map(private=True)
    assert "ok" == lab.fork()
    twice = release in VM_PAT_RELEASES
    assert ("[0,4)U [0,4)U" if twice else "[0,4)U") == lab.reserved()
    assert lab.vma(0).pgoff == lab.vma(0, "B").pgoff


@pytest.mark.parametrize("release", ALL)
def test_s17_copies_are_shared_until_written(release: str) -> None:
    """A copied page is read-only on both sides after fork; either may write its own."""
    lab = Lab(release)
    lab.map(private=True)
    lab.write(1)
    lab.fork()
    assert "[0,1)W+0U [1,2)ramU [2,4)W+2U" == lab.ptes() == lab.ptes("B")
    assert "ok" == lab.write(1)
    assert "[1,2)ramUw" in lab.ptes()
    assert "[1,2)ramU " in lab.ptes("B")


@pytest.mark.parametrize(
    ("release", "result"), [("6.1", "ENOMEM"), ("6.12", "ENOMEM"), ("7.3", "ok")]
)
def test_s17_child_that_copied_its_first_page_cannot_fork(release: str, result: str) -> None:
    """The rule holds for every process on its own."""
    lab = Lab(release)
    lab.map(private=True)
    lab.fork()
    lab.write(0, "B")
    assert "ok" == lab.fork("A", "C")
    assert result == lab.fork("B", "D")


@pytest.mark.parametrize(
    ("release", "result", "left"),
    [("6.1", "ENOMEM", "[0,2)U"), ("6.12", "ENOMEM", "[0,2)U"), ("7.3", "ok", "-")],
)
def test_s17c_first_page_means_first_of_the_piece(release: str, result: str, left: str) -> None:
    """After a head was unmapped another page is the first one."""
    lab = Lab(release)
    lab.map(private=True)
    lab.write(2)
    lab.munmap(0, 2)
    assert result == lab.fork()
    for process in lab.world.processes[::-1]:
        lab.exit(process.name)
    assert left == lab.reserved()


@pytest.mark.parametrize(
    ("release", "result"), [("6.1", "ENOMEM"), ("6.12", "ENOMEM"), ("7.3", "ok")]
)
def test_s17d_read_only_that_became_writable(release: str, result: str) -> None:
    """How the first page came to be written does not matter."""
    lab = Lab(release)
    lab.map(private=True, prot="r")
    lab.mprotect(0, 4, "rw")
    lab.write(0)
    assert result == lab.fork()


@pytest.mark.parametrize("release", ALL)
def test_zapped_mapping_forks_untracked(release: str) -> None:
    """After a zap there is nothing to track up to 6.12, so fork cannot fail for it (T10d)."""
    lab = Lab(release)
    lab.map(driver(), private=True)
    lab.write(0)
    lab.do(ops.ZapVma("A", 2, 1))
    assert "ok" == lab.fork()
    tracked = release == "7.3"
    assert ("[0,4)*" if tracked else "[0,4)") == lab.vmas("B")
    assert ("[0,4)U" if tracked else "-") == lab.reserved()


@pytest.mark.parametrize("release", ["6.1", "6.12", "7.3"])
@pytest.mark.parametrize("symbol", sorted(SYMBOLS))
@pytest.mark.parametrize("private", [False, True])
def test_failure_at_every_step(release: str, symbol: str, private: bool) -> None:
    """Whichever function fails, fork says ENOMEM and leaves everything as it was."""
    lab = Lab(release)
    lab.map(private=private)
    before = lab.world
    armed = lab.fail(symbol)
    known = lab.release.design.symbols
    if armed == "ENOENT":
        assert symbol not in known
        return
    result = lab.fork()
    called = release in CALLED.get(symbol, ())
    if symbol == "security_vm_enough_memory_mm":
        called = private
    assert ("ENOMEM" if called else "ok") == result
    lab.do(ops.Unfail("A"))
    assert int(called) == lab.result.fired
    if called:
        assert before.phys.tree == lab.world.phys.tree
        assert before.phys.tracking == lab.world.phys.tracking
        assert [each.name for each in before.processes] == [e.name for e in lab.world.processes]
    assert "[0,4)*" == lab.vmas()
    for process in lab.world.processes:
        lab.exit(process.name)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ["6.1", "6.12", "7.3"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_i1_i2_page_tables_run_out(release: str, nth: int) -> None:
    """The child's reservation is made and given back, wherever copying stops."""
    lab = Lab(release)
    lab.map(driver(), 12, at=508)
    lab.map(driver(), 4, at=1020, off=20)
    lab.fail("__pte_alloc", nth)
    # The mappings share one of the two tables that they need.
    failed = nth < 3
    assert ("ENOMEM" if failed else "ok") == lab.fork()
    assert (1 if failed else 2) == len(lab.world.processes)
    if failed:
        assert ("[0,12)U [20,24)U", []) == (lab.reserved(), lab.log())
    lab.do(ops.Unfail("A"))
    for process in lab.world.processes:
        lab.exit(process.name)
    assert ("-", []) == (lab.reserved(), lab.log())


@pytest.mark.parametrize("release", ["6.1", "6.12", "7.3"])
def test_t29_failure_at_a_later_vma(release: str) -> None:
    """VMAs that were done before are untracked again."""
    lab = Lab(release)
    lab.map()
    lab.map(at=8, off=8)
    lab.do(ops.AnonOver("A", 16, 4))
    lab.fail("security_vm_enough_memory_mm")
    assert "ENOMEM" == lab.fork()
    assert ("[0,4)U [8,12)U", "[0,4)* [8,12)* [16,20)") == (lab.reserved(), lab.vmas())
    assert [] == lab.log()
    if release == "7.3":
        assert [1, 1] == [each.refs for each in lab.contexts()]


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_debugpat_of_a_failing_copy(release: str) -> None:
    """An entry comes and goes."""
    lab = Lab(release)
    lab.map()
    lab.fail("__pte_alloc")
    lab.fork()
    assert ["overlap", "added", "freed"] == [
        event.kind for event in lab.events if event.text() is not None
    ]
    assert ["untrack_pfn_copy", "untrack_pfn"] == [
        name for name in lab.calls() if name in ("untrack_pfn_copy", "untrack_pfn")
    ][:2]


def test_5_10_failing_copy_warns() -> None:
    """The half-made child carries the flag without entries, and its teardown says so."""
    lab = Lab("5.10")
    lab.map()
    lab.fail("copy_page_range")
    assert "ENOMEM" == lab.fork()
    assert [("get_pat_info", "untrack_pfn")] == [chain[:2] for chain in lab.warns()]
    assert "[0,4)U" == lab.reserved()


def test_5_10_failing_reservation_of_a_private_mapping_frees_the_parents() -> None:
    """The same with the pfn in vm_pgoff: the parent's entry is released instead."""
    lab = Lab("5.10")
    lab.map(private=True)
    lab.fail("track_pfn_copy")
    assert ("ENOMEM", "-", []) == (lab.fork(), lab.reserved(), lab.warns())


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_n2_private_first_page_with_pat_off(release: str) -> None:
    """Even without PAT the flag is set, and fork fails for it."""
    lab = Lab(release, NO_PAT)
    lab.map(private=True)
    lab.write(0)
    assert "ENOMEM" == lab.fork()


def test_n2_in_7_3() -> None:
    """A context does not care."""
    lab = Lab("7.3", NO_PAT)
    lab.map(private=True)
    lab.write(0)
    assert "ok" == lab.fork()


@pytest.mark.parametrize("release", VM_PAT_RELEASES)
def test_type_of_the_first_entry_must_be_granted_again(release: str) -> None:
    """Fork is strict: after the entry was stolen and replaced it can fail with a line."""
    lab = Lab(release)
    lab.map()
    # A kernel user's identical entry goes first, then one of another type comes.
    lab.do(ops.WcFree("W", 0, 4))
    lab.do(ops.WcReserve("W", 0, 4))
    assert "[0,4)C" == lab.reserved()
    assert "ENOMEM" == lab.fork()
    assert [
        "x86/PAT: A:100 map pfn expected mapping type uncached-minus for "
        "[mem 0xfe000000-0xfe003fff], got write-combining"
    ] == lab.log()[:1]


@pytest.mark.parametrize("release", ALL)
def test_locked_memory_is_not_locked_in_the_child(release: str) -> None:
    """VM_LOCKED is not inherited."""
    lab = Lab(release)
    lab.do(ops.AnonOver("A", 0, 4))
    lab.do(ops.Mlock("A", 0, 4))
    lab.fork()
    assert ("lo" in lab.flags(0), "lo" in lab.flags(0, "B")) == (True, False)


def test_processes_have_one_life() -> None:
    """A name cannot be used twice at a time, and a dead process does nothing."""
    lab = Lab()
    lab.fork()
    with pytest.raises(ModelError, match="process B exists already"):
        lab.fork()
    lab.exit("B")
    with pytest.raises(ModelError, match="there is no process B"):
        lab.read(0, "B")
    assert "ok" == lab.fork()
    assert 102 == lab.world.process("B").pid
