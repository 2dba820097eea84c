"""The command line as people and programs use it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from pfntrack.cli import build_parser, main
from pfntrack.cli.parsing.commands import COMMANDS
from pfntrack.report.schemas import NAMES, schema

TRACES = Path(__file__).parents[1] / "conform" / "traces"
SAMPLE = TRACES / "6.12" / "zap-twice.json"


def printed(capsys: pytest.CaptureFixture[str], line: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    code = main(line.split())
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("name", COMMANDS)
def test_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command explains itself and exits with 0."""
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    assert f"usage: pfntrack {name}" in capsys.readouterr().out


def test_no_command() -> None:
    """Nothing to do is a usage error."""
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("run no-such-scenario", "no scenario 'no-such-scenario'"),
        ("run truncate-middle --release trixie", "expected a version"),
        ("run truncate-middle --design nothing", "design 'nothing' is not known"),
        ("compare truncate-middle --with 6.1,,7.3", "an empty name"),
        ("scenarios list --tag nothing", "no scenario has the tag"),
        ("conform --traces /no/such/place", "expected a directory of traces"),
        (f"conform --traces {TRACES} --kernel 4.4", "no trace of kernel 4.4"),
    ],
)
def test_one_line_for_a_mistake(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake of the user gets one line on standard error and exit code 2."""
    code, out, err = printed(capsys, line)
    assert (code, out) == (2, "")
    assert err.startswith("pfntrack: ")
    assert message in err
    assert err.count("\n") == 1


def test_a_malformed_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line names file, line and column, and what was expected."""
    path = tmp_path / "bad.pfn"
    path.write_text("scenario bad\nA mapz fd0[0,4) at 0\n", encoding="utf-8")
    code, _, err = printed(capsys, f"run {path}")
    assert code == 2
    assert err.startswith(f"pfntrack: {path}:2:3: found 'mapz', did you mean 'maps'?")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("run", "run truncate-middle --release 6.1 --json"),
        ("run", "run ram-wc --json"),
        ("run", "run vfio-fail-fault --release 6.1 --json"),
        ("run", "run conflict-two-types --release 7.3 --json"),
        ("comparison", "compare truncate-middle split-head-first --json"),
        ("conformance", f"conform --traces {SAMPLE} --json"),
    ],
)
def test_json_keeps_its_schema(name: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What --json prints is what the published schema says."""
    _, out, _ = printed(capsys, line)
    jsonschema.Draft202012Validator(schema(name)).validate(json.loads(out))


@pytest.mark.parametrize("name", NAMES)
def test_schemas_are_schemas(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The published schemas are valid themselves."""
    code, out, _ = printed(capsys, f"schema {name}")
    assert code == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(out))


def test_a_schema_notices(capsys: pytest.CaptureFixture[str]) -> None:
    """A missing field is not overlooked."""
    _, out, _ = printed(capsys, "run truncate-middle --release 6.1 --json")
    document = json.loads(out)
    del document["steps"][1]["state"]["reservations"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema("run")).validate(document)


def test_conform_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON report counts scenarios and steps per kernel."""
    code, out, _ = printed(capsys, f"conform --traces {SAMPLE} --json")
    report = json.loads(out)["kernels"]["6.12"]
    assert code == 0
    assert (report["scenarios"], report["scenarios_agree"]) == (1, 1)
    assert report["steps"] == report["steps_agree"] > 3


def test_conform_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A falsified recording is a finding, with the first field that differs."""
    trace = json.loads(SAMPLE.read_text(encoding="utf-8"))
    trace["steps"][1]["memtype"][0][3] = "UC-"
    (tmp_path / "falsified.json").write_text(json.dumps(trace), encoding="utf-8")
    code, out, _ = printed(capsys, f"conform --traces {tmp_path}")
    assert code == 1
    assert "0 of 1 scenarios" in out
    assert "memtype" in out


def test_format_in_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The formatter shows a diff, rewrites, and is then content."""
    path = tmp_path / "loose.pfn"
    path.write_text(
        "scenario loose\nA   opens driver on H  with WC\nA maps fd0[0, 4) at 0\n", encoding="utf-8"
    )
    code, out, _ = printed(capsys, f"scenarios format --check {path}")
    assert code == 1
    assert "-A   opens" in out
    assert printed(capsys, f"scenarios format --in-place {path}")[0] == 0
    assert printed(capsys, f"scenarios format --check {path}")[:2] == (0, "")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Completion is made from the parser: it knows every command."""
    code, out, _ = printed(capsys, f"completion {shell}")
    assert code == 0
    for name in COMMANDS:
        assert name in out


def test_a_reader_that_goes_away() -> None:
    """A closed pipe is no error."""
    command = [sys.executable, "-m", "pfntrack", "scenarios", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_the_parser_is_built_anew() -> None:
    """Building the parser twice gives the same help."""
    assert build_parser().format_help() == build_parser().format_help()


def test_race(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """All schedules: findings as scenarios that run, JSON by its schema, and the exit codes."""
    code, out, _ = printed(capsys, f"race race-two-zaps --release 6.12 -o {tmp_path}")
    assert code == 1
    assert "called by untrack_pfn()" in out
    assert "i_mmap_rwsem pfnlab r" in out
    written = sorted(tmp_path.glob("*.pfn"))
    assert written
    assert printed(capsys, f"run {written[0]} --release 6.12")[0] == 1
    code, out, _ = printed(capsys, "race race-two-zaps --release 6.12 --json")
    jsonschema.validate(json.loads(out), schema("race"))
    assert code == 1
    code, out, _ = printed(capsys, "race race-two-zaps --release 7.3")
    assert code == 0
    assert "no property broke on any schedule" in out
    assert printed(capsys, "race race-two-zaps --release 7.3 --limit 3")[0] == 3
    code, _, err = printed(capsys, "race truncate-middle")
    assert code == 2
    assert "no operations overlap" in err
    code, out, _ = printed(capsys, "run race-fork-truncate --json")
    jsonschema.validate(json.loads(out), schema("run"))
