"""mlock, mseal, vm.max_map_count, overcommit, and what the model refuses to play."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import attrs
import pytest

from pfntrack.errors import ModelError
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.releases.kernel import SYMBOLS
from support import ALL, MACHINE, RES_WC, Lab, driver

# VMAs that every process has besides those of the model.
OTHERS = 10


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("unlock", [False, True])
def test_mlock_passes_over_pfn_mappings(release: str, unlock: bool) -> None:
    """It succeeds, sets nothing and splits nothing."""
    lab = Lab(release)
    lab.map()
    assert "ok" == lab.do(ops.Mlock("A", 1, 2, unlock))
    assert ("[0,4)*", False) == (lab.vmas(), "lo" in lab.flags(1))


@pytest.mark.parametrize("release", ALL)
def test_mlock_of_ordinary_memory(release: str) -> None:
    """There it splits, and keeps madvise from punching holes."""
    lab = Lab(release)
    lab.do(ops.AnonOver("A", 0, 4))
    assert "ok" == lab.do(ops.Mlock("A", 1, 2))
    assert ("[0,1) [1,3) [3,4)", True) == (lab.vmas(), "lo" in lab.flags(1))
    assert "EINVAL" == lab.madvise(1, 1, "remove")
    assert "ok" == lab.do(ops.Mlock("A", 1, 2, unlock=True))
    assert "lo" not in lab.flags(1)


@pytest.mark.parametrize("release", ALL)
def test_mlock_needs_mapped_pages(release: str) -> None:
    """A hole is ENOMEM."""
    lab = Lab(release)
    lab.map()
    assert "ENOMEM" == lab.do(ops.Mlock("A", 2, 4))


@pytest.mark.parametrize("release", ["6.12", "7.3"])
def test_mseal_of_a_part(release: str) -> None:
    """The part becomes a VMA that nothing may change; the rest stays free."""
    lab = Lab(release)
    lab.map()
    assert "ok" == lab.do(ops.Mseal("A", 1, 1))
    assert ("[0,1)* [1,2)* [2,4)*", True) == (lab.vmas(), "sl" in lab.flags(1))
    assert ("EPERM", "EPERM", "EPERM") == (
        lab.munmap(0, 4),
        lab.mprotect(0, 4),
        lab.map(at=1, pages=1),
    )
    assert "EPERM" == lab.mremap(1, 1, 1, to=16)
    assert "[0,1)* [1,2)* [2,4)*" == lab.vmas()
    assert ("ok", "ok") == (lab.munmap(0, 1), lab.mprotect(2, 2))
    assert "ENOMEM" == lab.do(ops.Mseal("A", 0, 2))


@pytest.mark.parametrize(("release", "left"), [("6.12", "[0,2)U"), ("7.3", "-")])
def test_sealed_memory_ends_with_its_process(release: str, left: str) -> None:
    """Exit does not ask; the pieces leak as pieces do."""
    lab = Lab(release)
    lab.map()
    lab.do(ops.Mseal("A", 1, 1))
    lab.exit()
    assert left == lab.reserved()


@pytest.mark.parametrize("release", ["6.12", "7.3"])
def test_sealed_memory_can_still_be_zapped(release: str) -> None:
    """A truncation through the file takes the entries away."""
    lab = Lab(release)
    lab.map(driver())
    lab.do(ops.Mseal("A", 0, 4))
    lab.zap()
    assert "-" == lab.ptes()


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(
    ("spare", "mprotect", "hole"),
    [(0, "ENOMEM", "ENOMEM"), (1, "ENOMEM", "ok"), (2, "ok", "ok")],
)
def test_max_map_count_and_splits(release: str, spare: int, mprotect: str, hole: str) -> None:
    """A hole makes one VMA more, a change in the middle two."""
    for result, act in ((mprotect, Lab.mprotect), (hole, Lab.munmap)):
        lab = Lab(release)
        lab.map()
        lab.do(ops.Sysctl("vm/max_map_count", str(OTHERS + 1 + spare)))
        assert result == act(lab, 1, 2)
        assert "[0,4)U" == lab.reserved()


@pytest.mark.parametrize("release", ALL)
def test_max_map_count_and_tails(release: str) -> None:
    """Unmapping an end makes no VMA more, so it is never refused."""
    lab = Lab(release)
    lab.map()
    lab.do(ops.Sysctl("vm/max_map_count", str(OTHERS + 1)))
    assert ("ok", "ok") == (lab.munmap(3, 1), lab.munmap(0, 1))


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(("limit", "result"), [(OTHERS + 1, "ok"), (OTHERS, "ENOMEM")])
def test_max_map_count_and_mmap(release: str, limit: int, result: str) -> None:
    """mmap() may go one beyond the limit, as in the kernel."""
    lab = Lab(release)
    lab.map()
    lab.do(ops.Sysctl("vm/max_map_count", str(limit)))
    assert result == lab.map(at=8)


@pytest.mark.parametrize(
    ("release", "line"),
    [
        ("5.10", []),
        ("6.1", ["__vm_enough_memory: pid: 100, comm: A, no enough memory for the allocation"]),
        (
            "6.12",
            [
                "__vm_enough_memory: pid: 100, comm: A, bytes: 32768 not enough memory for the "
                "allocation"
            ],
        ),
        (
            "7.3",
            [
                "__vm_enough_memory: pid: 100, comm: A, bytes: 32768 not enough memory for the "
                "allocation"
            ],
        ),
    ],
)
def test_overcommit(release: str, line: list[str]) -> None:
    """Private writable memory is accounted, shared mappings are not."""
    lab = Lab(release, attrs.evolve(MACHINE, overcommit_pages=20))
    lab.do(ops.Sysctl("vm/overcommit_memory", "2"))
    assert "ok" == lab.do(ops.AnonOver("A", 0, 6))
    assert "ok" == lab.map(pages=32, at=64)
    assert ("ENOMEM", line) == (lab.do(ops.AnonOver("A", 16, 8)), lab.log())
    assert "[0,6) [64,96)*" == lab.vmas()
    lab.do(ops.Sysctl("vm/overcommit_memory", "1"))
    assert "ok" == lab.do(ops.AnonOver("A", 16, 8))


@pytest.mark.parametrize("release", ALL)
def test_overcommit_limit(release: str) -> None:
    """The limit can be set in KiB."""
    lab = Lab(release)
    lab.do(ops.Sysctl("vm/overcommit_memory", "2"))
    lab.do(ops.Sysctl("vm/overcommit_kbytes", "32"))
    assert ("ok", "ENOMEM") == (
        lab.do(ops.AnonOver("A", 0, 8)),
        lab.do(ops.AnonOver("A", 16, 1)),
    )


@pytest.mark.parametrize("release", ALL)
def test_failures_strike_once_and_are_counted(release: str) -> None:
    """The nth call fails, the others do not; disarming tells how many struck."""
    lab = Lab(release)
    lab.fail("memtype_reserve", 2)
    assert ["ok", "EAGAIN", "ok"] == [lab.map(at=at) for at in (0, 8, 16)]
    assert ("ok", 1) == (lab.do(ops.Unfail("A")), lab.result.fired)
    assert ("ok", 0) == (lab.do(ops.Unfail("A")), lab.result.fired)


@pytest.mark.parametrize("release", ALL)
def test_failures_belong_to_a_process(release: str) -> None:
    """Others are not struck, and they die with it."""
    lab = Lab(release)
    lab.fork()
    lab.fail("memtype_reserve", p="B")
    assert "ok" == lab.map()
    assert "EAGAIN" == lab.map(at=8, p="B")
    lab.fail("memtype_reserve", p="B")
    lab.exit("B")
    assert () == lab.world.failures


@pytest.mark.parametrize("release", ALL)
def test_failure_for_one_vma(release: str) -> None:
    """While fork copies one mapping, another one is safe."""
    lab = Lab(release)
    lab.map()
    lab.map(at=8)
    lab.do(ops.Fail("A", "copy_page_range", 1, -12, 8))
    assert "ENOMEM" == lab.fork()
    lab.do(ops.Unfail("A"))
    lab.do(ops.Fail("A", "copy_page_range", 1, -12, 4))
    assert "ok" == lab.fork()


@pytest.mark.parametrize("release", ALL)
def test_which_functions_can_fail(release: str) -> None:
    """Each release knows the functions that it has; no other name can be armed."""
    lab = Lab(release)
    armed = {symbol for symbol in SYMBOLS if lab.fail(symbol) == "ok"}
    context = {"pfnmap_track", "pfnmap_setup_cachemode", "pfnmap_track_ctx_alloc"}
    flag = {"track_pfn_remap", "track_pfn_copy"}
    assert (context if release == "7.3" else set()) == armed & context
    assert (set() if release == "7.3" else flag) == armed & flag
    with pytest.raises(ModelError, match="a failing kfree is not modelled"):
        lab.fail("kfree")


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (Op(), "operation Op is not modelled"),
        (ops.Open("A", 0, "devmem", window="X"), "the machine has no window 'X'"),
        (ops.Open("A", 0, "socket"), "cannot open target 'socket'"),
        (ops.Open("A", 0, "driver"), "cannot open target 'driver'"),
        (ops.Open("A", 0, "driver", "W", mode="magic"), "the driver has no mode 'magic'"),
        (ops.Close("A", 3), "process A has no open descriptor 3"),
        (ops.Mmap("A", 0, 4, 3), "process A has no open descriptor 3"),
        (ops.Munmap("Z", 0, 4), "there is no process Z"),
        (ops.RamType("9", MACHINE.layout.slots[1]), "no RAM was allocated as 9"),
        (ops.Sysctl("kernel/panic", "1"), "sysctl kernel/panic is not modelled"),
        (ops.SetMtrr("nonsense"), "/proc/mtrr: expected KEY=VALUE"),
        (ops.Request("X", 0, 1), "the machine has no window 'X'"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Op) else "",
)
def test_impossible_operations(op: Op, message: str) -> None:
    """What no program could do is an error that says so, and the world stays."""
    lab = Lab()
    before = lab.world
    with pytest.raises(ModelError, match=message):
        lab.do(op)
    assert before == lab.world


@pytest.mark.parametrize("release", ALL)
def test_files_live_as_long_as_they_are_mapped(release: str) -> None:
    """A closed descriptor is gone, its mapping is not."""
    lab = Lab(release)
    lab.map(RES_WC)
    assert "ok" == lab.do(ops.Close("A", 0))
    assert ("[0,4)*", "rrrr") == (lab.vmas(), lab.touch(0, 4))
    with pytest.raises(ModelError, match="no open descriptor 0"):
        lab.mmap(0)
