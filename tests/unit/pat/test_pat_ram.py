"""What counts as RAM, and the types in RAM's page flags."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfntrack.pat import CacheMode
from pfntrack.pat.memtype import lookup_memtype
from pfntrack.pat.ram import (
    MIXED,
    NOT_RAM,
    RAM,
    TypeRuns,
    get_page_memtype,
    pat_pagerange_is_ram,
    set_page_memtype,
)
from support import ALL, MACHINE, Lab, context, driver

PAGE, MIB = 4096, 1 << 20
TOP = 0xFFE0000
WB, WC, UCM, UC, WT, WP = CacheMode


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (2 * MIB, 3 * MIB, RAM),
        (MIB, TOP, RAM),
        (TOP, TOP + PAGE, NOT_RAM),
        (0xFE000000, 0xFE004000, NOT_RAM),
        # Below 1 MiB nothing counts as RAM.
        (0x1000, 0x2000, NOT_RAM),
        (0, MIB, NOT_RAM),
        # A hole before RAM is noticed, one behind it is not.
        (MIB - PAGE, MIB + PAGE, MIXED),
        (0x1000, 2 * MIB, MIXED),
        (TOP - PAGE, TOP + PAGE, RAM),
        (TOP - PAGE, 0xFE000000, RAM),
        # Sizes are rounded to whole pages, outwards.
        (TOP - 1, TOP + 1, RAM),
        (MIB, MIB + 1, RAM),
        (MIB - 1, MIB + 1, MIXED),
    ],
)
def test_range_test(start: int, end: int, expected: int) -> None:
    """The three answers, with both quirks of the kernel's walk."""
    assert expected == pat_pagerange_is_ram(MACHINE.ram, start, end)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (4, 6, RAM),
        (4, 8, RAM),
        (4, 9, MIXED),
        (4, 10, MIXED),
        (6, 8, NOT_RAM),
        (6, 9, MIXED),
        (8, 12, RAM),
    ],
)
def test_hole_between_two_pieces_of_ram(start: int, end: int, expected: int) -> None:
    """A hole in the middle is noticed at the RAM behind it, if the range reaches that."""
    ram = ((MIB + 4 * PAGE, MIB + 6 * PAGE), (MIB + 8 * PAGE, MIB + 10 * PAGE))
    assert expected == pat_pagerange_is_ram(ram, MIB + start * PAGE, MIB + end * PAGE)


def test_only_whole_pages_of_a_resource_count() -> None:
    """RAM that begins or ends inside a page leaves that page out."""
    ram = ((MIB + 1, MIB + 2 * PAGE - 1),)
    assert NOT_RAM == pat_pagerange_is_ram(ram, MIB, MIB + 2 * PAGE)


@given(st.lists(st.integers(1, 6), max_size=6), st.integers(0, 24), st.integers(1, 12))
def test_answers_against_a_page_list(gaps: list[int], first: int, count: int) -> None:
    """Above 1 MiB the answer follows from where RAM is, page by page."""
    ram, at = [], 0
    for number, gap in enumerate(gaps):
        if number % 2:
            ram.append((MIB + at * PAGE, MIB + (at + gap) * PAGE))
        at += gap
    pages = [
        any(low <= MIB + page * PAGE < high for low, high in ram)
        for page in range(first, first + count)
    ]
    last = max((number for number, is_ram in enumerate(pages) if is_ram), default=None)
    expected = NOT_RAM
    if last is not None:
        expected = RAM if all(pages[: last + 1]) else MIXED
    start = MIB + first * PAGE
    assert expected == pat_pagerange_is_ram(tuple(ram), start, start + count * PAGE)


@pytest.mark.parametrize("release", ALL)
def test_p5_hole_behind_ram_is_mapped_as_ram(release: str) -> None:
    """Scenario P5: the last RAM page and the next one count as RAM, so nothing is reserved."""
    lab = Lab(release)
    assert "ok" == lab.map(driver(), 2, window="EDGE")
    assert "-" == lab.reserved("EDGE")
    assert "[0,2)*" == lab.vmas()
    assert [
        "x86/PAT: A:100 map pfn RAM range req uncached-minus for "
        "[mem 0x0ffdf000-0x0ffe0fff], got write-back"
    ] == lab.log()


@pytest.mark.parametrize("release", ALL)
def test_p6_range_across_one_megabyte_is_looked_up_at_its_first_page(release: str) -> None:
    """Scenario P6: a mixed range takes the type of its first page, which is ISA's WB."""
    lab = Lab(release)
    assert "ok" == lab.map(driver(), 2, window="MIB")
    assert "-" == lab.reserved("MIB")
    assert "[0,2)ISA+95Bw" == lab.ptes()
    assert [
        "x86/PAT: A:100 map pfn RAM range req uncached-minus for "
        "[mem 0x000ff000-0x00100fff], got write-back"
    ] == lab.log()


@pytest.mark.parametrize("mode", [WC, UCM, WT])
def test_three_types_fit_into_page_flags(mode: CacheMode) -> None:
    """WC, UC- and WT are kept, page by page."""
    types = set_page_memtype((), 10, 12, mode)
    assert [WB, mode, mode, WB] == [get_page_memtype(types, pfn) for pfn in range(9, 13)]


@pytest.mark.parametrize("mode", [WB, UC, WP])
def test_other_types_are_stored_as_write_back(mode: CacheMode) -> None:
    """There are only two flag bits, and no combination is left for these."""
    types = set_page_memtype(((10, 12, WC),), 10, 12, mode)
    assert () == types


def test_runs_are_cut_and_merged() -> None:
    """Equal neighbours join and overwritten parts go, so equal states are equal values."""
    types = set_page_memtype((), 0, 4, WC)
    types = set_page_memtype(types, 4, 8, WC)
    assert ((0, 8, WC),) == types
    types = set_page_memtype(types, 2, 6, UCM)
    assert ((0, 2, WC), (2, 6, UCM), (6, 8, WC)) == types
    assert ((0, 8, WC),) == set_page_memtype(types, 2, 6, WC)
    assert ((2, 6, UCM), (6, 8, WC)) == set_page_memtype(types, 0, 2, WB)


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 6), st.sampled_from(CacheMode)), max_size=10
    )
)
def test_types_against_a_dictionary(writes: list[tuple[int, int, CacheMode]]) -> None:
    """Runs say the same as one entry per page, and are sorted, disjoint and merged."""
    types: TypeRuns = ()
    plain: dict[int, CacheMode] = {}
    for first, count, mode in writes:
        types = set_page_memtype(types, first, first + count, mode)
        kept = mode if mode in (WC, UCM, WT) else WB
        plain |= dict.fromkeys(range(first, first + count), kept)
    assert [plain.get(pfn, WB) for pfn in range(20)] == [
        get_page_memtype(types, pfn) for pfn in range(20)
    ]
    for (_, end, mode), (start, _, other) in pairwise(types):
        assert end < start or (end == start and mode is not other)


@pytest.mark.parametrize("release", ALL)
def test_mapping_ram_never_changes_its_type(release: str) -> None:
    """remap_pfn_range() of RAM obeys the page flags and leaves them alone (T21)."""
    lab = Lab(release)
    window = "ram0"
    assert "ok" == lab.map(driver(cache=WC), window=window)
    assert ("-", "[0,4)*") == (lab.reserved(window), lab.vmas())
    assert "[0,4)ram0+0Bw" == lab.ptes()
    assert () == lab.world.phys.ram_types
    assert [4] == [event.level for event in lab.events if event.kind == "ram_type"]


@pytest.mark.parametrize("release", ALL)
def test_lookup_of_ram_reads_the_flags(release: str) -> None:
    """RAM's own type counts, not a tree entry that happens to cover it."""
    ctx = context(release)
    ctx.phys = type(ctx.phys)(ram_types=set_page_memtype((), 0x200, 0x201, WT))
    assert WT is lookup_memtype(ctx, 0x200 << 12)
    assert WB is lookup_memtype(ctx, 0x201 << 12)
