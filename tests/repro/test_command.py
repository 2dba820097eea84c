"""`pfntrack repro`: files, exit codes, JSON, and the verdict on what programs print."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from pfntrack.cli import main
from pfntrack.lab.guests.execute import Execution
from pfntrack.report.schemas import schema
from pfntrack.repro import plan
from pfntrack.repro.report import repro_json, trial_lines
from pfntrack.repro.trial import BAIL, FAIL, LOST, PASS, SKIP, judge, verdict
from pfntrack.scenario import find


def said(output: str, status: int) -> Execution:
    """A program that printed this."""
    return Execution("p", "6.12.117", status, output)


@pytest.mark.parametrize(
    ("output", "status", "expected"),
    [
        ("KTAP version 1\n1..2\nok 1 a\nok 2 b\n", 0, (PASS, (), "")),
        ("KTAP version 1\n1..2\nok 1 a\nnot ok 2 b\n#   x\n", 1, (FAIL, (2,), "")),
        ("KTAP version 1\n1..0 # SKIP no /dev/pfnlab\n", 4, (SKIP, (), "no /dev/pfnlab")),
        ("1..2\nnot ok 1 a\nBail out! step 2: x\n", 1, (BAIL, (), "step 2: x")),
        ("1..2\nnot ok 1 a\n", 1, (BAIL, (1,), "1 of 2 tests reported")),
        ("1..2\nok 1 a\nok 2 b\n", -11, (BAIL, (), "ended with status -11")),
        ("", 127, (BAIL, (), "0 of 2 tests reported")),
    ],
)
def test_verdict(output: str, status: int, expected: tuple[str, tuple[int, ...], str]) -> None:
    """Only a program that came to its end shows or refutes anything."""
    assert verdict(said(output, status), 2) == expected


def test_a_lost_guest_is_no_verdict() -> None:
    """Whatever was printed before."""
    lost = Execution("p", "6.12", -1, "1..1\nok 1 a\n", lost="panic")
    assert verdict(lost, 1) == (LOST, (), "panic")


def test_prediction_is_held_against_the_kernel() -> None:
    """A kernel that does not do what the model says is told in capitals."""
    repro = plan(find("split-head-first"))
    good = judge(said("1..2\nok 1 a\nok 2 b\n", 0), repro, "7.3")
    assert good.as_predicted is True
    wrong = judge(said("1..2\nok 1 a\nok 2 b\n", 0), repro, "6.12")
    assert wrong.as_predicted is False
    assert any(
        "BUT the model says: 1, 2 fails" in line for line in trial_lines([wrong], {}, whole=False)
    )
    unknown = judge(said("1..2\nok 1 a\nok 2 b\n", 0), repro, "6.9")
    assert unknown.as_predicted is None


def test_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """-o names the file and the program; nothing goes to standard output."""
    path = tmp_path / "my-repro.c"
    assert main(["repro", "split-head-first", "-o", str(path)]) == 0
    assert path.read_text().startswith("// SPDX-License-Identifier:")
    assert " * my-repro\n" in path.read_text()
    assert capsys.readouterr().out == ""


def test_several_go_into_a_folder(tmp_path: Path) -> None:
    """One file each, by the names of the scenarios."""
    out = tmp_path / "out"
    assert main(["repro", "split-head-first", "munmap-head", "-o", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["munmap-head.c", "split-head-first.c"]


def test_equal_names_are_told_apart(tmp_path: Path) -> None:
    """Files of several folders may hold scenarios of one name."""
    assert main(["repro", "munmap-head", "munmap-head", "-o", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["munmap-head-2.c", "munmap-head.c"]
    assert " * munmap-head-2\n" in (tmp_path / "munmap-head-2.c").read_text()


def test_json_has_the_published_form(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs and their trials, by the schema."""
    assert main(["repro", "split-head-first", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    jsonschema.validate(printed, schema("repro"))
    assert printed["programs"][0]["tests"][0]["fails_on"] == ["5.10", "6.1", "6.12"]
    repro = plan(find("split-head-first"))
    trial = judge(said("1..2\nnot ok 1 a\nok 2 b\n", 1), repro, "6.12")
    document = repro_json([("p", repro, "text")], [trial])
    jsonschema.validate(document, schema("repro"))
    assert document["programs"][0]["trials"][0]["predicted"] == [1, 2]


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("repro no-such", 2, "no-such"),
        ("repro map-and-unmap --release 6.12", 2, "no property breaks under 6.12"),
        ("repro split-head-first --property I5", 2, "I5 does not break under 6.12"),
        ("repro split-head-first --property XX", 2, "property 'XX' is not known"),
        ("repro split-head-first --run", 2, "--run needs --kernel"),
        ("repro split-head-first --release six", 2, "expected a version"),
        ("repro split-head-first -o /dev/null/x.c", 2, "/dev/null/x.c"),
        ("repro fork-fails-at-later-mapping", 4, "the limit on committed memory"),
        ("repro other-owner-taken --release 6.12", 4, "cannot be seen from outside"),
        ("repro split-head-first --run --kernel 1.0", 2, "unknown kernel '1.0'"),
    ],
)
def test_mistakes_get_one_line(
    line: str, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong, and no traceback."""
    assert main(line.split()) == code
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1
    assert message in errors[0]


def test_without_a_compiler_it_is_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--run names the Debian package that is missing."""
    monkeypatch.setattr("pfntrack.cli.lab.repro.require_tools", lambda: None)
    monkeypatch.setenv("PATH", "/nowhere")
    assert main("repro split-head-first --run --kernel 6.12".split()) == 4
    assert "install the Debian packages gcc" in capsys.readouterr().err
