"""memtype_reserve, memtype_free, lookup_memtype and reserve_pfn_range."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import errno
import itertools

import attrs
import pytest

from pfntrack.pat import CacheMode, Context, Failure, Machine, Memtype, Tree
from pfntrack.pat.events import Warn
from pfntrack.pat.memtype import (
    free_pfn_range,
    is_new_memtype_allowed,
    is_untracked_pat_range,
    lookup_memtype,
    memtype_free,
    memtype_kernel_map_sync,
    memtype_reserve,
    reserve_pfn_range,
    sanitize_phys_range,
)
from pfntrack.pat.mtrr import UC as MTRR_UC
from pfntrack.pat.mtrr import Mtrr
from support import ALL, LOW, MACHINE, NO_PAT, NOSYNC, SYNC, H, Lab, W, context, lines

WB, WC, UCM, UC, WT, WP = CacheMode
PAGE = 4096
RAM = 0x200000
TOP = 1 << 52


def at(first: int, last: int, kind: CacheMode = UCM) -> Memtype:
    """An entry of pages of window W."""
    return Memtype(W.start + first * PAGE, W.start + last * PAGE, kind)


def held(ctx: Context) -> Tree:
    """The reservations after a call."""
    return ctx.phys.tree


def span(first: int, last: int) -> tuple[int, int]:
    """Bytes of pages of window W."""
    return W.start + first * PAGE, W.start + last * PAGE


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("mode", [mode for mode in CacheMode if mode is not WB])
def test_reserve_enters_what_was_asked(release: str, mode: CacheMode) -> None:
    """WP and strong UC too are accepted for I/O memory as they are."""
    ctx = context(release)
    assert (0, mode) == memtype_reserve(ctx, *span(0, 4), mode)
    assert (at(0, 4, mode),) == held(ctx)


def test_reserve_of_write_back_enters_the_actual_type() -> None:
    """The tree holds what the MTRRs allow, not what was asked."""
    ctx = context()
    assert (0, UCM) == memtype_reserve(ctx, *span(0, 4), WB)
    assert (0, WB) == memtype_reserve(ctx, H.start, H.start + PAGE, WB)
    assert [UCM, WB] == [entry.type for entry in ctx.phys.tree]


@pytest.mark.parametrize("release", ["6.1", "6.12", "7.3"])
def test_addresses_are_masked_to_the_physical_width(release: str) -> None:
    """Decoy addresses with bit 63 set mean the plain address."""
    ctx = context(release)
    decoy = 1 << 63
    start, end = span(0, 4)
    assert (0, UCM) == memtype_reserve(ctx, start | decoy, end | decoy, UCM)
    assert (at(0, 4),) == held(ctx)
    assert 0 == memtype_free(ctx, start | decoy, end | decoy)
    assert () == held(ctx)


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("5.10", (TOP - PAGE, 0)),
        ("6.1", (TOP - PAGE, TOP)),
        ("6.12", (TOP - PAGE, TOP)),
        ("7.3", (TOP - PAGE, TOP)),
    ],
)
def test_sanitizing_the_last_page(release: str, expected: tuple[int, int]) -> None:
    """5.10 masks the exclusive end to 0; later releases mask the last byte."""
    assert expected == sanitize_phys_range(context(release), TOP - PAGE, TOP)


def test_b14_reserving_the_last_page_fails_on_old_kernels() -> None:
    """Up to 5.14 the end of the physical space wraps to 0 and the reservation fails."""
    ctx = context("5.10")
    assert (-errno.EINVAL, UCM) == memtype_reserve(ctx, TOP - PAGE, TOP, UCM)
    assert () == held(ctx)
    assert [
        "memtype_reserve failed: [mem 0xffffffffff000-0xffffffffffffffff], req uncached-minus"
    ] == lines(ctx.events)


@pytest.mark.parametrize("release", ["6.1", "6.12", "7.3"])
def test_b14_reserving_the_last_page_works_on_newer_kernels(release: str) -> None:
    """The same reservation is entered once the last byte is masked instead."""
    ctx = context(release)
    assert (0, UCM) == memtype_reserve(ctx, TOP - PAGE, TOP, UCM)
    assert (Memtype(TOP - PAGE, TOP, UCM),) == held(ctx)


@pytest.mark.parametrize("release", ["6.1", "6.12", "7.3"])
def test_b15_the_last_page_can_never_be_released(release: str) -> None:
    """memtype_free() still masks the exclusive end to 0.

    A range that ends at 0 passes for one that ends below 1 MiB, so the release
    even reports success, and says nothing.
    """
    ctx = context(release)
    memtype_reserve(ctx, TOP - PAGE, TOP, UCM)
    assert 0 == memtype_free(ctx, TOP - PAGE, TOP)
    assert (Memtype(TOP - PAGE, TOP, UCM),) == held(ctx)
    assert [] == lines(ctx.events)


@pytest.mark.parametrize("release", ALL)
def test_b15_a_page_below_the_top_is_released(release: str) -> None:
    """Only a range that ends exactly at the top is affected."""
    ctx = context(release)
    assert (0, UCM) == memtype_reserve(ctx, TOP - 2 * PAGE, TOP - PAGE, UCM)
    assert 0 == memtype_free(ctx, TOP - 2 * PAGE, TOP - PAGE)
    assert () == held(ctx)


def test_b15_depends_on_the_quirk_alone() -> None:
    """With the end masked like the start of the last page, the release works."""
    ctx = context("7.3")
    ctx.pat = attrs.evolve(ctx.pat, free_masks_end=False)
    memtype_reserve(ctx, TOP - PAGE, TOP, UCM)
    assert 0 == memtype_free(ctx, TOP - PAGE, TOP)
    assert () == held(ctx)


def test_top_of_a_narrow_machine() -> None:
    """The width belongs to the machine: with 36 bits the same happens at 64 GiB."""
    machine = Machine(phys_bits=36)
    assert (1 << 36) - 1 == machine.physical_mask
    assert (
        -errno.EINVAL
        == memtype_reserve(context("5.10", machine), (1 << 36) - PAGE, 1 << 36, UCM)[0]
    )
    assert 0 == memtype_reserve(context("7.3", machine), (1 << 36) - PAGE, 1 << 36, UCM)[0]


@pytest.mark.parametrize("machine", [MACHINE, NO_PAT], ids=["pat", "no-pat"])
def test_empty_range_is_refused_before_anything_else(machine: Machine) -> None:
    """start >= end is a WARN and EINVAL, even with PAT off."""
    ctx = context("6.1", machine)
    assert (-errno.EINVAL, WC) == memtype_reserve(ctx, W.start + PAGE, W.start, WC)
    warns = [event for event in ctx.events if isinstance(event, Warn)]
    assert [
        ("memtype.c", "memtype_reserve failed: [mem 0xfe001000-0xfdffffff], req write-combining")
    ] == [(warn.file, warn.text()) for warn in warns]


@pytest.mark.parametrize(
    ("start", "end"), [(W.start, W.end), (RAM, RAM + PAGE), (0xA0000, 0xA1000), (0xFF000, 0x101000)]
)
def test_with_pat_off_everything_is_granted_and_nothing_kept(start: int, end: int) -> None:
    """PAT off is asked before ISA, MTRR and RAM."""
    ctx = context("6.1", NO_PAT)
    assert (0, UC) == memtype_reserve(ctx, start, end, UC)
    assert ((), ()) == (ctx.phys.tree, ctx.phys.ram_types)
    assert 0 == memtype_free(ctx, start, end)
    assert [] == lines(ctx.events)


@pytest.mark.parametrize(
    ("start", "end", "untracked"),
    [
        (0xA0000, 0x100000, True),
        (0xA0000, 0xA1000, True),
        (0xFF000, 0x100000, True),
        (0x9F000, 0xA1000, False),
        (0xFF000, 0x101000, False),
        (0x10000, 0x11000, False),
    ],
)
def test_isa_range(start: int, end: int, untracked: bool) -> None:
    """Only what lies wholly inside 640 KiB to 1 MiB is left untracked."""
    assert untracked == is_untracked_pat_range(start, end)


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("mode", CacheMode)
def test_isa_range_is_granted_as_write_back(release: str, mode: CacheMode) -> None:
    """It is decided before the MTRRs, which would say uncachable here."""
    ctx = context(release)
    assert (0, WB) == memtype_reserve(ctx, 0xA0000, 0xA4000, mode)
    assert () == held(ctx)
    assert 0 == memtype_free(ctx, 0xA0000, 0xA4000)
    assert WB is lookup_memtype(ctx, 0xA0000)
    assert [] == lines(ctx.events)


def test_ram_takes_the_requested_not_the_actual_type() -> None:
    """The MTRR hint is not applied to RAM: WB stays WB under an uncachable MTRR."""
    ctx = context("6.1", mtrr=Mtrr(default=MTRR_UC))
    assert (0, WB) == memtype_reserve(ctx, RAM, RAM + PAGE, WB)
    assert () == ctx.phys.ram_types


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("mode", [WC, UCM, WT])
def test_ram_types_go_into_page_flags(release: str, mode: CacheMode) -> None:
    """Nothing enters the tree, and the release makes the pages write-back again."""
    ctx = context(release)
    assert (0, mode) == memtype_reserve(ctx, RAM, RAM + 2 * PAGE, mode)
    assert ((), ((0x200, 0x202, mode),)) == (ctx.phys.tree, ctx.phys.ram_types)
    assert 0 == memtype_free(ctx, RAM, RAM + 2 * PAGE)
    assert () == ctx.phys.ram_types


@pytest.mark.parametrize("mode", [WC, UCM, WT])
def test_ram_is_not_counted_so_a_second_request_is_refused(mode: CacheMode) -> None:
    """Even an equal type is busy; the line prints enum numbers."""
    ctx = context()
    memtype_reserve(ctx, RAM + PAGE, RAM + 2 * PAGE, WC)
    before = ctx.phys
    assert (-errno.EBUSY, WC) == memtype_reserve(ctx, RAM, RAM + 2 * PAGE, mode)
    assert before == ctx.phys
    assert [
        "x86/PAT: reserve_ram_pages_type failed [mem 0x00200000-0x00201fff], "
        f"track 0x1, req 0x{mode.value}"
    ] == lines(ctx.events)


def test_ram_release_is_unconditional() -> None:
    """The first owner that frees takes the type from all."""
    ctx = context()
    memtype_reserve(ctx, RAM, RAM + 4 * PAGE, WC)
    assert 0 == memtype_free(ctx, RAM + PAGE, RAM + 2 * PAGE)
    assert ((0x200, 0x201, WC), (0x202, 0x204, WC)) == ctx.phys.ram_types
    assert 0 == memtype_free(ctx, RAM + PAGE, RAM + 2 * PAGE)


def test_ram_cannot_be_write_protected() -> None:
    """WP is refused without a message; UC- is what the caller finds."""
    ctx = context()
    assert (-errno.EINVAL, UCM) == memtype_reserve(ctx, RAM, RAM + PAGE, WP)
    assert [] == lines(ctx.events)


def test_strong_uc_on_ram_warns_and_becomes_uc_minus() -> None:
    """There is no flag for strong UC."""
    ctx = context()
    assert (0, UCM) == memtype_reserve(ctx, RAM, RAM + PAGE, UC)
    chains = [event.chain for event in ctx.events if isinstance(event, Warn)]
    assert [("reserve_ram_pages_type", "memtype_reserve")] == chains


@pytest.mark.parametrize("release", ALL)
def test_mixed_ranges_are_refused_silently(release: str) -> None:
    """Neither reserve nor free says why."""
    ctx = context(release)
    assert (-errno.EINVAL, WC) == memtype_reserve(ctx, 0xFF000, 0x101000, WC)
    assert -errno.EINVAL == memtype_free(ctx, 0xFF000, 0x101000)
    assert [] == lines(ctx.events)
    assert ((), ()) == (ctx.phys.tree, ctx.phys.ram_types)


@pytest.mark.parametrize("release", ALL)
def test_conflict_reports_two_lines_and_the_actual_type(release: str) -> None:
    """EBUSY leaves the tree alone; `track` is what the MTRRs made of the request."""
    ctx = context(release, tree=(at(0, 2), at(2, 4, WC)))
    before = ctx.phys
    assert (-errno.EBUSY, UCM) == memtype_reserve(ctx, *span(0, 4), WB)
    assert before == ctx.phys
    assert [
        "x86/PAT: lab:100 conflicting memory types fe000000-fe004000 "
        "uncached-minus<->write-combining",
        "x86/PAT: memtype_reserve failed [mem 0xfe000000-0xfe003fff], "
        "track uncached-minus, req write-back",
    ] == lines(ctx.events)
    assert ["overlap", "conflict", "reserve_failed"] == [
        event.kind for event in ctx.events if event.text() is not None
    ]


def test_without_return_pointer_a_different_type_is_busy() -> None:
    """set_memory_* on I/O memory gets no other type than its own."""
    ctx = context(tree=(at(0, 4, WC),))
    assert -errno.EBUSY == memtype_reserve(ctx, *span(0, 4), UCM, want_ret=False)[0]
    assert (0, WC) == memtype_reserve(ctx, *span(0, 4), WC, want_ret=False)


def test_debugpat_lines_of_a_reservation_and_its_release() -> None:
    """Overlap with an exclusive end, then added; `ret -` without a return pointer."""
    ctx = context(tree=(at(0, 4),))
    memtype_reserve(ctx, *span(0, 4), WC)
    memtype_reserve(ctx, *span(0, 4), UCM, want_ret=False)
    memtype_free(ctx, *span(0, 4))
    assert [
        "x86/PAT: Overlap at 0xfe000000-0xfe004000",
        "x86/PAT: memtype_reserve added [mem 0xfe000000-0xfe003fff], "
        "track uncached-minus, req write-combining, ret uncached-minus",
        "x86/PAT: Overlap at 0xfe000000-0xfe004000",
        "x86/PAT: memtype_reserve added [mem 0xfe000000-0xfe003fff], "
        "track uncached-minus, req uncached-minus, ret -",
        "x86/PAT: memtype_free request [mem 0xfe000000-0xfe003fff]",
    ] == [text for event in ctx.events if (text := event.text()) is not None]


@pytest.mark.parametrize(
    ("release", "error", "left"),
    [
        ("5.10", 0, (at(0, 3),)),
        ("6.1", 0, (at(0, 3),)),
        ("6.12", 0, (at(0, 3),)),
        ("7.3", -errno.EINVAL, (at(0, 4),)),
    ],
)
def test_freeing_a_tail(release: str, error: int, left: tuple[Memtype, ...]) -> None:
    """Only the releases with the end match shrink an entry."""
    ctx = context(release, tree=(at(0, 4),))
    assert error == memtype_free(ctx, *span(3, 4))
    assert left == held(ctx)


@pytest.mark.parametrize("release", ALL)
def test_freeing_a_head_is_invalid(release: str) -> None:
    """The line names the task that frees and the last byte of the range."""
    ctx = context(release, tree=(at(0, 4),))
    assert -errno.EINVAL == memtype_free(ctx, *span(0, 1))
    assert (at(0, 4),) == held(ctx)
    assert ["x86/PAT: lab:100 freeing invalid memtype [mem 0xfe000000-0xfe000fff]"] == lines(
        ctx.events
    )


@pytest.mark.parametrize("release", ALL)
def test_lookup_without_an_entry_is_uc_minus(release: str) -> None:
    """Where nothing is known, uncached-minus is assumed (P2, P3)."""
    ctx = context(release, tree=(at(0, 1, WC),))
    assert WC is lookup_memtype(ctx, W.start)
    assert UCM is lookup_memtype(ctx, W.start + PAGE)


@pytest.mark.parametrize(("req", "new"), list(itertools.product(CacheMode, CacheMode)))
def test_which_types_a_mapper_accepts(req: CacheMode, new: CacheMode) -> None:
    """Exactly four pairs are refused, and none in the ISA range."""
    refused = {(UCM, WB), (WC, WB), (WT, WB), (WT, WC)}
    assert ((req, new) not in refused) == is_new_memtype_allowed(*span(0, 1), req, new)
    assert is_new_memtype_allowed(0xA0000, 0xA1000, req, new)


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize("have", CacheMode)
@pytest.mark.parametrize("want", CacheMode)
def test_reserve_pfn_range_over_one_entry(release: str, have: CacheMode, want: CacheMode) -> None:
    """The old type is taken where it is allowed; else the entry goes again, with a line."""
    ctx = context(release, tree=(at(0, 4, have),))
    found = reserve_pfn_range(ctx, *span(0, 4), want, strict=False)
    if have is want or is_new_memtype_allowed(*span(0, 4), want, have):
        assert (0, have) == found
        assert (at(0, 4, have), at(0, 4, have)) == held(ctx)
        assert [] == lines(ctx.events)
    else:
        assert (-errno.EINVAL, want) == found
        assert (at(0, 4, have),) == held(ctx)
        assert [
            f"x86/PAT: lab:100 map pfn expected mapping type {want.cattr} for "
            f"[mem 0xfe000000-0xfe003fff], got {have.cattr}"
        ] == lines(ctx.events)


@pytest.mark.parametrize("have", CacheMode)
@pytest.mark.parametrize("want", CacheMode)
def test_strict_reservation_accepts_its_own_type_only(have: CacheMode, want: CacheMode) -> None:
    """What fork asks for must be granted as it is."""
    ctx = context(tree=(at(0, 4, have),))
    error, _ = reserve_pfn_range(ctx, *span(0, 4), want, strict=True)
    assert (0 if have is want else -errno.EINVAL) == error
    assert (2 if have is want else 1) == len(ctx.phys.tree)


def test_refusal_frees_before_it_speaks() -> None:
    """The entry is gone when the line appears."""
    ctx = context(tree=(at(0, 4, WB),))
    reserve_pfn_range(ctx, *span(0, 4), UCM, strict=False)
    assert ["overlap", "added", "freed", "expected_type"] == [
        event.kind for event in ctx.events if event.text() is not None
    ]


@pytest.mark.parametrize("strict", [False, True])
def test_reserve_pfn_range_of_ram_reserves_nothing(strict: bool) -> None:
    """The first page decides; a difference is a warning, not an error."""
    ctx = context()
    memtype_reserve(ctx, RAM, RAM + PAGE, WC)
    assert (0, WC) == reserve_pfn_range(ctx, RAM, RAM + 2 * PAGE, UCM, strict=strict)
    assert ((), ((0x200, 0x201, WC),)) == (ctx.phys.tree, ctx.phys.ram_types)
    assert [
        "x86/PAT: lab:100 map pfn RAM range req uncached-minus for "
        "[mem 0x00200000-0x00201fff], got write-combining"
    ] == lines(ctx.events)


def test_reserve_pfn_range_of_ram_of_the_right_type_is_silent() -> None:
    """No line if the page already has what was asked."""
    ctx = context()
    assert (0, WB) == reserve_pfn_range(ctx, RAM, RAM + PAGE, WB, strict=False)
    assert [] == lines(ctx.events)


def test_reserve_pfn_range_of_ram_with_pat_off_keeps_the_request() -> None:
    """Without PAT nobody looks at page flags."""
    ctx = context("6.1", NO_PAT)
    assert (0, UCM) == reserve_pfn_range(ctx, RAM, RAM + PAGE, UCM, strict=False)
    assert [] == lines(ctx.events)


def test_reserve_pfn_range_passes_a_conflict_on() -> None:
    """EBUSY reaches the caller with the type it asked for."""
    ctx = context(tree=(at(0, 2), at(2, 4, WC)))
    assert (-errno.EBUSY, WT) == reserve_pfn_range(ctx, *span(0, 4), WT, strict=False)


@pytest.mark.parametrize("ram", [True, False])
def test_free_pfn_range_touches_device_ranges_only(ram: bool) -> None:
    """RAM and mixed ranges hold nothing, so nothing is freed."""
    ctx = context(tree=(at(0, 4),))
    memtype_reserve(ctx, RAM, RAM + PAGE, WC)
    free_pfn_range(ctx, *((RAM, RAM + PAGE) if ram else span(0, 4)))
    assert (1 if ram else 0) == len(ctx.phys.tree)
    assert ((0x200, 0x201, WC),) == ctx.phys.ram_types


@pytest.mark.parametrize("symbol", ["memtype_reserve", "memtype_kernel_map_sync"])
def test_failing_reservation_leaves_nothing(symbol: str) -> None:
    """Whichever half fails, the tree is as before."""
    ctx = context()
    ctx.failures = (Failure(symbol, -errno.ENOMEM),)
    assert 0 > reserve_pfn_range(ctx, *span(0, 4), UCM, strict=False)[0]
    assert () == held(ctx)
    assert [1] == [failure.fired for failure in ctx.failures]


def test_direct_map_failure_is_einval() -> None:
    """Whatever the direct map said, the mapper hears EINVAL."""
    ctx = context()
    ctx.failures = (Failure("memtype_kernel_map_sync", -errno.ENOMEM),)
    assert (-errno.EINVAL, UCM) == reserve_pfn_range(ctx, *span(0, 4), UCM, strict=False)


@pytest.mark.parametrize("release", ALL)
def test_direct_map_follows_for_low_ram_only(release: str) -> None:
    """I/O memory has no direct map; RAM below 1 MiB is changed."""
    lab = Lab(release)
    assert "ok" == lab.map(SYNC, window="LOW")
    assert "ok" == lab.map(SYNC, at=8)
    assert ((LOW.pfn, LOW.pfn + 4, UCM),) == lab.world.phys.direct_map


@pytest.mark.parametrize("release", ALL)
def test_direct_map_is_not_restored(release: str) -> None:
    """The release leaves it as it is; the next reservation of another type sets it."""
    lab = Lab(release)
    lab.map(SYNC, window="LOW")
    lab.munmap(0, 4)
    assert ("-", 1) == (lab.reserved("LOW"), len(lab.world.phys.direct_map))
    assert "ok" == lab.map(NOSYNC, window="LOW")
    assert ("[0,4)B", ()) == (lab.reserved("LOW"), lab.world.phys.direct_map)


@pytest.mark.parametrize("mode", [WC, UCM, WT])
def test_direct_map_types(mode: CacheMode) -> None:
    """WC, UC- and WT are set as they are."""
    ctx = context()
    assert 0 == memtype_kernel_map_sync(ctx, LOW.start, LOW.end, mode)
    assert ((LOW.pfn, LOW.pfn + 16, mode),) == ctx.phys.direct_map


@pytest.mark.parametrize("mode", [UC, WP])
def test_direct_map_of_other_types_is_uc_minus(mode: CacheMode) -> None:
    """ioremap_change_attr() knows UC-, WC, WT and WB; everything else gets UC-."""
    ctx = context()
    memtype_kernel_map_sync(ctx, LOW.start, LOW.end, mode)
    assert ((LOW.pfn, LOW.pfn + 16, UCM),) == ctx.phys.direct_map


def test_every_call_leaves_a_trace_of_entry_and_return() -> None:
    """Probes see reserve and free with their result, failing ones too."""
    ctx = context()
    memtype_reserve(ctx, *span(0, 1), UCM)
    memtype_free(ctx, *span(0, 2))
    seen = [
        (event.function, dict(event.fields).get("ret"))
        for event in ctx.events
        if event.kind == "call" and hasattr(event, "function") and hasattr(event, "fields")
    ]
    assert [
        ("memtype_reserve", None),
        ("memtype_reserve_ret", 0),
        ("memtype_free", None),
        ("memtype_free_ret", -errno.EINVAL),
    ] == seen


def test_explanations_can_be_switched_off() -> None:
    """Without them only what the kernel says is left."""
    ctx = context(tree=(at(0, 4, WC),))
    ctx.explain = False
    memtype_reserve(ctx, *span(0, 4), UCM)
    assert ["overlap", "added"] == [event.kind for event in ctx.events]
