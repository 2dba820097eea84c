"""One comparison: text, JSON and page say the same of the same runs."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pfntrack.check.run import run_scenario
from pfntrack.lab.play.lockstep import replay
from pfntrack.lab.play.programs import plan
from pfntrack.releases import RELEASES, release_for
from pfntrack.report.html import document_of
from pfntrack.report.html.views import view
from pfntrack.report.lab.beside import beside
from pfntrack.report.runs.facts import FIELDS, compared, facts
from pfntrack.report.runs.json_run import comparison_json, run_json
from pfntrack.report.runs.text import comparison_text
from pfntrack.report.schemas import schema
from pfntrack.scenario import find, library

TRACES = Path(__file__).parents[1] / "conform" / "traces"
_STEP = re.compile(r" *(\d+)\. .*?(   <-- the first difference)?$")


def _said(text: str) -> tuple[int | None, list[list[list[str]]]]:
    """What the text says: the marked step, and who shows the same at each."""
    first: int | None = None
    groups: list[list[list[str]]] = []
    for line in text.splitlines():
        if found := _STEP.fullmatch(line):
            groups.append([])
            first = int(found[1]) if found[2] else first
        elif groups and (head := re.match(r" {7}(\S[^:]*): ", line)):
            names = re.sub(r" \([^)]*\)", "", head[1]).split(", ")
            groups[-1].append(list(RELEASES) if names == ["all"] else names)
    return first, groups


@pytest.mark.parametrize("name", library())
def test_text_json_and_page_agree(name: str) -> None:
    """For every scenario: one first difference, the same groups, the same list of fields."""
    document = comparison_json([run_scenario(find(name), each) for each in RELEASES.values()])
    text = comparison_text(document)
    first, groups = _said(text)
    assert first == document["first_difference"]
    for told, step in zip(groups, document["steps"], strict=True):
        meant: dict[int, list[str]] = {}
        for release, group in zip(RELEASES, step["groups"], strict=True):
            meant.setdefault(group, []).append(release)
        assert told == list(meant.values())
        assert bool(step["differs"]) == (len(meant) > 1)
    *most, last = document["compared"]
    what = f"{', '.join(most)} and {last}"
    assert (f"compared: {what}" if first else f"No step differs in {what}.") in text.splitlines()
    page = view(document_of("comparison", [document], name))
    assert page["about"] == f"Compared: {', '.join(document['compared'])}."
    (case,) = page["data"]["cases"]
    assert case["first"] == first
    assert case["groups"] == [step["groups"] for step in document["steps"]]
    assert case["differs"] == [step["differs"] for step in document["steps"]]
    assert case["compared"] == document["compared"]


def test_the_schema() -> None:
    """The document is as published."""
    document = comparison_json([run_scenario(find("zap-twice"), release_for("6.12"))])
    jsonschema.validate([document], schema("comparison"))


@pytest.mark.parametrize("name", library())
def test_every_reservation_is_compared(name: str) -> None:
    """Whoever made it: an entry that was not there at boot is a fact, and one that went is."""
    for release in RELEASES.values():
        run = run_json(run_scenario(find(name), release))
        boot = len(run["start"]["reservations"])
        for at, step in enumerate(run["steps"]):
            told = [fact.text for fact in facts(run, at) if fact.field == "reservations"]
            gone = sum("of boot is gone" in text for text in told)
            assert len(told) - 2 * gone == len(step["state"]["reservations"]) - boot


def test_where_vfio_reserves() -> None:
    """7.3 reserves when the device is opened, 6.12 when it is mapped: the first step differs."""
    runs = [run_scenario(find("vfio-two-maps"), release_for(r)) for r in ("6.12", "7.3")]
    document = comparison_json(runs)
    assert document["first_difference"] == 1
    assert "reservations" in document["steps"][0]["differs"]


def _recorded(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((TRACES / "6.12" / f"{name}.json").read_text("utf-8"))
    return loaded


@pytest.mark.parametrize("name", sorted(path.stem for path in (TRACES / "6.12").glob("*.json")))
def test_a_kernel_beside_the_model(name: str) -> None:
    """The page of a guest's run marks what the lab's own verdict marks: here, nothing."""
    if name not in library():
        pytest.skip("recorded from a program that the library does not have")
    trace, release = _recorded(name), release_for("6.12")
    made = beside(plan(find(name)), trace, release, replay(trace, release))
    jsonschema.validate([made], schema("comparison"))
    assert made["first_difference"] is None
    (case,) = view(document_of("comparison", [made], name))["data"]["cases"]
    assert case["first"] is None
    assert not any(case["differs"])
    assert compared(made["runs"]).first is None


FREEING = "x86/PAT: {} freeing invalid memtype [mem {}]"
CONFLICT = "x86/PAT: {} conflicting memory types {} uncached-minus<->write-combining"


@pytest.mark.parametrize(
    ("line", "other", "same"),
    [
        (FREEING.format("A:100", "RAM"), FREEING.format("labA:132", "RAM"), True),
        (FREEING.format("A:100", "RAM"), FREEING.format("labB:132", "RAM"), False),
        (
            FREEING.format("A:100", "0xfc000000-0xfc000fff"),
            FREEING.format("A:9", "0xfe400000-0xfe400fff"),
            True,
        ),
        (
            FREEING.format("A:100", "0xfc000000-0xfc000fff"),
            FREEING.format("A:100", "0xfe401000-0xfe401fff"),
            False,
        ),
        (
            CONFLICT.format("A:1", "fc000000-fc001000"),
            CONFLICT.format("A:7", "fe400000-fe401000"),
            True,
        ),
    ],
)
def test_what_differs_between_machines_is_no_difference(line: str, other: str, same: bool) -> None:
    """Numbers and names of tasks, and where a window lies; who it was and which page count."""
    one = run_json(run_scenario(find("fork-after-split"), release_for("6.12")))
    two = copy.deepcopy(one) | {"source": "kernel"}
    (window,) = (w for w in two["start"]["windows"] if w["start"] == 0xFC000000)
    size = window["end"] - window["start"]
    window.update(start=0xFE400000, end=0xFE400000 + size)
    for run, text in ((one, line), (two, other)):
        run["steps"][-1]["events"] = [{"kind": "log", "level": 6, "text": text}]
        run["steps"][-1]["state"]["reservations"] = run["start"]["reservations"] = []
    assert compared([one, two]).fields == FIELDS
    assert (compared([one, two]).differs[-1] == ()) == same
