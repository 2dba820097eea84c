"""Every command that takes a release says which one it modelled instead, or refuses the word."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cli.test_commands import SAMPLE, printed
from pfntrack.report.schemas import schema

NOTE = "6.18, modelled as 6.16: it lies between 6.16 and 7.3; the older one decides"
SMALL = "--bounds 1,1,1,1,1 --depth 1"
CHECK = f"check {SMALL} --quiet --no-output --release"
EXPLORE = f"compare --explore 7.3 6.18 {SMALL}"


@pytest.mark.parametrize(
    "line",
    [
        "run zap-twice --release 6.18",
        "compare zap-twice --with 6.12,6.18",
        EXPLORE,
        "scenarios test zap-twice --with 6.18",
        f"{CHECK} 6.18",
        "step zap-twice --release 6.18 --plain",
    ],
)
def test_the_first_line_says_it(
    line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel that is not modelled by itself is named first, with what stands for it."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    _, out, _ = printed(capsys, line)
    assert out.splitlines()[0] == NOTE


def _found(document: Any) -> list[tuple[str, str, str]]:
    """All objects that name a release with what was asked for."""
    if isinstance(document, list):
        return [each for part in document for each in _found(part)]
    if not isinstance(document, dict):
        return []
    inner = [each for part in document.values() for each in _found(part)]
    if "asked" in document and "release" in document:
        inner.append((document["release"], document["asked"], document["note"]))
    return inner


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("run zap-twice --json --release 6.18", "run"),
        ("compare zap-twice --json --with 6.18", "comparison"),
        (f"{CHECK} 6.18 --json", "check"),
        ("repro mremap-move --json --release 6.12.24", "repro"),
    ],
)
def test_json_says_it(line: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The release that is modelled, the kernel that was asked for, and why; by the schema."""
    document = json.loads(printed(capsys, line)[1])
    jsonschema.validate(document, schema(name))
    for release, asked, note in _found(document):
        assert asked == line.split()[-1 if "--json --" in line else -2]
        assert note.startswith(f"{asked}, modelled as {release}: ")
    assert _found(document)


def test_a_difference_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Two kernels by search."""
    document = json.loads(printed(capsys, f"{EXPLORE} --json")[1])
    jsonschema.validate(document, schema("difference"))
    assert document["models"] == ["7.3", "6.16"]
    assert document["asked"] == ["7.3", "6.18"]
    assert document["notes"] == [NOTE]


def test_traces_of_a_kernel_in_between(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recording of another series is judged by what stands for it, and that is said first."""
    trace = json.loads(SAMPLE.read_text(encoding="utf-8"))
    trace["kernel"]["series"] = "6.13"
    (tmp_path / "one.json").write_text(json.dumps(trace), encoding="utf-8")
    _, out, _ = printed(capsys, f"conform --traces {tmp_path}")
    assert out.startswith("6.13, modelled as 6.14: the data of 6.11 to 6.14, from their source\n")
    document = json.loads(printed(capsys, f"conform --traces {tmp_path} --json")[1])
    jsonschema.validate(document, schema("conformance"))
    assert document["kernels"]["6.13"]["note"] == out.splitlines()[0]


def test_a_page_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A page names both kernels."""
    page = tmp_path / "page.html"
    printed(capsys, f"run zap-twice --release 6.18 --html {page}")
    assert NOTE in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("kernel", ["7.4", "9.9.1"])
def test_a_kernel_newer_than_all(kernel: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A warning, in the result and beside it."""
    for line in (f"run zap-twice --release {kernel}", f"compare zap-twice --with {kernel}"):
        _, out, err = printed(capsys, line)
        assert out.startswith(f"warning: {kernel}, modelled as 7.3: newer than 7.3, ")
        assert err == f"pfntrack: {out.splitlines()[0]}\n"


@pytest.mark.parametrize(
    "line",
    [
        "run zap-twice --release {}",
        "report zap-twice -o - --release {}",
        "step zap-twice --plain --release {}",
        "repro zap-twice --release {}",
        "compare zap-twice --with 7.3,{}",
        "compare --explore 7.3 {}",
        "scenarios test zap-twice --with {}",
        "report zap-twice -o - --with {}",
        f"{CHECK} {{}}",
        f"conform --traces {SAMPLE} --kernel {{}}",
        "triage --kernel {} -",
    ],
)
@pytest.mark.parametrize("word", ["6.12abc", "6.12/7.3", "6.12..", "6,12", "trixie", "2.6.20"])
def test_what_is_no_release(
    line: str, word: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, exit code 2 and nothing run, wherever a release can be given."""
    if word == "2.6.20" and "triage" in line:
        # A log of an old kernel can be read all the same.
        return
    code, out, err = printed(capsys, line.format(word))
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        ("on 6.12..6.1", "expected the older release first"),
        ("on vm-patt", "did you mean vm-pat?"),
    ],
)
def test_claims_about_no_release(
    claim: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A claim that could never be judged is refused with its place."""
    path = tmp_path / "one.pfn"
    path.write_text(
        "scenario one\n\nA opens driver on H with WC as fd0\n  expect " + claim + ": ok\n",
        encoding="utf-8",
    )
    code, _, err = printed(capsys, f"run {path}")
    assert code == 2
    assert f"{path}:4:" in err
    assert why in err
