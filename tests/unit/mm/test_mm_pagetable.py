"""Page tables as runs, against one entry per page."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfntrack.mm import pagetable
from pfntrack.mm.pagetable import PTRS_PER_PTE, PageTable, PteRun
from pfntrack.mm.vma import (
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_SHARED,
    calc_prot,
    is_cow_mapping,
    permissions,
    smaps_flags,
)
from pfntrack.pat import CacheMode

UCM, WC = CacheMode.UC_MINUS, CacheMode.WC


def run(start: int, end: int, pfn: int | None, cache: CacheMode = UCM) -> PteRun:
    """A writable run."""
    return PteRun(start, end, pfn, cache, write=True)


def test_neighbours_that_continue_become_one_run() -> None:
    """Addresses and pfns must both go on, and nothing else may differ."""
    assert (run(0, 4, 10),) == pagetable.put((), run(2, 4, 12), run(0, 2, 10))
    apart = [
        (run(0, 2, 10), run(2, 4, 13)),
        (run(0, 2, 10), run(3, 4, 13)),
        (run(0, 2, 10), run(2, 4, 12, WC)),
        (run(0, 2, 10), attrs.evolve(run(2, 4, 12), write=False)),
        (run(0, 2, 10), attrs.evolve(run(2, 4, 12), dirty=True)),
        (run(0, 2, 10), run(2, 4, None)),
    ]
    for pair in apart:
        assert pair == pagetable.put((), *pair)


def test_copies_merge_without_pfns() -> None:
    """Private copies have no pfn that could go on."""
    assert (run(0, 4, None),) == pagetable.put((), run(0, 1, None), run(1, 4, None))


def test_lookup_and_within_cut_runs() -> None:
    """A part of a run knows its own pfn."""
    table = (run(2, 6, 10),)
    assert run(3, 4, 11) == pagetable.lookup(table, 3)
    assert None is pagetable.lookup(table, 6)
    assert [run(4, 6, 12)] == pagetable.within(table, 4, 9)
    assert [] == pagetable.within(table, 6, 9)
    assert (13, None) == (run(2, 6, 10).pfn_at(5), run(2, 6, None).pfn_at(5))


def test_clear_keeps_what_it_is_told_to() -> None:
    """Truncation without even_cows leaves copies alone."""
    table = (run(0, 2, 10), run(2, 3, None), run(3, 5, 13))
    assert (run(0, 1, 10), run(4, 5, 14)) == pagetable.clear(table, 1, 4)
    kept = pagetable.clear(table, 1, 4, lambda each: not each.special)
    assert (run(0, 1, 10), run(2, 3, None), run(4, 5, 14)) == kept


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [
        (0, PTRS_PER_PTE, [1]),
        (5, 6, [1]),
        (PTRS_PER_PTE - 1, PTRS_PER_PTE + 1, []),
        (PTRS_PER_PTE, 2 * PTRS_PER_PTE, [0]),
        (2 * PTRS_PER_PTE, 3 * PTRS_PER_PTE, [0, 1]),
    ],
)
def test_huge_leaves_are_cleared_whole(start: int, end: int, left: list[int]) -> None:
    """A leaf of raw pfns cannot be split."""
    size = PTRS_PER_PTE
    huge = [attrs.evolve(run(n * size, (n + 1) * size, 512 * n), huge=True) for n in (0, 1)]
    cleared = pagetable.clear(pagetable.put((), *huge), start, end)
    assert pagetable.put((), *(huge[n] for n in left)) == cleared


@pytest.mark.parametrize(
    ("start", "end", "numbers"), [(0, 1, [0]), (511, 513, [0, 1]), (512, 1024, [1]), (5, 5, [0])]
)
def test_blocks(start: int, end: int, numbers: list[int]) -> None:
    """Which tables a range of pages lies in."""
    assert numbers == list(pagetable.blocks(start, end))


Step = tuple[str, int, int, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["put", "clear", "change"]),
        st.integers(0, 12),
        st.integers(1, 6),
        st.integers(0, 40),
    ),
    max_size=20,
)


@given(steps)
def test_runs_against_a_dictionary(program: list[Step]) -> None:
    """Any sequence of changes shows the same entries as a plain dictionary of pages."""
    table: PageTable = ()
    plain: dict[int, tuple[int | None, CacheMode]] = {}
    for what, start, count, number in program:
        end = start + count
        pfn = None if number > 30 else number + start
        if what == "put":
            for page in range(start, end):
                if page not in plain:
                    at = None if pfn is None else pfn + page - start
                    plain[page] = at, UCM
                    table = pagetable.put(table, run(page, page + 1, at))
        elif what == "clear":
            plain = {page: entry for page, entry in plain.items() if not start <= page < end}
            table = pagetable.clear(table, start, end)
        else:
            plain |= {page: (plain[page][0], WC) for page in range(start, end) if page in plain}
            table = pagetable.change(table, start, end, lambda r: attrs.evolve(r, cache=WC))
    shown = {
        page: (each.pfn, each.cache)
        for page in range(20)
        if (each := pagetable.lookup(table, page)) is not None
    }
    assert plain == shown
    assert table == pagetable.put((), *table)
    assert len(table) == len(pagetable.put((), *(pagetable.within(table, 0, 20))))


@pytest.mark.parametrize(
    ("flags", "cow"),
    [
        (VM_MAYWRITE, True),
        (VM_MAYWRITE | VM_SHARED, False),
        (VM_SHARED, False),
        (VM_MAYSHARE, False),
        (0, False),
    ],
)
def test_what_a_cow_mapping_is(flags: int, cow: bool) -> None:
    """Private, and may become writable."""
    assert cow == is_cow_mapping(flags)


@pytest.mark.parametrize(
    ("prot", "shown"), [("rwx", "rwxp"), ("r", "r--p"), ("-", "---p"), ("wx", "-wxp")]
)
def test_permissions(prot: str, shown: str) -> None:
    """The column of /proc/PID/maps."""
    assert shown == permissions(calc_prot(prot))
    assert f"{shown[:3]}s" == permissions(calc_prot(prot) | VM_MAYSHARE)


def test_smaps_letters_come_in_bit_order() -> None:
    """VmFlags are printed from the lowest bit up, `ar` for VM_PAT."""
    bits = (1 << 63) | (1 << 24) | (1 << 10) | (1 << 14) | 3
    assert "rd wr pf io ar sl" == smaps_flags(bits)
