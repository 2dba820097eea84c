"""Names for physical addresses."""

from __future__ import annotations

import pytest

from pfntrack.lab.observe.regions import (
    ARENA_BASE,
    Region,
    Regions,
    arena_page,
    cache_of_bits,
    short_cache,
)

REGIONS = Regions((Region("H", 0xFC000, 4096), Region("R", 0xFE000, 4)))


def test_span_inside_a_region_is_named() -> None:
    assert REGIONS.span(0xFC004000, 0xFC008000) == ["H", 4, 8]


def test_span_over_the_end_of_a_region_stays_raw() -> None:
    assert REGIONS.span(0xFE003000, 0xFE005000) == ["0xfe003000", "0xfe005000"]


def test_span_of_nothing_stays_raw() -> None:
    assert REGIONS.span(0xFC000000, 0xFC000000) == ["0xfc000000", "0xfc000000"]


def test_page_outside_is_a_bare_number() -> None:
    assert REGIONS.page(0x2000_0000_000F_C002) == 0x2000_0000_000F_C002
    assert REGIONS.page(0xFE003) == ["R", 3]


def test_unknown_region() -> None:
    with pytest.raises(KeyError):
        REGIONS.base("nowhere")


@pytest.mark.parametrize(
    ("bits", "cache"),
    [(0, "WB"), (0x8, "WC"), (0x10, "UC-"), (0x18, "UC"), (0x98, "WT"), (0x88, "WP")],
)
def test_cache_bits_follow_the_programmed_pat(bits: int, cache: str) -> None:
    assert cache_of_bits(bits) == cache


def test_long_cache_names() -> None:
    assert short_cache("write-combining") == "WC"
    assert short_cache("uncached-minus") == "UC-"
    assert short_cache("something-new") == "something-new"


def test_addresses_outside_the_arena_have_no_page() -> None:
    assert arena_page(ARENA_BASE + 3 * 4096) == 3
    assert arena_page(0x7FFF_0000_0000) is None
