"""Recordings of real guests: what happened is explained, and the step that leaked is named."""

from __future__ import annotations

import ast
import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pfntrack.cli.main import main
from pfntrack.errors import PfntrackError
from pfntrack.record import recorder
from pfntrack.record.export import scenario_of, shows
from pfntrack.record.format import parse, read
from pfntrack.record.replay import Replay, replay
from pfntrack.report.schemas import schema
from pfntrack.scenario import format_op, format_scenario
from pfntrack.scenario import parse as parse_scenario

CAPTURES = sorted((Path(__file__).parent / "captures").glob("*.rec"))
OLD = ("5.10", "6.1", "6.12")
# What is blamed in each program, on the releases with VM_PAT.
BLAME = {
    "split-fork": "A unmaps [0,4)",
    "head-first": "A unmaps [",
    "mremap-part": "A unmaps [",
    "cow-fork": "A forks Z",
    "sysfs-wc": "A unmaps [0,1)",
}
_EVENT = re.compile(r"^\s*.{1,24}-\d+\s+\[\d+\]\s+\S+\s+\d+: ")


def named(path: Path) -> tuple[str, str]:
    """Kernel and program of a capture."""
    kernel, _, program = path.stem.partition("-")
    return kernel, program


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_what_happened_is_explained(path: Path) -> None:
    """Every step of every capture; VM_PAT is blamed where it leaks, 7.3 never."""
    kernel, program = named(path)
    result = replay(read(path))
    assert result.conclusive, (result.faults, result.unexplained)
    assert len(result.told) == len(result.recovered.steps) >= 3
    if kernel not in OLD or program not in BLAME:
        assert result.verdict == "clean"
        return
    assert result.blame is not None
    assert any(format_op(op).startswith(BLAME[program]) for op in result.blame.program)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_the_scenario_shows_the_finding(path: Path) -> None:
    """What is handed back runs, reads back, and breaks what was broken."""
    result = replay(read(path))
    scenario = scenario_of(result, "recovered")
    again = parse_scenario(format_scenario(scenario))
    assert [step.op for step in again.steps] == [step.op for step in scenario.steps]
    if result.broken is not None and named(path)[1] != "cow-fork":
        assert shows(again, result, result.broken)


def lossy(path: Path, seed: int, share: float = 0.05) -> Replay | None:
    """The capture with some of its events gone; None if it is refused."""
    chance = random.Random(seed)
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not _EVENT.match(line) or chance.random() >= share]
    text = "".join(kept)
    # The parts say how many lines they have.
    for part in re.findall(r"^part (\w+) \d+$", text, re.MULTILINE):
        body = re.search(rf"^part {part} \d+\n(.*?)(?=^part |^end$)", text, re.M | re.S)
        assert body is not None
        count = body[1].count("\n")
        text = re.sub(rf"^part {part} \d+$", f"part {part} {count}", text, flags=re.MULTILINE)
    try:
        return replay(parse(text, path.name))
    except PfntrackError:
        return None


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_lost_events_blame_nobody(path: Path) -> None:
    """With 5 % of the events gone, no verdict, or the one of the whole recording."""
    whole = replay(read(path))
    refused = 0
    for seed in range(12):
        part = lossy(path, seed)
        if part is None or not part.conclusive:
            refused += 1
            continue
        assert part.verdict == whole.verdict
        if part.blame is not None and whole.blame is not None:
            assert part.blame.program == whole.blame.program
    assert refused  # some of them lose what matters


@pytest.mark.parametrize("share", [0.004, 0.01])
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_few_lost_events_blame_nobody(path: Path, share: float) -> None:
    """Where much is left to explain; whoever is blamed did it, conclusive or not."""
    _no_wrong_blame(path, share, range(100, 106))


@pytest.mark.deep
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_many_recordings_with_lost_events_blame_nobody(path: Path) -> None:
    for share in (0.002, 0.01, 0.05):
        _no_wrong_blame(path, share, range(1000, 1060))


def _no_wrong_blame(path: Path, share: float, seeds: range) -> None:
    whole = replay(read(path)).blame
    for seed in seeds:
        part = lossy(path, seed, share)
        if part is not None and part.blame is not None:
            assert whole is not None, (seed, share)
            assert part.blame.program == whole.program, (seed, share)


@settings(deadline=None)
@given(st.data())
def test_mutated_recordings_end_in_one_line(data: st.DataObject) -> None:
    """Any damage is an explanation or one clear line."""
    path = data.draw(st.sampled_from(CAPTURES))
    text = path.read_text()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        much = data.draw(st.sampled_from((1, 1, 3, 40, 2000)))
        junk = data.draw(
            st.sampled_from(("", "0", "-", "\n", "ffffffffffffffff", "9" * 40, "\x1b"))
        )
        text = text[:at] + junk + text[at + much :]
    try:
        replay(parse(text, "mutated"))
    except PfntrackError as error:
        assert "\n" not in str(error)
        assert str(error).startswith("mutated")


def test_the_recorder_runs_alone() -> None:
    """On Python 3.8, without this package."""
    source = Path(recorder.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 8))
    names = {
        name.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for name in node.names
    } | {
        str(node.module).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert names <= sys.stdlib_module_names


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13"])
def test_other_pythons_read_the_recorder(version: str) -> None:
    """Those that this machine has."""
    beside = Path(sys.base_prefix).parent.glob(f"{version}.*/bin/python{version}")
    python = next(map(str, beside), None) or shutil.which(f"python{version}")
    if python is None:
        pytest.skip(f"no python{version}")
    done = subprocess.run(
        [python, recorder.__file__, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "pfntrack-record" in done.stdout


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Text, JSON and scenario of one recording; the exit code says what was found."""
    path = next(each for each in CAPTURES if each.stem == "6.1-split-fork")
    out = tmp_path / "leak.pfn"
    assert main(["replay", str(path), "--scenario", str(out), "--minimise"]) == 1
    assert "to blame: step 5 (line 200, pid 83 labA: A unmaps [0,4)) broke I4" in (
        capsys.readouterr().out
    )
    assert main(["run", str(out), "--release", "6.1"]) == 1
    capsys.readouterr()
    assert main(["replay", str(path), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("replay"))
    assert document["blame"]["step"] == 5
    clean = next(each for each in CAPTURES if each.stem == "7.3-split-fork")
    assert main(["replay", str(clean)]) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "recording"),
        ("pfntrack-recording 2\n", "1"),
        ("pfntrack-recording 1\nrelease 6.1\n", "line"),
    ],
)
def test_not_a_recording(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 2."""
    path = tmp_path / "x.rec"
    path.write_text(text)
    assert main(["replay", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert said in err
