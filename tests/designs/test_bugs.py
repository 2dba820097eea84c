"""Every known defect on the design that had it, and gone in a design that mends it.

One row per defect: the library's program for it, the release or design that
must break the named properties, and one that must keep them.
"""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import attrs
import pytest

from pfntrack.check import judge_step
from pfntrack.check.run import Run, run_scenario
from pfntrack.mm import ops
from pfntrack.pat import CacheMode
from pfntrack.pat.events import WrongOwner
from pfntrack.releases import RELEASES, Release, release_for, release_with
from pfntrack.releases.kernel import Kernel
from pfntrack.scenario import find
from support import RES, Lab, driver

UCM, WC = CacheMode.UC_MINUS, CacheMode.WC
PAGE = 4096

# (bug, program, who has it, what it breaks, who has mended it)
ROWS = [
    ("B22", "zap-one-page-alias", "6.12", "I2 I5", "track-context"),
    ("B22b", "zap-all-then-munmap", "untrack-at-unmap", "I1 I4", "pfn-per-vma"),
    ("B23", "other-page-after-zap", "untrack-at-unmap", "I1 I4", "pfn-per-vma"),
    ("B26", "mremap-move", "3.7", "I4", "4.5"),
    ("B27", "mremap-shrink-unmap", "3.7", "I1 I4", "4.5"),
    ("B28", "split-head-first", "4.5", "I1 I4", "split-reservation"),
    ("B29", "overlapping-partial-munmap", "4.5", "I1 I3 I4", "split-reservation"),
    ("B30", "fork-after-split", "4.5", "I1 I3", "split-reservation"),
    ("B31", "mremap-part", "4.5", "I1 I4", "track-context"),
    ("B31 after splitting", "mremap-part", "split-reservation", "I1 I4", "side-table"),
    ("B32", "fork-allocation-fails", "6.2", "I1 I4 I10", "6.12"),
    ("B32 half mended", "fork-allocation-fails", "6.8", "I1 I10", "6.12"),
    ("B33", "fork-reservation-fails", "6.14", "I4", "6.12"),
    ("B35", "mremap-move", "6.12.25", "I1", "6.12"),
    ("B36", "remap-shifted-twice", "6.16", "I6", "ours"),
    ("B37", "zap-remap-other-type", "6.16", "I6", "ours"),
    ("B37 same type", "remap-zap-remap", "6.16", "I6", "side-table"),
    ("B38", "map-freed-part-other-type", "6.16", "I7", "counted-tree"),
    ("B48", "private-write-exit", "6.8", "I1", "6.14"),
    ("B51", "remap-fails-at-first-table", "6.12", "I4", "track-context"),
]


def release(name: str) -> Release:
    """A release by version, or the one that a design runs on."""
    return release_for(name) if name[0].isdigit() else release_with(name)


def played(program: str, name: str) -> Run:
    """A program of the library under a release or design."""
    return run_scenario(find(program), release(name))


@pytest.mark.parametrize(
    ("program", "had", "properties", "mended"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS]
)
def test_defect(program: str, had: str, properties: str, mended: str) -> None:
    """The design breaks what it is known to break, and another one does not."""
    wanted = set(properties.split())
    assert set() == wanted - played(program, had).broken
    assert set() == wanted & played(program, mended).broken


@pytest.mark.parametrize(("program", "had"), [(row[1], row[2]) for row in ROWS])
def test_ours_has_none_of_them(program: str, had: str) -> None:
    """Not one of these programs breaks anything in our own design."""
    assert frozenset() == played(program, "ours").broken != played(program, had).broken


def test_b28_one_page_and_one_line() -> None:
    """The front page of two stays reserved for good, announced by one line."""
    lab = Lab(release("4.5"))
    lab.map(RES, 2)
    lab.munmap(0, 1)
    assert ("inv(0,1)", "[0,2)U") == (lab.invalid(), lab.reserved())
    lab.munmap(1, 1)
    assert ("", "[0,1)U") == (lab.invalid(), lab.reserved())


def test_b29_two_dead_entries() -> None:
    """The release of one mapping cuts the entry of the other; both leave a rest."""
    lab = Lab(release("4.5"))
    lab.map(RES, 2)
    lab.mmap(lab.fd, 2, at=16, off=1)
    lab.munmap(16, 1)
    assert any(isinstance(event, WrongOwner) for event in lab.events)
    lab.munmap(0, 2)
    lab.munmap(17, 1)
    assert "[0,1)U [1,2)U" == lab.reserved()


def test_b23_another_owner_loses() -> None:
    """Untracking by what the page table shows takes another mapping's reservation (I3)."""
    lab = Lab(release("untrack-at-unmap"))
    lab.map(driver())
    lab.mmap(lab.fd, 4, at=32, off=8)
    lab.zap(0, 4)
    lab.do(ops.InsertPfn("A", 0, "W", 8))
    before = lab.world
    op = ops.Munmap("A", 0, 4)
    lab.do(op)
    broken = judge_step(lab.kernel, before, op, lab.world, lab.result, lab.events)
    assert ["I3"] == [each.property for each in broken]
    assert "[0,4)U" == lab.reserved()


def test_b35_splits_lose_the_flag_too() -> None:
    """In the window the new half of a split mapping answers for nothing."""
    lab = Lab(release("6.12.25"))
    lab.map()
    lab.mprotect(0, 2)
    assert "[0,2)* [2,4)" == lab.vmas()
    lab = Lab("6.12")
    lab.map()
    lab.mprotect(0, 2)
    assert "[0,2)* [2,4)*" == lab.vmas()


def test_b32_from_a_warning_to_a_leak_to_nothing() -> None:
    """The same failing fork under 6.2, 6.8 and 6.12."""
    seen = []
    for name in ("6.2", "6.8", "6.12"):
        lab = Lab(release(name))
        lab.map()
        lab.do(ops.Fail("A", "__pte_alloc", vma_at=0))
        assert "ENOMEM" == lab.fork()
        seen.append((bool(lab.warns()), lab.reserved()))
    assert [(True, "[0,4)U [0,4)U"), (False, "[0,4)U [0,4)U"), (False, "[0,4)U")] == seen


def test_b20_neighbours_overlap() -> None:
    """The tree of the 5.5 merge window gives a neighbour's type where none is in the way."""
    for name, reserved in (("5.5-rc", "[0,1)U [1,2)U"), ("5.10", "[0,1)C [1,2)U")):
        lab = Lab(release(name))
        lab.ioremap("regs", 1, 1, UCM)
        lab.ioremap("frame", 0, 1, WC)
        assert reserved == lab.reserved()


def test_b14_the_last_page_cannot_be_reserved() -> None:
    """Masking the exclusive end makes the last page an empty range, from 4.19 to 5.14."""
    for name, refused in (("4.5", False), ("5.10", True), ("6.1", False)):
        run = played("last-page-of-memory", name)
        assert refused == (run.steps[0].result.ret < 0)


def test_b15_the_last_page_cannot_be_freed() -> None:
    """The release masks it still in 7.3; without that the page is given back."""
    assert "I1" in played("last-page-of-memory", "7.3").broken
    pat = attrs.evolve(RELEASES["7.3"].pat, free_masks_end=False)
    mended = attrs.evolve(RELEASES["7.3"], pat=pat)
    assert frozenset() == run_scenario(find("last-page-of-memory"), mended).broken


@pytest.mark.parametrize("name", ["3.7", "4.5", "5.5-rc", "6.2", "6.8", "6.14", "6.12.25", "6.16"])
def test_historic_releases_by_name(name: str) -> None:
    """Each is known by its name and runs on the ordinary machine."""
    assert name == release_for(name).name
    lab = Lab(release(name))
    assert "ok" == lab.map()
    assert isinstance(lab.kernel, Kernel)
    lab.munmap(0, 4)
    assert "-" == lab.reserved()
