"""`pfntrack bugs`: known defects are found by searches that are told no program."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import jsonschema
import pytest

from pfntrack.check.asked.bugs import FOUND, ROWS, BooksRow, Row
from pfntrack.check.asked.hunt import chosen, hunt
from pfntrack.check.run import run_scenario
from pfntrack.cli.main import main
from pfntrack.releases import Release, release_for, release_with
from pfntrack.report.schemas import schema
from pfntrack.scenario import format_scenario, parse

# Those whose searches are small; `make bugs` goes through all.
QUICK = "B14 B15 B20 B22b B23 B26 B27 B28 B30 B32 B33 B35 B36 B38 B48 B51 over-retention".split()
WANTED = "B14 B15 B20 B22 B22b B23 B26 B27 B28 B29 B30 B31 B32 B33 B35 B36 B37 B38 B48 B51".split()


def test_every_defect_has_a_row() -> None:
    """The list is complete, and each row names who had it and who has mended it."""
    assert set(WANTED) == {row.bug.split()[0] for row in ROWS if row.group != FOUND}
    for row in ROWS:
        assert row.mended
        assert row.steps >= 1


@pytest.mark.parametrize("bug", QUICK)
def test_found_and_mended(bug: str) -> None:
    """The defect is found at its known length, runs show it, and its mending holds."""
    for hunted in hunt(chosen([bug])):
        assert hunted.as_expected, hunted.complaint
        assert hunted.program is not None
        run = run_scenario(parse(format_scenario(hunted.program)), _release(hunted.row))
        assert hunted.row.broken in run.broken
        assert not run.unmet


def _release(row: Row | BooksRow) -> Release:
    known = row.had[0].isdigit()
    return release_for(row.had) if known else release_with(row.had)


def test_a_wrong_row_is_told() -> None:
    """A length that is not the shortest, or a mending that is none, is not as expected."""
    row = next(row for row in ROWS if row.bug == "B28")
    assert isinstance(row, Row)
    (longer,) = hunt([attrs.evolve(row, steps=3)])
    assert longer.complaint == "2 steps, but 3 are known to do"
    (open_,) = hunt([attrs.evolve(row, mended=("6.12",))])
    assert open_.complaint == "6.12 breaks I4 as well"
    (absent,) = hunt([attrs.evolve(row, had="7.3")])
    assert absent.complaint == "7.3 keeps I4"


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON fits its schema, and the programs that are written break what they should."""
    assert main(["bugs", "B28", "B15", "over-retention", "--json", "--save", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema("bugs"))
    jsonschema.validate(told, schema("bugs"))
    assert [row["bug"] for row in told["rows"]] == ["B15", "B28", "over-retention"]
    for row in told["rows"]:
        assert main(["run", "--release", row["model"], row["file"]]) == 1
        assert f"BROKEN {row['property']}" in capsys.readouterr().out
    free = told["rows"][2]["kept_by"]
    assert {"ours", "counted-tree"} <= set(free)
    assert "track-context" not in free


def test_other_forms(capsys: pytest.CaptureFixture[str]) -> None:
    """Text, Markdown, KTAP and JUnit tell the same row."""
    assert main(["bugs", "B26"]) == 0
    shown = capsys.readouterr().out
    assert "3.7 breaks I4" in shown
    assert "1 of 1 rows are as expected" in shown
    assert main(["bugs", "B26", "--markdown"]) == 0
    program = "A opens driver on H with UC- as fd0; A maps fd0[0,1) at 0; A moves [0,1) to [1,2)"
    assert f"| 3.7: I4 | 2 | `{program}` | `4.5` |" in capsys.readouterr().out
    assert main(["bugs", "B26", "--ktap"]) == 0
    assert capsys.readouterr().out == "KTAP version 1\n1..1\nok 1 B26 3.7 I4\n"
    assert main(["bugs", "B26", "--junit"]) == 0
    assert 'failures="0"' in capsys.readouterr().out


@pytest.mark.parametrize("bug", [row.bug for row in ROWS if row.group == FOUND])
def test_the_page_is_fresh(bug: str) -> None:
    """What docs/designs.md says about a finding on 7.3 is what a search says."""
    page = Path(__file__).parents[2] / "docs" / "designs.md"
    (found,) = hunt(chosen([bug]))
    row, free = found.row, ", ".join(f"`{name}`" for name in found.free or ())
    program = "; ".join(found.lines)
    line = f"| {row.bug}: {row.about} | `{program}` | {row.broken} | {free} |"
    assert line in page.read_text(encoding="utf-8").splitlines()


def test_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    """A bug that is not known is one line: exit code 2."""
    assert main(["bugs", "B99"]) == 2
    assert "bug 'B99' is not known" in capsys.readouterr().err
