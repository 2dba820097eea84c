"""Nothing is said that the lines do not hold: all pairs of types, notations and windows."""

from __future__ import annotations

import itertools

import pytest

from pfntrack.field.answers import answer
from pfntrack.field.catalogue.diagnoses.codes import CODES
from pfntrack.field.read.facts import CACHE_MODES, REFUSED_PAIRS
from pfntrack.field.read.kernelrelease import parse_release
from pfntrack.field.report_text import as_text
from pfntrack.field.triage import Result, triage_text

PAIRS = list(itertools.product(CACHE_MODES, repeat=2))
RELEASES = (
    "2.6.27 2.6.31 3.2 3.6 3.7 4.4 4.5 4.19.300 5.4.200 5.10.100 5.15.100 6.1.50 6.1.111 6.6.30 "
    "6.6.60 6.10.9 6.11 6.12.20 6.12.40 6.15 6.16 6.19 7.3.4"
).split()
SPLIT = "x86/PAT: prog:1 freeing invalid memtype [mem 0xfe000000-0xfe000fff]"
OLD_SPLIT = "prog:1 freeing invalid memtype fe000000-fe001000"
CONFLICT = (
    "x86/PAT: CPU 0/KVM:1 conflicting memory types c0000000-d0000000 "
    "write-combining<->uncached-minus"
)
WARN = "WARNING: CPU: 0 PID: 7 at arch/x86/mm/pat/memtype.c:1060 untrack_pfn+0xf4/0x100\n"
TRACES = {
    "exit": WARN + " unmap_vmas+0x1/0x2\n exit_mmap+0x1/0x2\n do_exit+0x1/0x2",
    "fork": WARN + " exit_mmap+0x1/0x2\n copy_process+0x1/0x2",
    "move": WARN + " move_vma+0x1/0x2\n",
    "remap": WARN + " zap_page_range_single+0x1/0x2\n remap_pfn_range+0x1/0x2\n",
    "unmap": WARN + " unmap_vmas+0x1/0x2\n do_munmap+0x1/0x2\n",
}
LINES = {"split": SPLIT, "conflict": CONFLICT, **TRACES}


def _first(result: Result) -> str:
    return answer(result.findings[0])


@pytest.mark.parametrize(("wanted", "got"), PAIRS)
def test_expected_type_pairs(wanted: str, got: str) -> None:
    """A refused mapping is explained with its own two types and no others."""
    result = triage_text(
        f"x86/PAT: app:7 map pfn expected mapping type {wanted} for "
        f"[mem 0xf0000000-0xf0ffffff], got {got}"
    )
    made = result.findings[0]
    if made.code == "REQ_UC_EXISTING_WB":
        assert (wanted, got) in REFUSED_PAIRS
        assert f"reserved as {got}" in _first(result) and f"its {wanted}" in _first(result)
        assert got in made.entry.title and got in made.entry.what
    else:
        assert (wanted, got) not in REFUSED_PAIRS or wanted == "write-protected"
        assert "write-back reservation" not in as_text(result)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_conflict_pairs(first: str, second: str) -> None:
    """The two types of a conflict are the ones that are named."""
    result = triage_text(
        f"x86/PAT: app:7 conflicting memory types d0000000-e0000000 {first}<->{second}"
    )
    assert f"({first} and {second})" in _first(result)
    assert "missing" not in _first(result)


@pytest.mark.parametrize(("wanted", "got"), PAIRS)
def test_ram_pairs(wanted: str, got: str) -> None:
    """RAM mapped with another type: the sentence has the two types in their places."""
    result = triage_text(
        f"x86/PAT: app:7 map pfn RAM range req {wanted} for [mem 0x7c959000-0x7c959fff], got {got}"
    )
    if result.findings[0].code == "RAM_TYPE_OVERRIDDEN":
        assert f"as {got} instead of {wanted}" in _first(result)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", sorted(LINES))
def test_windows(name: str, release: str) -> None:
    """The report calls a kernel affected exactly when the window of its diagnosis holds it."""
    result = triage_text(f"Linux version {release} (x)\n{LINES[name]}")
    made = result.findings[0]
    window = made.entry.window
    text = " ".join(as_text(result).split())
    inside = window is not None and window.affects(parse_release(release)) is True
    assert ("This kernel is inside that window" in text) == inside
    assert ("This kernel is outside that window" in text) == (window is not None and not inside)


@pytest.mark.parametrize("release", ["6.6.51", "6.6.60", "6.1.110", "6.10.10", "6.11"])
def test_kernels_with_the_fix_of_lost_releases(release: str) -> None:
    """Stable kernels that have the fix are not told to update for it."""
    made = triage_text(f"Linux version {release} (x)\n{CONFLICT}").findings[0]
    assert made.code == "STALE_OR_LIVE_GPU_RESERVATION" and made.affected is False


def test_old_notation_excludes_later_windows() -> None:
    """Lines that only kernels before 3.5 print are not judged by defects of 4.5 and later."""
    text = as_text(triage_text(OLD_SPLIT))
    assert "4.5" not in text and "6.16" not in text and "Many" not in text
    made = triage_text("WARNING: at arch/x86/mm/pat.c:780 untrack_pfn_vma+0x80/0x90()").findings[0]
    assert made.affected is False


@pytest.mark.parametrize(
    "line",
    [
        "x86/PAT: memtype_reserve failed [mem 0xf0000000-0xf0ffffff], track uncached-minus, "
        "req uncached-minus",
        "x86/PAT: a:1 ioremap_change_attr failed write-combining for [mem 0x000a0000-0x000bffff]",
        CONFLICT,
    ],
)
def test_present_addresses_are_not_called_missing(line: str) -> None:
    """A report never says that addresses are missing where they are."""
    text = as_text(triage_text(line))
    assert "addresses" not in text.split("Log:")[0]


def test_release_windows_of_two_boots() -> None:
    """Two boots in one file are judged one by one, and the last one counts."""
    good = "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT"
    off = (
        "x86/PAT: MTRRs disabled, skipping PAT initialization too.\n"
        "x86/PAT: Configuration [0-7]: WB  WT  UC- UC  WB  WT  UC- UC"
    )
    made = triage_text(f"Linux version 5.10\n{off}\nLinux version 6.6\n{good}").findings[0]
    assert made.code == "PAT_OFF_BECAUSE_MTRR_OFF" and "in the last one PAT is on" in answer(made)
    assert all("WC" not in fact.text_of("slots") for fact in made.facts)
    made = triage_text(f"Linux version 6.6\n{good}\nLinux version 5.10\n{off}").findings[0]
    assert "in the last one" not in answer(made)


def test_every_code_has_a_first_sentence() -> None:
    """Whatever the code, its sentence exists without any fields of the lines."""
    for code in CODES.values():
        assert code.what.split(". ")[0]


def test_nopat_is_warned_of_only_where_somebody_thinks_of_it() -> None:
    """Advice against nopat stands where the text proposes it, and nowhere else."""
    assert "nopat" not in as_text(triage_text(CONFLICT))
    assert "nopat" in as_text(triage_text(CONFLICT + "\nI will try to boot with nopat"))
