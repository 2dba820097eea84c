"""Recorded machines: what text files show agrees with what was read from kernel memory."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from audit.build import RECORDED, SNAPSHOTS, codes, judge, only
from pfntrack.audit import report_json
from pfntrack.audit.judged.checks_mapping import holders
from pfntrack.report.schemas import schema as published


def truth(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SNAPSHOTS / name / "truth.json").read_text())
    return loaded


@pytest.mark.parametrize("name", RECORDED)
def test_every_reservation_has_the_owner_found_in_kernel_memory(name: str) -> None:
    """Range, type and owner of every entry, as a multiset; a context's count is not visible."""
    result = judge(SNAPSHOTS / name)
    state = result.evidence.state
    pairs = zip(state.reservations, result.owners.holdings, strict=True)
    seen = sorted(
        (
            r.start,
            r.end,
            r.type.cattr,
            (holders(h, shared=result.evidence.contexts) or "")
            if h.standing.value == "owned"
            else "",
        )
        for r, h in pairs
    )
    known = sorted(
        (m["start"], m["end"], m["type"], _without_count(m.get("owner") or ""))
        for m in truth(name)["memtypes"]
    )
    assert seen == known


def _without_count(owner: str) -> str:
    """`ctx kref=2 a; b` as text files can show it: `ctx a; b`."""
    words = owner.split(" ")
    return " ".join(word for word in words if not word.startswith("kref="))


@pytest.mark.parametrize("name", RECORDED)
def test_predicted_residue_and_log_are_those_of_the_replay_in_kernel_memory(name: str) -> None:
    """Ranges and log lines after everybody's exit, in order."""
    result = judge(SNAPSHOTS / name)
    predicted = truth(name)["predicted_after_exit"]
    ranges = [
        {"start": start, "end": end, "type": kind.cattr}
        for start, end, kind in result.forecast.everyone
    ]
    assert ranges == predicted["left"]
    assert list(result.forecast.log) == predicted["log"]


EXPECTED = {
    "revoked": ["lost-tracking"],
    "split-alive": ["exit-leaks", *["owner-without-reservation"] * 3, "pieces-mismatch"],
    "split-exited": ["stale-reservation"],
}


@pytest.mark.parametrize("name", RECORDED)
def test_findings_are_those_of_the_truth_and_no_others(name: str) -> None:
    """Healthy machines and 7.3 have no finding; what PAT off makes odd is none either."""
    kernel, situation = name.split("-", 1)
    expected = [] if kernel == "7.3" else EXPECTED.get(situation, [])
    result = judge(SNAPSHOTS / name)
    assert codes(result) == expected
    assert result.code == (1 if expected else 0)


@pytest.mark.parametrize("name", ["6.1-revoked", "6.12-revoked"])
def test_lost_tracking_names_the_pages_that_are_still_mapped(name: str) -> None:
    """Only `wide` reaches beyond the claimed BAR, with exactly two pages."""
    found = only(judge(SNAPSHOTS / name), "lost-tracking")
    assert found.where == (0xFEB08000, 0xFEB0A000)
    assert "wide[" in found.summary


@pytest.mark.parametrize("name", RECORDED)
def test_json_keeps_to_its_published_schema(name: str) -> None:
    """What --json prints is valid, and so is the schema."""
    schema = published("audit")
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(report_json.as_json(judge(SNAPSHOTS / name)), schema)
