"""`pfntrack study`: the decision table, and its copy in docs/designs.md."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from pfntrack.check.asked.programs import PROGRAMS, SERVED, served
from pfntrack.check.asked.study import FIELDS, judge
from pfntrack.check.asked.work import OPERATIONS, System, measured
from pfntrack.check.run import run_scenario
from pfntrack.cli.main import main
from pfntrack.designs import DESIGNS
from pfntrack.releases import release_with
from pfntrack.report.schemas import schema
from pfntrack.report.searches.study import BYTES_AND_WORK, cost_cells, program_cells
from pfntrack.scenario import parse

DOCS = Path(__file__).parents[2] / "docs" / "designs.md"
SMALL = [field for field in FIELDS if field.name == "fork and failure"]


def _documented() -> list[str]:
    """Lines of the generated part of the page."""
    text = DOCS.read_text(encoding="utf-8")
    return text.partition("<!-- study -->")[2].partition("<!-- end of study -->")[0].splitlines()


def test_the_page_names_the_searches() -> None:
    """The page was generated with the searches of today."""
    lines = _documented()
    for field in FIELDS:
        assert f"- {field.name}: {', '.join(field.groups)}; {field.bounds}" in lines


@pytest.mark.parametrize("design", DESIGNS)
def test_programs_bytes_and_work_are_fresh(design: str) -> None:
    """Legal programs run, and bytes and work counted anew, give the lines of the page."""
    release, lines = release_with(design), _documented()
    programs = {program.name: served(program, release) for program in PROGRAMS}
    work = measured(release)
    size = System().bytes(release.design.cost)
    assert f"| {' | '.join(program_cells(design, programs))} |" in lines
    assert f"| {' | '.join(cost_cells(design, size, work))} |" in lines


@pytest.mark.parametrize("design", DESIGNS)
def test_verdicts_are_not_stale(design: str) -> None:
    """No property that one of the searches breaks is said to hold, or to break later."""
    lines = _documented()
    heads = next(line for line in lines if line.startswith("| design | I1 ")).split(" | ")
    row = next(line for line in lines if line.startswith(f"| `{design}`")).split(" | ")
    told = dict(zip(heads, row, strict=True))
    found = judge(design, fields=SMALL)
    assert not found.incomplete
    for name, broken in found.broken.items():
        cell = next(cell for head, cell in told.items() if head.strip(" |") == name)
        assert int(cell.strip(" |")) <= broken.steps
        assert name in run_scenario(parse(broken.program), release_with(design)).broken


def test_legal_programs() -> None:
    """What 7.3 refuses, and what ours serves."""
    today, ours = release_with("track-context"), release_with("ours")
    told = {program.name: served(program, today) for program in PROGRAMS}
    assert told["narrowing"] == told["remap after zap"] == "refused: EINVAL"
    assert told["freed part with another type"] == "gets WC"
    assert told["MAP_FIXED over the same pages"] == "gets WC"
    for name in ("first fault", "part of a mapping"):
        # Nothing is reserved, so everybody else is given UC- (B43).
        assert told[name] == "gets UC-"
    assert {served(program, ours) for program in PROGRAMS} == {SERVED}


def test_counted_work() -> None:
    """VM_PAT reads the page table at a zap and a munmap, contexts never do."""
    old, new = measured(release_with("vm-pat")), measured(release_with("track-context"))
    assert set(old) == set(new) == set(OPERATIONS)
    assert (old["zap"].reads, old["zap"].tree) == (1, 1)
    assert (new["zap"].reads, new["zap"].tree) == (0, 0)
    assert not any(count.reads for count in new.values())
    assert old["munmap"].reads == 1


def test_claimed_walks_are_made() -> None:
    """Designs whose costs name no page-table walk make none, and the others do."""
    for name, design in DESIGNS.items():
        count = measured(release_with(name))
        assert bool(count["munmap"].reads) == bool(design.cost.unmap.walks), name
        assert bool(count["fork"].reads) == bool(design.cost.fork.walks), name
        assert bool(count["zap"].reads) == bool(design.cost.zap.walks), name


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON fits its schema, programs are written, and a limit makes it inconclusive."""
    args = ["study", "--designs", "track-context", "--ops", "map,munmap", "--bounds", "1,2,2,2"]
    assert main([*args, "--json", "--save", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema("study"))
    jsonschema.validate(told, schema("study"))
    tight = told["designs"][0]["properties"]["tight"]
    assert tight["broken_after"] == 2
    assert main(["run", "--design", "track-context", tight["file"]]) == 1
    assert "BROKEN tight" in capsys.readouterr().out
    assert main(args) == 0
    assert "tight       BROKEN after 2 steps (chosen)" in capsys.readouterr().out


def test_into_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tables replace what stands between the markers, and nothing else."""
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- study -->\nstale text\n<!-- end of study -->\nbelow\n", "utf-8")
    args = ["study", "--designs", "ours", "--ops", "map,munmap", "--bounds", "1,2,1,1"]
    assert main([*args, "--into", str(page)]) == 0
    text = page.read_text("utf-8")
    assert text.startswith("above\n<!-- study -->\n\nA number is the length")
    assert "No search was cut short.\n\n| design | I1 |" in text
    assert text.endswith("\n<!-- end of study -->\nbelow\n")
    assert "stale text" not in text
    page.write_text("nothing", "utf-8")
    assert main([*args, "--into", str(page)]) == 2
    assert "no line '<!-- study -->'" in capsys.readouterr().err
    assert main(["study", "--designs", "nonsense"]) == 2


def test_columns() -> None:
    """The operations of the table are among those that are counted."""
    assert set(BYTES_AND_WORK) <= set(OPERATIONS)
