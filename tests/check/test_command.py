"""`pfntrack check` on the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from pfntrack.check.search import explore
from pfntrack.check.search.bounds import Bounds
from pfntrack.check.search.explore import Limits, Search
from pfntrack.check.search.setting import Setting
from pfntrack.check.text import text
from pfntrack.cli.main import main
from pfntrack.releases import release_for
from pfntrack.report.schemas import schema

COMMAND = [sys.executable, "-m", "pfntrack", "check"]


def test_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A broken property is named with the scenario that shows it: exit code 1."""
    args = ["check", "--release", "6.12", "--property", "I2", "--output", str(tmp_path)]
    assert main([*args, "--ops", "map,zap"]) == 1
    shown = capsys.readouterr().out
    file = tmp_path / "6.12-breaks-I2.pfn"
    assert f"I2 BROKEN after 2 steps -> {file}" in shown
    assert main(["run", "--release", "6.12", str(file)]) == 1
    assert "BROKEN I2" in capsys.readouterr().out


def test_holds(capsys: pytest.CaptureFixture[str]) -> None:
    """What does not break holds for bounds that are spelt out: exit code 0."""
    args = ["check", "--release", "7.3", "--property", "I1,I2", "--preset", "quick"]
    assert main([*args, "--bounds", "1,2,2,1", "--ops", "map,munmap,zap,exit"]) == 0
    shown = capsys.readouterr().out
    assert "I1, I2: hold for <= 1 process, <= 1 VMA each on 2 virtual pages" in shown
    assert "verified" not in shown


def test_idle_operation(capsys: pytest.CaptureFixture[str]) -> None:
    """An operation that never changes anything makes the result inconclusive: exit code 3."""
    args = ["check", "--release", "7.3", "--property", "I1", "--bounds", "1,1,1,1"]
    assert main([*args, "--ops", "map,munmap,fork"]) == 3
    assert "never changed anything: fork" in capsys.readouterr().out


def test_limits(capsys: pytest.CaptureFixture[str]) -> None:
    """A search that a limit ends says so, and claims nothing beyond: exit code 3."""
    args = ["check", "--release", "7.3", "--property", "I1", "--depth", "2"]
    assert main(args) == 3
    shown = capsys.readouterr().out
    assert "incomplete: programs of more than 2 steps were not tried" in shown
    assert "hold" not in shown


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON output carries bounds, counts, coverage and verdicts."""
    args = ["check", "--release", "6.12", "--bounds", "1,2,2,2,2", "--ops", "map,munmap"]
    assert main([*args, "--json", "--no-output", "--all"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "pfntrack.check/1"
    assert told["complete"]
    assert told["properties"]["I4"] == {
        "broken_after": 2,
        "exact": True,
        "counterexample": None,
    }
    jsonschema.validate(told, schema("check"))
    assert told["coverage"]["munmap"]["effective"] > 0


def test_as_tests(capsys: pytest.CaptureFixture[str]) -> None:
    """KTAP and JUnit have one test per property; what is not known is skipped."""
    args = ["check", "--release", "6.12", "--bounds", "1,2,2,2", "--ops", "map,munmap"]
    args += ["--property", "I2,I4", "--no-output", "--quiet"]
    assert main([*args, "--ktap", "--all"]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[1] == "1..2"
    assert "ok 1 I2" in shown
    assert "not ok 2 I4" in shown
    assert main([*args, "--junit", "--depth", "2"]) == 1
    assert 'failures="1" errors="0" skipped="1"' in capsys.readouterr().out


def test_cut_within_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """A counterexample from an unfinished level is not said to be the shortest."""
    monkeypatch.setattr(explore, "ROOM", 1)  # so that a batch is less than a level
    search = Search(Setting(release_for("6.12"), Bounds(1, 2, 2, 2, 2)), frozenset({"I1", "I4"}))
    found = search.run(Limits(states=20))
    assert found.counterexamples
    assert not all(map(found.exact, found.counterexamples))
    assert "may be a step shorter" in text(search.setting, found, search.watched, {})


@pytest.mark.parametrize(
    "wrong",
    [
        ["--bounds", "2,x"],
        ["--bounds", "0"],
        ["--ops", "map,nonsense"],
        ["--property", "I99"],
        ["--design", "nonsense"],
        ["--bounds", "4", "--symmetry"],
        ["--resume", "/nonexistent/file"],
    ],
)
def test_bad_input(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Bad input is one line on standard error and exit code 2."""
    assert main(["check", *wrong]) == 2
    told = capsys.readouterr()
    assert not told.out
    assert told.err.splitlines()[-1].startswith("pfntrack: ")


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C ends the search with what is known so far: exit code 130."""
    save = tmp_path / "save"
    args = ["--preset", "deep", "--release", "7.3", "--property", "I1", "--no-output"]
    with subprocess.Popen(
        [*COMMAND, *args, "--checkpoint", str(save), "--interval", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        _wait_for(save)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "incomplete: interrupted" in out
    assert "Traceback" not in err


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def test_killed_and_resumed(tmp_path: Path) -> None:
    """A search that is killed goes on from its last checkpoint to the same result."""
    args = [*COMMAND, "--release", "7.3", "--all", "--no-output", "--quiet"]
    args += ["--bounds", "2,2,1,2,2", "--ops", "map,munmap,zap,fork"]
    save = str(tmp_path / "save")
    with subprocess.Popen([*args, "--checkpoint", save, "--interval", "0.1"]) as process:
        _wait_for(Path(save))
        process.kill()
    assert process.returncode == -signal.SIGKILL
    whole = subprocess.run(args, capture_output=True, text=True, check=False)
    resumed = subprocess.run([*args, "--resume", save], capture_output=True, text=True, check=False)
    assert whole.stdout == resumed.stdout
    assert whole.returncode == resumed.returncode == 1
