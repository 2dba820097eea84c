"""Cache modes and PAT layouts: numbers, names, slots and bits."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfntrack.pat import CacheMode
from pfntrack.pat.cachemode import BY_CATTR, BY_SHORT
from pfntrack.pat.layout import (
    CACHE_MASK,
    CACHE_MASK_LARGE,
    FULL,
    LAYOUTS,
    LEGACY,
    LOWER_FOUR,
    PAT,
    PAT_LARGE,
    PCD,
    PWT,
    XEN_PV,
    Leaf,
    PatLayout,
    from_msr,
    large_to_pte,
    pgprot_noncached,
    pgprot_writecombine,
    pgprot_writethrough,
    pte_to_large,
)
from support import MACHINE, NO_PAT

WB, WC, UCM, UC, WT, WP = CacheMode

# What each layout makes of a request, and what that reads back as.
ENCODINGS = {
    FULL: {
        WB: (0, WB),
        WC: (PWT, WC),
        UCM: (PCD, UCM),
        UC: (PCD | PWT, UC),
        WT: (PAT | PCD | PWT, WT),
        WP: (PAT | PWT, WP),
    },
    LOWER_FOUR: {
        WB: (0, WB),
        WC: (PWT, WC),
        UCM: (PCD, UCM),
        UC: (PCD | PWT, UC),
        WT: (PCD, UCM),
        WP: (PCD, UCM),
    },
    LEGACY: {
        WB: (0, WB),
        WC: (PCD, UCM),
        UCM: (PCD, UCM),
        UC: (PCD | PWT, UC),
        WT: (PWT, WT),
        WP: (PCD, UCM),
    },
}
# The eight combinations of PAT, PCD and PWT, slot by slot.
BITS = [0, PWT, PCD, PCD | PWT, PAT, PAT | PWT, PAT | PCD, PAT | PCD | PWT]
DECODINGS = {
    FULL: [WB, WC, UCM, UC, WB, WP, UCM, WT],
    LOWER_FOUR: [WB, WC, UCM, UC, WB, WC, UCM, UC],
    LEGACY: [WB, WT, UCM, UC, WB, WT, UCM, UC],
}

layouts = st.sampled_from(list(LAYOUTS.values()))
modes = st.sampled_from(CacheMode)
leaves = st.sampled_from(Leaf)


@pytest.mark.parametrize(
    ("mode", "number", "short", "cattr"),
    [
        (WB, 0, "WB", "write-back"),
        (WC, 1, "WC", "write-combining"),
        (UCM, 2, "UC-", "uncached-minus"),
        (UC, 3, "UC", "uncached"),
        (WT, 4, "WT", "write-through"),
        (WP, 5, "WP", "write-protected"),
    ],
)
def test_cache_modes_carry_the_kernels_numbers_and_names(
    mode: CacheMode, number: int, short: str, cattr: str
) -> None:
    """Messages print both the number and the name, so both must be the kernel's."""
    assert (number, short, cattr) == (mode.value, mode.short, mode.cattr)
    assert short == str(mode)
    assert mode is BY_SHORT[short] is BY_CATTR[cattr]


def test_there_are_exactly_six_cache_modes() -> None:
    """`enum page_cache_mode` has six values, and the tables by name miss none."""
    assert 6 == len(CacheMode) == len(BY_SHORT) == len(BY_CATTR)


def test_bits_are_where_the_cpu_looks_for_them() -> None:
    """PWT is bit 3, PCD bit 4, PAT bit 7 of a PTE and bit 12 of a large leaf."""
    assert (0x8, 0x10, 0x80, 0x1000) == (PWT, PCD, PAT, PAT_LARGE)
    assert (0x98, 0x1018) == (CACHE_MASK, CACHE_MASK_LARGE)


@pytest.mark.parametrize("layout", ENCODINGS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("mode", CacheMode)
def test_encoding_and_what_it_reads_back_as(layout: PatLayout, mode: CacheMode) -> None:
    """A mode that no slot holds is encoded as PCD and becomes UC-."""
    bits, granted = ENCODINGS[layout][mode]
    assert bits == layout.encode(mode)
    assert granted is layout.decode(bits) is layout.granted(mode)


@pytest.mark.parametrize("layout", DECODINGS, ids=lambda layout: layout.name)
def test_decoding_of_all_eight_slots(layout: PatLayout) -> None:
    """Every combination of bits selects the type of its slot."""
    assert DECODINGS[layout] == [layout.decode(bits) for bits in BITS]


@pytest.mark.parametrize(
    ("layout", "msr"),
    [
        (FULL, 0x0407050600070106),
        (LOWER_FOUR, 0x0007010600070106),
        (LEGACY, 0x0007040600070406),
    ],
    ids=lambda value: value.name if isinstance(value, PatLayout) else "",
)
def test_msr_value(layout: PatLayout, msr: int) -> None:
    """The register value of each layout is the documented one and reads back."""
    assert msr == layout.msr()
    assert layout.slots == from_msr(msr).slots


def test_reset_value_of_the_msr_is_the_legacy_layout() -> None:
    """A CPU that nobody has set up decodes like the table that the kernel emulates."""
    assert LEGACY.slots == from_msr(0x0007040600070406).slots


@pytest.mark.parametrize("code", [2, 3])
def test_unknown_msr_code_counts_as_write_back(code: int) -> None:
    """Reserved type codes are read as WB, as in `pat_get_cache_mode()`."""
    assert (WB,) * 8 == from_msr(int(f"{code:02x}" * 8, 16)).slots


@pytest.mark.parametrize(
    ("layout", "line"),
    [
        (FULL, "WB  WC  UC- UC  WB  WP  UC- WT  "),
        (LOWER_FOUR, "WB  WC  UC- UC  WB  WC  UC- UC  "),
        (LEGACY, "WB  WT  UC- UC  WB  WT  UC- UC  "),
        (XEN_PV, "WB  WT  UC- UC  WC  WP  UC  UC  "),
    ],
    ids=lambda value: value.name if isinstance(value, PatLayout) else "",
)
def test_boot_line_has_eight_cells_of_four_characters(layout: PatLayout, line: str) -> None:
    """The boot line keeps its trailing blanks."""
    assert line == layout.configuration()
    assert 32 == len(layout.configuration())


def test_lowest_slot_encodes_a_mode_that_several_hold() -> None:
    """The kernel fills its table downwards, so the lowest slot wins."""
    assert [0, 1, 2, 3, 7, 5] == [FULL.slot(mode) for mode in CacheMode]


@pytest.mark.parametrize("count", [0, 7, 9])
def test_a_layout_has_eight_slots(count: int) -> None:
    """Any other number of slots is a mistake and said so."""
    with pytest.raises(ValueError, match=f"8 slots, not {count}"):
        PatLayout("odd", (WB,) * count)


@given(modes)
def test_large_leaf_uses_bit_12(mode: CacheMode) -> None:
    """In a large leaf bit 7 is the page-size bit, so PAT sits at bit 12."""
    small, large = FULL.encode(mode), FULL.encode(mode, Leaf.LARGE)
    assert not large & PAT
    assert bool(small & PAT) == bool(large & PAT_LARGE)
    assert large == pte_to_large(small)
    assert small == large_to_pte(large)


@pytest.mark.parametrize(
    ("large", "small"),
    [(0, 0), (PAT_LARGE, PAT), (PAT_LARGE | PWT, PAT | PWT), (PCD | PWT, PCD | PWT), (PAT, 0)],
)
def test_moving_the_pat_bit_down(large: int, small: int) -> None:
    """`protval_large_2_4k` moves bit 12 to 7 and drops what was in 7."""
    assert small == large_to_pte(large)


@pytest.mark.parametrize(
    ("small", "large"),
    [(0, 0), (PAT, PAT_LARGE), (PAT | PCD, PAT_LARGE | PCD), (PWT, PWT), (PAT_LARGE, 0)],
)
def test_moving_the_pat_bit_up(small: int, large: int) -> None:
    """`protval_4k_2_large` moves bit 7 to 12 and drops what was in 12."""
    assert large == pte_to_large(small)


def test_a_pte_read_as_a_large_leaf_gives_another_type() -> None:
    """Forgetting to move the PAT bit turns WT into UC and WP into WC."""
    assert UC is FULL.decode(FULL.encode(WT), Leaf.LARGE)
    assert WC is FULL.decode(FULL.encode(WP), Leaf.LARGE)


@given(layouts, modes, leaves)
def test_granting_is_idempotent(layout: PatLayout, mode: CacheMode, leaf: Leaf) -> None:
    """What a layout grants it can hold: a second trip changes nothing."""
    granted = layout.decode(layout.encode(mode, leaf), leaf)
    assert granted is layout.granted(mode)
    assert granted is layout.granted(granted)


@given(layouts, modes)
def test_a_mode_in_a_slot_survives(layout: PatLayout, mode: CacheMode) -> None:
    """Exactly the modes that some slot holds read back as themselves."""
    assert (mode in layout.slots) == (layout.granted(mode) is mode)


@given(st.integers(0, (1 << 64) - 1), leaves)
def test_decoding_looks_at_cache_bits_only(bits: int, leaf: Leaf) -> None:
    """All other bits of an entry are irrelevant."""
    mask = CACHE_MASK if leaf is Leaf.PTE else CACHE_MASK_LARGE
    assert FULL.decode(bits & mask, leaf) is FULL.decode(bits, leaf)


@given(st.lists(modes, min_size=8, max_size=8))
def test_msr_round_trip(slots: list[CacheMode]) -> None:
    """Any eight types survive the way through the register."""
    layout = PatLayout("any", tuple(slots))
    assert layout.slots == from_msr(layout.msr()).slots


@given(st.integers(0, (1 << 13) - 1))
def test_moving_the_pat_bit_keeps_all_others(bits: int) -> None:
    """Up and down again loses nothing but the bit that had no meaning."""
    assert bits & ~PAT_LARGE == large_to_pte(pte_to_large(bits))
    assert bits & ~PAT == pte_to_large(large_to_pte(bits))


@pytest.mark.parametrize("replaces", [False, True])
def test_noncached_of_writecombine_is_strong_uc(replaces: bool) -> None:
    """`pgprot_noncached()` always ORs, so WC plus UC- is strong UC."""
    bits = pgprot_noncached(FULL, pgprot_writecombine(FULL, 0, replaces=replaces))
    assert UC is FULL.decode(bits)


@pytest.mark.parametrize(("replaces", "mode"), [(False, UC), (True, WC)])
def test_writecombine_of_noncached(replaces: bool, mode: CacheMode) -> None:
    """ORing gives strong UC, replacing gives what was asked for."""
    bits = pgprot_writecombine(FULL, pgprot_noncached(FULL, 0), replaces=replaces)
    assert mode is FULL.decode(bits)


@pytest.mark.parametrize("replaces", [False, True])
def test_writethrough_of_anything_is_writethrough_in_the_full_layout(replaces: bool) -> None:
    """WT has all three bits set, so ORing and replacing agree."""
    assert WT is FULL.decode(pgprot_writethrough(FULL, FULL.encode(UCM), replaces=replaces))


@pytest.mark.parametrize("function", [pgprot_writecombine, pgprot_writethrough])
@pytest.mark.parametrize("replaces", [False, True])
def test_pgprot_helpers_keep_permission_bits(function: object, replaces: bool) -> None:
    """Only cache bits may change."""
    assert callable(function)
    other = 0x8000000000000067
    assert other == function(FULL, other, replaces=replaces) & ~CACHE_MASK
    assert other == pgprot_noncached(FULL, other) & ~CACHE_MASK


def test_with_pat_off_the_machine_encodes_by_the_legacy_table() -> None:
    """Without PAT the kernel emulates the reset layout, so WC becomes UC-."""
    assert (LEGACY, False) == (NO_PAT.layout, NO_PAT.pat_enabled)
    assert (FULL, True) == (MACHINE.layout, MACHINE.pat_enabled)
    assert UCM is NO_PAT.layout.granted(WC)
