"""Claims are judged against what was seen, for the releases and designs they are made for."""

from __future__ import annotations

import pytest

from pfntrack.mm.ops import Result
from pfntrack.pat.cachemode import CacheMode
from pfntrack.scenario import Entries, ExpectResult, Pages, Said, parse
from pfntrack.scenario.evaluate import Area, applies, judge, judge_end, result_word
from pfntrack.scenario.seen import Seen

WC, UCM = CacheMode.WC, CacheMode.UC_MINUS
SEEN = Seen(
    Result(-1, "EINVAL", fired=2),
    (("H", 0, 4, WC), ("H", 0, 4, WC)),
    (
        Said("freeing_invalid", Pages("H", 1, 2)),
        Said("warn", text="get_pat_info untrack_pfn unmap_single_vma"),
    ),
    {
        "A": (
            Area(0, 2, True, (Entries(0, 2, Pages("H", 0, 2), WC),)),
            Area(2, 2, True, (Entries(2, 1, Pages("H", 2, 3), WC), Entries(3, 1))),
            Area(8, 1, False),
        )
    },
    frozenset({"I1", "I4"}),
)

HOLD = [
    "EINVAL",
    "NULL",
    "struck 2",
    "reservations H[0,4) WC, H[0,4) WC",
    "log freeing invalid H[1,2), WARN untrack_pfn",
    "log freeing invalid H[1,2), WARN get_pat_info",
    "tracked A[0,4)",
    "untracked A[8,9)",
    "mappings of A [0,2), [2,4), [8,9)",
    "entries of A [0,3) -> H[0,3) WC, [3,4) copied",
    "breaks I1, I4",
    "keeps I2, tight",
    "mappings of B none",
]
FAIL = [
    ("ok", "EINVAL"),
    ("struck 1", "2"),
    ("reservations none", "H[0,4) WC, H[0,4) WC"),
    ("reservations H[0,4) WC", "H[0,4) WC, H[0,4) WC"),
    ("log none", "freeing invalid H[1,2), WARN get_pat_info untrack_pfn unmap_single_vma"),
    (
        "log freeing invalid H[1,2), WARN track_pfn_copy",
        "freeing invalid H[1,2), WARN get_pat_info untrack_pfn unmap_single_vma",
    ),
    ("tracked A[0,9)", "untracked A[8,9)"),
    ("untracked A[1,3)", "tracked A[0,2), tracked A[2,4)"),
    ("tracked A[20,24)", "no mapping there"),
    ("mappings of A none", "[0,2), [2,4), [8,9)"),
    ("entries of A none", "[0,3) -> H[0,3) WC, [3,4) copied"),
    ("breaks I1, I2", "keeps I2"),
    ("keeps I1", "breaks I1"),
]


@pytest.mark.parametrize("claim", HOLD)
def test_what_holds(claim: str) -> None:
    """Each kind of claim holds where it describes what was seen."""
    step = parse(f"scenario x\nA forks B\n  expect: {claim}\n").steps[0]
    assert [verdict.holds for verdict in judge(step.expects, SEEN)] == [True]


@pytest.mark.parametrize(("claim", "found"), FAIL)
def test_what_fails(claim: str, found: str) -> None:
    """A claim that does not hold comes with what was seen in its place."""
    step = parse(f"scenario x\nA exits\n  expect: {claim}\n").steps[0]
    (verdict,) = judge(step.expects, SEEN)
    assert not verdict.holds
    assert str(verdict) == f"expected {claim}, found {found}"


def test_the_end() -> None:
    """Final claims speak of what is left and of the whole run."""
    final = parse(
        "scenario x\nA exits\nfinally: leaks H[0,1) WC\nfinally: leaks none\nfinally: keeps I1\n"
    ).final
    verdicts = judge_end(final, [("H", 0, 1, WC)], {"I4"})
    assert [verdict.holds for verdict in verdicts] == [True, False, True]


RELEASES = [
    ("6.1", "6.1", True),
    ("6.1", "6.12", False),
    ("6.12", "6.12.25", False),
    ("6.12.23..6.12.30", "6.12.25", True),
    ("6.12.23..6.12.30", "6.12.31", False),
    ("6.12.23..6.12.30", "6.12", False),
    ("4.5..6.15", "6.12.25", False),
    ("4.5..6.15", "6.15.3", False),
    ("4.5..6.15", "5.5-rc", False),
    ("4.5..6.15", "6.8", True),
    ("4.5..6.15", "6.16", False),
    ("4.5..6.15", "4.4", False),
    ("5.10", "", False),
]


@pytest.mark.parametrize(("target", "release", "expected"), RELEASES)
def test_releases(target: str, release: str, expected: bool) -> None:
    """A name means one release; a range reaches over the main releases between."""
    assert applies(ExpectResult("ok", on=(target,)), release) is expected


def test_designs() -> None:
    """A claim may be made for a design; without any target it is made everywhere."""
    claim = ExpectResult("ok", on=("7.3", "vm-pat"))
    assert applies(claim, "6.1", "vm-pat")
    assert applies(claim, "7.3", "track-context")
    assert not applies(claim, "6.1", "track-context")
    assert applies(ExpectResult("ok"))


def test_result_words() -> None:
    """Signals have one spelling, whoever reports them."""
    assert result_word(Result(-1, signal="BUS")) == "SIGBUS"
    assert result_word(Result(-1, signal="SIGSEGV")) == "SIGSEGV"
    assert result_word(Result(value=0)) == "ok"
