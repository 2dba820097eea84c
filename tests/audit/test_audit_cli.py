"""The commands `audit` and `collect` from the outside: exit codes, texts, files."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import zipapp
from pathlib import Path

import jsonschema
import pytest

from audit.build import SNAPSHOTS, machine, write
from pfntrack.audit.read import collector
from pfntrack.cli import main
from pfntrack.report.schemas import schema

SOURCE = Path(collector.__file__)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run the command; exit code, output, errors."""
    code = main(list(words))
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.mark.parametrize(
    ("name", "code"), [("6.1-idle", 0), ("6.1-split-exited", 1), ("7.3-nopat", 0)]
)
def test_exit_codes(capsys: pytest.CaptureFixture[str], name: str, code: int) -> None:
    """0 nothing found, 1 findings."""
    assert run(capsys, "audit", "--snapshot", str(SNAPSHOTS / name))[0] == code


def test_without_the_list_nothing_is_decided(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """PAT is on and the list is missing: inconclusive, and the report says so."""
    folder = write(tmp_path / "s")
    for name in ("pat_memtype_list", "pat_memtype_list.before"):
        (folder / name).unlink()
    code, out, _ = run(capsys, "audit", "--snapshot", str(folder))
    assert code == 3
    assert "no reservation is known" in " ".join(out.split())


@pytest.mark.parametrize(
    "words",
    [
        ["audit"],
        ["audit", "--snapshot", "/nonexistent"],
        ["audit", "--snapshot", "{empty}"],
        ["audit", "--snapshot", "{good}", "--bar", "zz"],
        ["audit", "--snapshot", "{good}", "--bar", "0000:00:1e.0"],
        ["audit", "--snapshot", "{good}", "--range", "5"],
        ["audit", "--snapshot", "{good}", "--range", "0-1", "--type", "purple"],
        ["audit", "--snapshot", "{good}", "--type", "wc"],
        ["audit", "diff", "{good}"],
        ["audit", "diff", "{good}", "/nonexistent"],
        ["audit", "compare", "a", "b"],
        ["collect", "-o", "{good}"],
    ],
)
def test_input_errors_are_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str]
) -> None:
    """Code 2 and one line that says what was expected."""
    places = {"good": str(SNAPSHOTS / "6.1-idle"), "empty": str(tmp_path)}
    code, out, err = run(capsys, *(word.format(**places) for word in words))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "expected" in err or "no such" in err


def test_mail_keeps_to_75_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """Only a single long word may pass the limit."""
    _, out, _ = run(capsys, "audit", "--mail", "--snapshot", str(SNAPSHOTS / "6.1-split-alive"))
    assert all(len(line) <= 75 or " " not in line.strip() for line in out.split("\n"))
    assert "If every process exits" in out.split("\n\n")[1]


def test_diff_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """The leak shrank and the mappings went."""
    old, new = (str(SNAPSHOTS / f"6.1-split-{when}") for when in ("alive", "exited"))
    code, out, _ = run(capsys, "audit", "diff", old, new, "--json")
    made = json.loads(out)
    assert code == 1
    assert [(row["start"], row["end"], row["count"]) for row in made["added"]] == [
        (0xFEA00000, 0xFEA06000, 1)
    ]
    assert len(made["unmapped"]) == 3
    assert run(capsys, "audit", "diff", old, old)[:2] == (0, "no difference\n")


def test_json_of_a_command_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    """What the command prints is one document of the published schema."""
    _, out, _ = run(capsys, "audit", "--json", "--snapshot", str(SNAPSHOTS / "6.12-split-alive"))
    made = json.loads(out)
    jsonschema.validate(made, schema("audit"))
    assert made["schema"] == "pfntrack.audit/1"
    (one,) = made["predicted"]["processes"]
    assert one["ranges"] == made["predicted"]["all"]
    assert len(one["log"]) == 2


def test_collected_snapshot_can_be_audited(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Collect from a tree of files, then find the owner in what was collected."""
    machine(tmp_path)
    out = tmp_path / "out"
    problems = collector.collect(str(out), str(tmp_path), samples=3, pause=0)
    assert [line for line in problems if "modules" not in line and "mem" not in line] == [
        f"{tmp_path}/proc/ioports: No such file or directory"
    ]
    code, text, _ = run(capsys, "audit", "--json", "--snapshot", str(out))
    made = json.loads(text)
    assert code == 0
    assert made["input"]["readings"] == 5
    assert made["reservations"][0]["owner"].startswith("vma mapper[90]")
    assert sorted(path.name for path in (out / "pid").iterdir()) == ["90"]


def test_redaction(tmp_path: Path) -> None:
    """Neither the host's name nor a command line gets out."""
    machine(tmp_path)
    out = tmp_path / "out"
    collector.collect(str(out), str(tmp_path), redact=True, samples=1, pause=0)
    everything = "".join(p.read_text() for p in out.rglob("*") if p.is_file())
    assert "secret" not in everything
    if os.uname().nodename not in ("", "localhost", "(none)"):
        assert f"seen on {os.uname().nodename}" not in everything


def test_the_zipapp_runs_alone(tmp_path: Path) -> None:
    """One file, isolated from any installed package."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "__main__.py").write_text(SOURCE.read_text())
    app = tmp_path / "collect.pyz"
    zipapp.create_archive(folder, app)
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(app), "-o", str(out), "--samples", "1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (out / "meta").exists()


def test_the_collector_keeps_to_python_38() -> None:
    """Old syntax and no import from outside the standard library."""
    tree = ast.parse(SOURCE.read_text(), feature_version=(3, 8))
    names = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert names <= {*sys.stdlib_module_names, "__future__"}
    calls = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not calls & {"removeprefix", "removesuffix", "readlink_", "is_relative_to", "pairwise"}
