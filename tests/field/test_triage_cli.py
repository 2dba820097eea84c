"""The two commands: exit codes, one-line errors, forms of output."""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path

import pytest

from pfntrack.cli.field import explain, triage
from pfntrack.errors import InputFormatError

LOGS = Path(__file__).parent / "logs"


def _run(module: object, *words: str) -> int:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)  # type: ignore[attr-defined]
    code: int = module.run(parser.parse_args(words))  # type: ignore[attr-defined]
    return code


def test_findings_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    """Findings mean exit code 1 and a report."""
    assert _run(triage, str(LOGS / "14-vfio-run-16g-bar.txt")) == 1
    assert "STALE_OR_LIVE_GPU_RESERVATION" in capsys.readouterr().out


def test_negative_controls_exit_0_and_4(capsys: pytest.CaptureFixture[str]) -> None:
    """Healthy means 0, another subject 4; beside a healthy log the other subject is no news."""
    healthy, strict = str(LOGS / "boot-healthy.txt"), str(LOGS / "strict-devmem.txt")
    assert _run(triage, healthy) == 0
    assert _run(triage, strict) == 4
    assert _run(triage, healthy, strict) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("usb 1-1: new device\n", 4),
        ("my driver: ioremap went wrong somehow\n", 3),
        ("x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT\n", 0),
        ("x86/PAT: a:1 freeing invalid memtype [mem 0x00001000-0x00001fff]\n", 1),
    ],
)
def test_exit_codes(tmp_path: Path, text: str, code: int) -> None:
    """Healthy, findings, not recognised and not ours are told apart."""
    path = tmp_path / "log"
    path.write_text(text)
    assert _run(triage, str(path)) == code


def test_json_of_one_and_of_two(capsys: pytest.CaptureFixture[str]) -> None:
    """One input gives a document, several give a list of them."""
    one = str(LOGS / "59-mtrr-trim.txt")
    assert _run(triage, "--json", one) == 1
    assert json.loads(capsys.readouterr().out)["diagnosis"] == "MTRR_TRIM"
    assert _run(triage, "--json", one, one) == 1
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dash reads standard input."""
    raw = (LOGS / "23-pfring-zc-uio-vm.txt").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    assert _run(triage, "-", "--mail") == 1
    assert capsys.readouterr().out.startswith("Subject: x86/PAT:")


@pytest.mark.parametrize("name", ["no-such-file", "bad\x1bname", ""])
def test_unreadable_log(tmp_path: Path, name: str) -> None:
    """A log that cannot be read is one line without control characters."""
    with pytest.raises(InputFormatError) as caught:
        _run(triage, str(tmp_path / name))
    assert str(caught.value).isprintable()


def test_bad_kernel_option() -> None:
    """A release that is none is refused with an example."""
    with pytest.raises(InputFormatError, match=r"expected a release such as"):
        _run(triage, "--kernel", "newest", str(LOGS / "59-mtrr-trim.txt"))


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    """A message is explained with its notation trap and the function that prints it."""
    assert _run(explain, "conflicting", "memory", "types") == 0
    out = capsys.readouterr().out
    assert "EXCLUSIVE" in out and "memtype_check_conflict" in out
    assert _run(explain, "--markdown") == 0
    assert capsys.readouterr().out.startswith("# Messages")
    assert _run(explain) == 0
    assert _run(explain, "zzz") == 2
    assert "no such message is known" in capsys.readouterr().out
