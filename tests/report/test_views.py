"""What pages show: axes, differences between runs, and the rows of an audit."""

from __future__ import annotations

import copy
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.build import SNAPSHOTS
from pfntrack.check.run import run_scenario
from pfntrack.cli import main
from pfntrack.releases import release_for
from pfntrack.report.html import document_of, page
from pfntrack.report.html.axis import NARROW, axis, weight
from pfntrack.report.html.machine import MAX_ISLANDS, MAX_ROWS, machine
from pfntrack.report.html.runs import Pool, case
from pfntrack.report.runs.facts import compared
from pfntrack.report.runs.json_run import run_json
from pfntrack.scenario import find

RANGES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 40), st.sampled_from([0, 1 << 20])).map(
        lambda each: (each[0] + each[2], each[0] + each[1] + each[2])
    ),
    max_size=8,
)


@given(RANGES)
def test_axis(ranges: list[tuple[int, int]]) -> None:
    """Islands hold every range and its edges, ascending, and never a wide unused gap."""
    islands = axis(ranges)
    cells = [cell for island in islands for cell in island]
    assert all(one.end <= other.start for one, other in pairwise(cells))
    assert all(one.end == other.start for each in islands for one, other in pairwise(each))
    edges = {edge for cell in cells for edge in (cell.start, cell.end)}
    for start, end in ranges:
        if start < end:
            assert {start, end} <= edges
            assert any(each[0].start <= start and end <= each[-1].end for each in islands)
    for cell in cells:
        used = any(start <= cell.start and cell.end <= end for start, end in ranges)
        assert used or cell.end - cell.start <= NARROW


@given(st.integers(1, 1 << 40))
def test_weight(pages: int) -> None:
    """A longer cell is wider, but a terabyte is not wider than a screen."""
    assert weight(pages) < weight(pages + 1) <= weight(pages) + 1
    assert weight(1 << 40) < 50


def runs(name: str, *releases: str) -> list[dict[str, Any]]:
    """The scenario under these releases, as JSON."""
    return [run_json(run_scenario(find(name), release_for(each))) for each in releases]


def test_differences() -> None:
    """The first step that differs, in what, and who goes with whom."""
    made = runs("truncate-middle", "6.1", "6.12", "7.3")
    found = compared(made)
    assert found.first == 3
    assert found.groups[:3] == ((0, 0, 0), (0, 0, 0), (0, 0, 1))
    assert found.differs[2] == ("reservations", "tracking", "properties")
    assert compared(made[:2]).first is None


def test_a_run_that_was_lost() -> None:
    """A guest that died shows where: its run ends before the other."""
    model, kernel = runs("truncate-middle", "6.12", "6.12")
    kernel["source"], kernel["steps"] = "kernel", kernel["steps"][:4]
    assert compared([model, kernel]).first == 5
    made = case([kernel, model], Pool())
    assert len(made["steps"]) == len(model["steps"])
    assert made["first"] == 5


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda step: step["state"]["reservations"].pop(0), "reservations"),
        (lambda step: step["result"].update(ret=-1, err="EPERM"), "result"),
        (lambda step: step["events"].append({"kind": "log", "level": 4, "text": "hm"}), "log"),
        (
            lambda step: step["state"]["processes"][0]["vmas"][0]["entries"][0].update(write=False),
            "entries",
        ),
    ],
)
def test_a_difference_of_one_field(change: Any, name: str) -> None:
    """Whatever an observer can see is compared; the numbers of processes are not."""
    (model,) = runs("truncate-middle", "6.12")
    other = copy.deepcopy(model)
    change(other["steps"][1])
    assert compared([model, other]).differs[1] == (name,)
    for run, pid in ((model, 100), (other, 93)):
        text = f"x86/PAT: A:{pid} freeing invalid memtype"
        run["steps"][5]["events"] = [{"kind": "free_invalid", "level": 6, "text": text}]
    assert compared([model, other]).differs[5] == ()


def test_equal_parts_are_stored_once() -> None:
    """States share what they have in common, so that many sides stay small."""
    pool = Pool()
    case(runs("truncate-middle", "6.12"), pool)
    before = len(pool.values)
    case(runs("truncate-middle", "6.12"), pool)
    assert len(pool.values) == before


def test_what_never_changes_is_folded() -> None:
    """A driver's registers that no step touches are not on the axis; the rest is."""
    made = case(runs("truncate-middle", "6.12"), Pool())
    physical = made["physical"]
    assert physical["quiet"] > 0
    assert [island[0][0] for island in physical["active"]] == [0xFC000]
    assert len(physical["all"]) == 2


@pytest.fixture
def audited(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """An audit with stale pieces."""
    main(["audit", "--snapshot", str(SNAPSHOTS / "6.1-split-alive"), "--json"])
    loaded: dict[str, Any] = json.loads(capsys.readouterr().out)
    return loaded


def test_a_large_machine(audited: dict[str, Any]) -> None:
    """Plain rows are joined or counted, notable ones stay, and the page stays small."""
    (notable,) = (each for each in audited["reservations"] if each["state"] == "pieces")
    plain = audited["reservations"][0]
    many = [
        plain
        | {"start": at << 16, "end": (at << 16) + 4096, "owner": f"ioremap driver_{at // 3 % 5000}"}
        for at in range(20_000)
    ]
    audited["reservations"] = [*many, notable]
    made = machine(audited)
    rows = [row for row in made["rows"] if "gap" not in row]
    assert len(rows) <= MAX_ROWS
    assert [row["state"] for row in rows].count("pieces") == 1
    shown = sum(row["count"] for row in rows)
    assert shown + made["rows_hidden"] == 20_001
    assert made["counts"]["reservations"] == 20_001
    gaps = [row["gap"] for row in made["rows"] if "gap" in row]
    assert sum("not shown" in gap for gap in gaps) == 1
    assert gaps[-1] == f"{made['rows_hidden']:,} reservations not shown"
    assert len(made["data"]["islands"]) <= MAX_ISLANDS
    assert len(page(document_of("audit", audited, "large"))) < 1 << 20


def test_findings_point_to_rows(audited: dict[str, Any]) -> None:
    """Every range that a finding names leads to a row that holds a part of it."""
    made = machine(audited)
    rows = {row["id"]: row for row in made["data"]["rows"]}
    found = [each for each in made["findings"] if each["start"] is not None]
    assert found
    for each in found:
        row = rows[each["row"]]
        assert row["start"] < each["end"]
        assert each["start"] < row["end"]
