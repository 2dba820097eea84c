"""Public log excerpts with their right answers: the code first, the facts, no wrong advice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pfntrack.field.catalogue.diagnoses.codes import CODES
from pfntrack.field.report_json import as_json
from pfntrack.field.report_text import as_mail, as_text
from pfntrack.field.triage import triage_text

HERE = Path(__file__).parent
CASES = sorted(path.stem for path in (HERE / "logs").glob("*.txt"))
SCHEMA = json.loads(
    (Path(__file__).parents[2] / "src/pfntrack/report/schemas/triage.schema.json").read_text()
)
GOLDEN = (
    "11-gds-nvidia-fs",
    "38-overlap-partial-debugpat",
    "kvm-gpu-spam",
    "ena-wrong-row",
    "fork-failed-6.12",
    "65-pat-list-pmem",
)


def _text(name: str) -> str:
    return (HERE / "logs" / f"{name}.txt").read_text()


def _expected(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((HERE / "logs" / f"{name}.json").read_text())
    return loaded


def _number(value: object) -> object:
    return int(value, 16) if isinstance(value, str) and value.startswith("0x") else value


def _has(expected: dict[str, Any], fact: dict[str, Any]) -> bool:
    for name, value in expected.items():
        if name == "end_incl":
            if fact.get("end_excl") != int(value, 16) + 1:
                return False
        elif name in ("start", "end_excl"):
            if fact.get(name) != _number(value):
                return False
        elif fact.get(name) != value:
            return False
    return True


@pytest.mark.parametrize("name", CASES)
def test_code_and_facts(name: str) -> None:
    """The first code is the right one and every expected fact was read, half-open."""
    expected = _expected(name)
    document = as_json(triage_text(_text(name)))
    assert document["diagnosis"] == expected["code"]
    facts = [fact for made in document["findings"] for fact in made["facts"]]
    for wanted in expected["facts"]:
        assert any(_has(wanted, fact) for fact in facts), (wanted, facts)


@pytest.mark.parametrize("name", CASES)
def test_json_fits_schema(name: str) -> None:
    """What is printed as JSON is what the published schema promises."""
    document = as_json(triage_text(_text(name)))
    jsonschema.validate(json.loads(json.dumps(document)), SCHEMA)


@pytest.mark.parametrize("name", CASES)
def test_mail_is_narrow(name: str) -> None:
    """A mail has at most 75 columns, except for log lines, which are never wrapped."""
    result = triage_text(_text(name))
    texts = {fact.text for fact in result.log.facts}
    for line in as_mail(result).splitlines():
        assert len(line) <= 75 or any(text and text in line for text in texts), line


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_text(name: str) -> None:
    """The reports read as reviewed; a change of wording is a change of the golden file."""
    result = triage_text(_text(name))
    got = as_text(result) + "\n=== mail ===\n" + as_mail(result)
    assert (HERE / "golden" / f"{name}.txt").read_text() == got


@pytest.mark.parametrize(
    "name", [n for n in CASES if _expected(n)["code"] in ("HEALTHY", "NOT_PAT")]
)
def test_negative_controls_are_quiet(name: str) -> None:
    """Healthy and unrelated logs raise nothing that anybody has to act on."""
    result = triage_text(_text(name))
    assert result.quiet
    assert as_text(result).count("\n") <= 7
    assert result.verdict in ("healthy", "not ours")


def test_unrelated_text_has_no_findings() -> None:
    """A log without a word about memory types yields nothing at all."""
    assert triage_text("usb 1-1: new device\nsystemd[1]: Started.\n").findings == ()


def test_no_code_recommends_what_harms() -> None:
    """No cure is nopat, patching out the check or freeing by hand; the warnings stay apart."""
    for code in CODES.values():
        for advice in code.do:
            lowered = advice.lower()
            assert "nopat" not in lowered, code.code
            assert "patch the" not in lowered, code.code
            assert "pat-dealloc" not in lowered, code.code


def test_every_finding_says_what_is_missing_with_two_commands() -> None:
    """When facts are missing exactly two commands are named."""
    document = as_json(triage_text(_text("14-vfio-run-16g-bar")))
    made = document["findings"][0]
    assert made["missing"]
    assert len(made["commands"]) == 2


def test_repeats_are_collapsed_with_rate() -> None:
    """Spam becomes one finding that counts its lines and tells their rate."""
    result = triage_text(_text("kvm-gpu-spam"))
    (made,) = result.findings
    assert made.facts[0].count == 40
    assert made.rate is not None and made.rate > 1000
    assert [fact.kind for fact in made.followups] == ["ioremap_reserve_failed"]


def test_followups_are_not_findings() -> None:
    """A devres warning, a probe error or an Xid is told as a consequence."""
    for name in ("11-gds-nvidia-fs", "17-gma500-stolen-negative", "chrome-media-cross-bar"):
        result = triage_text(_text(name))
        assert len(result.findings) == 1
        assert result.findings[0].followups


def test_task_that_loads_modules_is_not_blamed() -> None:
    """systemd-udevd in the line is explained, not accused."""
    made = triage_text(_text("17-gma500-stolen-negative")).findings[0]
    assert any("not the culprit" in note for note in made.notes)
