"""The published schemas of the audit: every field explained, every sample's output valid."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from audit.build import RECORDED, SNAPSHOTS
from pfntrack.audit.judged.finding import CODES
from pfntrack.cli import main
from pfntrack.report.schemas import schema

OURS = ("audit", "audit-place", "audit-diff", "audit-watch", "triage")


def unexplained(part: Any, path: str = "") -> Iterator[str]:
    """Fields without a description."""
    if not isinstance(part, dict):
        return
    for name, body in part.get("properties", {}).items():
        where = f"{path}/{name}"
        if not body.get("description"):
            refers = "$ref" in body
            if not refers:
                yield where
        yield from unexplained(body, where)
    yield from unexplained(part.get("items"), f"{path}[]")
    for name, body in part.get("$defs", {}).items():
        yield from unexplained(body, f"${name}")


@pytest.mark.parametrize("name", OURS)
def test_every_field_is_explained(name: str) -> None:
    """Each property says what it is, ranges and addresses in which unit."""
    made = schema(name)
    jsonschema.Draft202012Validator.check_schema(made)
    assert made["$id"] == f"pfntrack.{name}/1"
    assert list(unexplained(made)) == []


def test_every_code_of_the_program_is_in_the_schema() -> None:
    """A new code cannot be forgotten in the schema."""
    finding = schema("audit")["$defs"]["finding"]["properties"]["code"]
    assert finding["enum"] == list(CODES)


@pytest.mark.parametrize("name", RECORDED)
def test_answers_of_all_samples_are_valid(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--bar, --range, diff and watch print what their schemas say."""
    folder = str(SNAPSHOTS / name)
    kernel = name.split("-", 1)[0]
    commands = {
        "audit-place": (
            ["--snapshot", folder, "--bar", "0000:00:06.0"],
            ["--snapshot", folder, "--range", "fe000000-fe020000", "--type", "WC"],
        ),
        "audit-diff": (["diff", str(SNAPSHOTS / f"{kernel}-idle"), folder],),
        "audit-watch": (["watch", "--from", str(SNAPSHOTS / f"{kernel}-idle"), folder, folder],),
    }
    for kind, lines in commands.items():
        for line in lines:
            if "watch" in line and name.endswith("nopat"):
                continue
            code = main(["audit", *line, "--json"])
            out, err = capsys.readouterr()
            assert (code in (0, 1), err) == (True, "")
            jsonschema.validate(json.loads(out), schema(kind))
