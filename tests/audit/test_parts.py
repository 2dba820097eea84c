"""The parts: erase rule, interval index, readings, places."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.build import SNAPSHOTS, judge
from pfntrack.audit import question
from pfntrack.audit.judged.tree import ReplayTree
from pfntrack.audit.read import readings
from pfntrack.errors import InputFormatError
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.intervals import Disjoint, Intervals
from pfntrack.pat.memtype_interval import Memtype, Tree, insert, memtype_erase

_range = st.tuples(st.integers(0, 12), st.integers(1, 6)).map(lambda t: (t[0], t[0] + t[1]))


@given(st.lists(_range, max_size=12), st.lists(_range, max_size=12), st.booleans())
def test_fast_erase_is_the_kernels(
    rows: list[tuple[int, int]], frees: list[tuple[int, int]], end_match: bool
) -> None:
    """Any releases on any list: same successes, same remaining ranges; then all undone."""
    tree: Tree = ()
    for start, end in rows:
        tree = insert(tree, Memtype(start, end, CacheMode.WC))
    spans = {number: (entry.start, entry.end) for number, entry in enumerate(tree)}
    fast = ReplayTree(spans, range(len(spans)), end_match=end_match)
    for _ in range(2):
        slow = tree
        for start, end in frees:
            erased = memtype_erase(slow, start, end, end_match=end_match)
            assert (fast.release(start, end) is None) == (erased is None)
            slow = slow if erased is None else erased.tree
        left = sorted(span for span in fast.spans.values() if span is not None)
        assert left == sorted((entry.start, entry.end) for entry in slow)
        fast.rollback()
        assert fast.spans == spans


@given(st.lists(_range, max_size=20), _range)
def test_interval_index_finds_exactly_the_overlaps(
    rows: list[tuple[int, int]], query: tuple[int, int]
) -> None:
    """Against the definition, for both kinds of index."""
    start, end = query
    expected = [at for at, (a, z) in enumerate(rows) if a < end and start < z]
    assert sorted(Intervals(rows).overlapping(start, end)) == expected
    union = Disjoint(rows)
    assert union.touches(start, end) == bool(expected)
    covered = {page for a, z in rows for page in range(a, z)}
    outside = {page for a, z in union.outside(start, end) for page in range(a, z)}
    assert outside == set(range(start, end)) - covered
    assert union.holds(start, end) == (not outside)


def test_readings_agree_on_the_fewest(tmp_path: Path) -> None:
    """A row counts as often as the reading with the fewest of it; duplicates are kept."""
    row = "PAT: [mem 0x0000000000001000-0x0000000000002000] write-back\n"
    (tmp_path / "pat_memtype_list.before").write_text("PAT memtype list:\n" + row)
    (tmp_path / "pat_memtype_list").write_text("PAT memtype list:\n" + row * 3)
    samples = f"## 1.0\nPAT memtype list:\n{row * 2}## 2.0\nPAT memtype list:\n{row}"
    (tmp_path / "pat_memtype_list.samples").write_text(samples)
    found = readings.load(tmp_path)
    assert len(found.rows) == 3
    assert found.count == 4
    assert found.varying == {(0x1000, 0x2000, "write-back"): (1, 3)}


def test_lines_that_are_no_rows_are_counted() -> None:
    """A cut line is not guessed."""
    rows, bad = readings.parse("PAT memtype list:\nPAT: [mem 0x0000000000001000-0x00\n")
    assert (rows, bad) == ([], 1)


def test_bar_is_write_combining_in_part() -> None:
    """Sixteen pages of the BAR, by the mapping that asked for it."""
    audit = judge(SNAPSHOTS / "6.1-wc-bar")
    answer = question.ask_bar(audit, "00:06.0/2")
    bars = answer.data["bars"]
    assert isinstance(bars, list)
    (bar,) = bars
    assert bar["write_combining"] == "partly"
    assert bar["parts"] == [{"start": 0xFE000000, "end": 0xFE010000}]
    assert any("wcmap" in line for line in answer.lines)


@pytest.mark.parametrize(
    ("span", "kind", "result"),
    [
        ("fe000000-fe001000", "uncached-minus", "write-combining"),
        ("fe010000-fe011000", "write-combining", "write-combining"),
        ("fe010000-fe011000", "write-back", "uncached-minus"),
        ("bfe0000-bfe1000", "wc", "refused (EINVAL)"),
        ("fe00f000-feb01000", "wc", "refused (EBUSY)"),
        ("a0000-a1000", "wc", "write-back"),
        ("200000-201000", "wc", "unknown"),
    ],
)
def test_what_a_request_would_get(span: str, kind: str, result: str) -> None:
    """The end is exclusive: the neighbour of a WC range is not WC."""
    audit = judge(SNAPSHOTS / "6.1-wc-bar")
    answer = question.ask_range(audit, *question.parse_range(span), question.parse_type(kind))
    request = answer.data["request"]
    assert isinstance(request, dict)
    assert request["result"] == result


@pytest.mark.parametrize("text", ["", "1-", "5-5", "x-y", "2000-1000"])
def test_bad_ranges_are_refused(text: str) -> None:
    """With a message that names the option."""
    with pytest.raises(InputFormatError, match="--range"):
        question.parse_range(text)
