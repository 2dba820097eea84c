"""MTRR lookup in both generations, and writing /proc/mtrr."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfntrack.pat import CacheMode
from pfntrack.pat.memtype import pat_x_mtrr_type
from pfntrack.pat.mtrr import UC, WB, WC, WP, WT, Mtrr, MtrrLookup, Variable, pc_fixed
from pfntrack.traces.machine import q35_mtrr
from support import ALL, NOSYNC, Lab, context

OLD, NEW = MtrrLookup.FIXED_AT_START, MtrrLookup.MERGED_MAP
BOTH = (OLD, NEW)
GIB, PAGE = 1 << 30, 4096
KINDS = (UC, WC, WT, WP, WB)


@pytest.mark.parametrize("generation", BOTH)
def test_disabled_registers_know_nothing(generation: MtrrLookup) -> None:
    """With MTRRs off there is no answer, whatever the registers hold."""
    assert None is Mtrr(enabled=False, fixed=pc_fixed()).lookup(0, PAGE, generation)


@pytest.mark.parametrize("generation", BOTH)
@pytest.mark.parametrize("kind", KINDS)
def test_unmatched_addresses_have_the_default_type(generation: MtrrLookup, kind: int) -> None:
    """Where no register reaches, the default type holds."""
    assert kind == Mtrr(default=kind).lookup(8 * GIB, 8 * GIB + PAGE, generation)


@pytest.mark.parametrize("generation", BOTH)
@pytest.mark.parametrize(
    ("start", "end", "kind"),
    [
        (0, 0xA0000, WB),
        (0xA0000, 0xC0000, UC),
        (0xC0000, 0x100000, WP),
        (0x100000, 3 * GIB, WB),
        (3 * GIB, 4 * GIB, UC),
        (4 * GIB, 5 * GIB, WB),
        (3 * GIB - PAGE, 3 * GIB + PAGE, UC),
        (4 * GIB - PAGE, 4 * GIB + PAGE, UC),
    ],
)
def test_firmware_of_the_guest(generation: MtrrLookup, start: int, end: int, kind: int) -> None:
    """Within one register, and above 1 MiB, the generations agree."""
    assert kind == q35_mtrr().lookup(start, end, generation)


@pytest.mark.parametrize(
    ("start", "end", "old", "new"),
    [
        (0x9E000, 0xA2000, WB, UC),
        (0xBF000, 0xC1000, UC, UC),
        (0xFF000, 0x101000, WP, UC),
        (0x9F000, 0xA0000, WB, WB),
    ],
)
def test_boundaries_below_one_megabyte(start: int, end: int, old: int, new: int) -> None:
    """The old lookup takes the register at the start, the new one merges all parts."""
    assert old == q35_mtrr().lookup(start, end, OLD)
    assert new == q35_mtrr().lookup(start, end, NEW)


@pytest.mark.parametrize(
    ("a", "b", "merged"),
    [
        (WB, WB, WB),
        (WB, WT, WT),
        (WT, WB, WT),
        (WB, UC, UC),
        (WC, UC, UC),
        (WB, WC, UC),
        (WB, WP, UC),
        (WT, WC, UC),
        (WC, WC, WC),
    ],
)
@pytest.mark.parametrize("generation", BOTH)
def test_combination_rule(generation: MtrrLookup, a: int, b: int, merged: int) -> None:
    """Equal types stay, UC wins, WB with WT is WT, any other mix is UC."""
    apart = Mtrr(variable=(Variable(GIB, PAGE, a), Variable(GIB + PAGE, PAGE, b)))
    over = Mtrr(variable=(Variable(GIB, PAGE, a), Variable(GIB, PAGE, b)))
    assert merged == apart.lookup(GIB, GIB + 2 * PAGE, generation)
    assert merged == over.lookup(GIB, GIB + PAGE, generation)


@pytest.mark.parametrize("generation", BOTH)
def test_a_gap_between_registers_counts_with_the_default_type(generation: MtrrLookup) -> None:
    """A range is also judged by its uncovered parts."""
    mtrr = Mtrr(default=UC, variable=(Variable(GIB, PAGE, WB), Variable(GIB + 2 * PAGE, PAGE, WB)))
    assert UC == mtrr.lookup(GIB, GIB + 3 * PAGE, generation)
    assert WB == mtrr.lookup(GIB, GIB + PAGE, generation)


@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 6), st.sampled_from(KINDS)), max_size=4),
    st.sampled_from(KINDS),
    st.integers(0, 15),
    st.integers(1, 8),
)
def test_lookup_equals_merging_page_by_page(
    registers: list[tuple[int, int, int]], default: int, first: int, count: int
) -> None:
    """Cutting at register edges gives the same as asking every page on its own."""
    mtrr = Mtrr(
        default=default,
        variable=tuple(Variable(GIB + b * PAGE, n * PAGE, kind) for b, n, kind in registers),
    )
    types = set()
    for page in range(first, first + count):
        types |= {kind for b, n, kind in registers if b <= page < b + n} or {default}
    expected = types.pop() if len(types) == 1 else WT if types == {WB, WT} else UC
    start = GIB + first * PAGE
    assert expected == mtrr.lookup(start, start + count * PAGE, NEW)


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("mode", CacheMode)
def test_only_write_back_asks_the_mtrrs(release: str, mode: CacheMode) -> None:
    """Every other request passes unchanged, even where the MTRRs say uncachable."""
    expected = CacheMode.UC_MINUS if mode is CacheMode.WB else mode
    assert expected is pat_x_mtrr_type(context(release), 0xFE000000, 0xFE001000, mode)


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("kind", KINDS)
def test_write_back_holds_only_over_write_back(release: str, kind: int) -> None:
    """Anything but WB in the MTRRs turns a WB request into UC-, WT included."""
    ctx = context(release, mtrr=Mtrr(default=kind))
    expected = CacheMode.WB if kind == WB else CacheMode.UC_MINUS
    assert expected is pat_x_mtrr_type(ctx, GIB, GIB + PAGE, CacheMode.WB)


@pytest.mark.parametrize(
    ("release", "expected"),
    [("5.10", "[0,4)B"), ("6.1", "[0,4)B"), ("6.12", "[0,4)U"), ("7.3", "[0,4)U")],
)
def test_mapping_across_the_video_boundary(release: str, expected: str) -> None:
    """Scenario M1: /dev/mem without O_SYNC from RAM into video memory."""
    lab = Lab(release)
    assert "ok" == lab.map(NOSYNC, window="VIDEO")
    assert expected == lab.reserved("VIDEO")


def test_writing_a_register_appends_it() -> None:
    """`base= size= type=` adds a range."""
    found = Mtrr().write("base=0x40000000 size=0x1000 type=write-combining")
    assert (Variable(GIB, PAGE, WC),) == found.variable


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("uncachable", UC),
        ("write-combining", WC),
        ("write-through", WT),
        ("write-protect", WP),
        ("write-back", WB),
    ],
)
def test_names_of_types(name: str, kind: int) -> None:
    """All five names of /proc/mtrr are understood."""
    assert kind == Mtrr().write(f"base=0 size=0x1000 type={name}").variable[0].type


def test_disabling_a_register_leaves_the_others_in_place() -> None:
    """Register numbers must not shift when one is switched off."""
    mtrr = Mtrr(variable=(Variable(GIB, PAGE, UC), Variable(2 * GIB, PAGE, WC)))
    changed = mtrr.write("disable=0")
    assert (Variable(0, 0, UC), Variable(2 * GIB, PAGE, WC)) == changed.variable
    assert WB == changed.lookup(GIB, GIB + PAGE, NEW)
    assert WB == mtrr.write("disable=1").lookup(2 * GIB, 2 * GIB + PAGE, NEW)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("disable=1", "no variable register 1"),
        ("disable=-1", "no variable register -1"),
        ("nonsense", "expected KEY=VALUE, got 'nonsense'"),
        ("base=0 size=1", "expected 'disable=N'"),
        ("base=0 size=1 type=slow", "expected 'disable=N'"),
        ("", "expected 'disable=N'"),
    ],
)
def test_bad_text_is_refused(text: str, message: str) -> None:
    """A text that the kernel would not take is a ValueError that says why."""
    with pytest.raises(ValueError, match=message):
        Mtrr(variable=(Variable(GIB, PAGE, UC),)).write(text)
