"""Documents that pages are made of: kinds, versions, and one clear line for what is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from audit.build import SNAPSHOTS
from pfntrack.check.run import run_scenario
from pfntrack.cli import main
from pfntrack.errors import InputFormatError
from pfntrack.releases import release_for
from pfntrack.report.html import merged, page, read
from pfntrack.report.html.strings import embedded, visible
from pfntrack.report.runs.json_run import run_json
from pfntrack.report.schemas import schema
from pfntrack.scenario import find

TRACES = Path(__file__).parents[1] / "conform" / "traces"


def document(capsys: pytest.CaptureFixture[str], line: str) -> Any:
    """What a command prints."""
    main(line.split())
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """A run of the model."""
    return document(capsys, "run truncate-middle --json")


def message(body: Any) -> str:
    """Why a document is refused."""
    text = body if isinstance(body, str) else json.dumps(body)
    with pytest.raises(InputFormatError) as error:
        read(text, "in.json")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_truncated(run: Any) -> None:
    """A file cut short names the place where it ends."""
    text = json.dumps(run)
    said = message(text[: len(text) // 2])
    assert said.startswith("in.json: line 1, column ")
    assert "expected JSON" in said
    assert "is the file complete?" in message("")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "pfntrack.run/2"}, "pfntrack.run/2 is newer than this program"),
        ({"schema": "pfntrack.state/1"}, "no page is made of pfntrack.state"),
        ({"schema": "other/1"}, "field 'schema': expected one of pfntrack.run/1"),
        ({"schema": 7}, "field 'schema'"),
        ({"schema": "pfntrack.comparison/1"}, "expected a list"),
        ({"release": 6}, "release: expected string, found int"),
        ({"steps": {}}, "steps: expected array, found dict"),
    ],
)
def test_not_as_expected(run: Any, change: dict[str, Any], said: str) -> None:
    """Wrong kinds, versions and types are named with what was expected."""
    assert said in message(run | change)


def test_places(run: Any) -> None:
    """A mistake deep inside is named with its path."""
    del run["steps"][2]["state"]["reservations"][0]["type"]
    assert "steps/2/state/reservations/0: the field 'type' is missing" in message(run)
    run["steps"][2]["state"]["reservations"][0]["type"] = "purple"
    assert "steps/2/state/reservations/0/type: expected one of write-back" in message(run)


def test_ranges(run: Any) -> None:
    """A range that ends before its start, or beyond any address, is refused."""
    run["steps"][1]["state"]["reservations"][0]["start"] = 1 << 60
    assert "steps/1/state/reservations/0: expected 0 <= start <= end" in message(run)
    for field in ("start", "end"):
        run["steps"][1]["state"]["reservations"][0][field] = 1 << 70
    assert "expected 0 <= start <= end" in message(run)


@pytest.mark.parametrize(
    "text", ["NaN", "[" * 100_000, '{"schema": Infinity}', "[]", "7", "\ud800"]
)
def test_not_a_document(text: str) -> None:
    """What is JSON to some readers only, or not at all, gives one line."""
    assert message(text).startswith("in.json: ")


def test_what_a_later_version_adds_is_ignored(run: Any) -> None:
    """A field that is not known, and one that an older version did not write, are no mistakes."""
    run["steps"][0]["weather"] = "fine"
    del run["source"], run["scenario"]["text"]
    assert "truncate-middle" in page(read(json.dumps(run), "in.json"))


def test_runs_side_by_side(capsys: pytest.CaptureFixture[str], run: Any) -> None:
    """Several runs make one page if they are of one scenario."""
    other = document(capsys, "run truncate-middle --release 7.3 --json")
    one, two = read(json.dumps(run), "one"), read(json.dumps(other), "two")
    assert merged([one, two]).kind == "comparison"
    third = read(json.dumps(document(capsys, "run split-head-first --json")), "three")
    with pytest.raises(InputFormatError, match="three: step 1 is not that of one"):
        merged([one, third])
    audit = document(capsys, f"audit --snapshot {SNAPSHOTS / '6.1-idle'} --json")
    with pytest.raises(InputFormatError, match="one page of audit and run"):
        merged([one, read(json.dumps(audit), "four")])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("report no-such-thing -o x.html", "no scenario 'no-such-thing'"),
        ("report no-such.json -o x.html", "no-such.json: No such file"),
        ("report truncate-middle -o /dev/null/page", "/dev/null/page: "),
        ("report truncate-middle -o x.html --with 7.3 --design ours", "--with LIST"),
        ("run truncate-middle --html /dev/null/page", "/dev/null/page: "),
        ("run truncate-middle --html no/such/x.page", "there is no folder no/such"),
        ("check --html no/x.page", "no/x.page: there is no folder no"),
        ("compare --explore 6.12 7.3 -o no/x.pfn", "no/x.pfn: there is no folder no"),
        ("lab conform --kernel 6.12 --junit no/x.xml", "no/x.xml: there is no folder no"),
        ("report truncate-middle -o no/x.page", "no/x.page: there is no folder no"),
        ("repro truncate-middle -o no/x.c", "no/x.c: there is no folder no"),
        (f"audit --snapshot {SNAPSHOTS / '6.1-idle'} --range 0-1 --html x.html", "--html"),
    ],
)
def test_command_line(
    line: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mistakes on the command line get one line and exit code 2, and write nothing."""
    monkeypatch.chdir(tmp_path)
    assert main(line.replace("x.html", str(tmp_path / "x.html")).split()) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_binary_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not text is named with the first bad byte."""
    path = tmp_path / "raw.json"
    path.write_bytes(b'{"a": "\xff"}')
    assert main(["report", str(path), "-o", str(tmp_path / "x.html")]) == 2
    assert "byte 7: expected UTF-8 text" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "run ram-wc --release 6.12 --json",
        "compare truncate-middle split-head-first --with 6.12,7.3 --json",
        "check --preset quick --bounds 1,2,2,1,2 --ops map,munmap --no-output --quiet --json",
        f"audit --snapshot {SNAPSHOTS / '7.3-wc-bar'} --json",
        f"conform --traces {TRACES / '7.3' / 'zap-twice.json'} --json",
    ],
    ids=lambda line: line.split()[0],
)
def test_round_trip(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What --json prints makes a page that refers to nothing outside itself."""
    made = page(read(json.dumps(document(capsys, line)), "in.json"))
    assert len(made) < 1 << 20
    assert re.findall(r"https?://[^\"]*", made) == ["http://www.w3.org/2000/svg"]
    assert not re.findall(r"<(?:link|img|iframe|base|object)\b", made)
    assert "connect-src" not in made
    assert "default-src &#39;none&#39;" in made


def test_conform_of_a_live_kernel_keeps_its_schema() -> None:
    """Runs that disagree are part of the published form."""
    model = run_json(run_scenario(find("map-and-unmap"), release_for("6.12")))
    kernel = model | {"source": "kernel", "release": "6.12.1-test"}
    report = {
        "modelled_as": "6.12", "scenarios": 1, "scenarios_agree": 0, "steps": 3, "steps_agree": 2,
        "disagreements": [], "not_comparable": [], "skipped": {"a": "b"}, "lost": {},
        "explained_by": {"map-and-unmap": []},
        "comparisons": [
            {"scenario": "map-and-unmap", "first_difference": 2, "runs": [model, kernel]}
        ],
    }  # fmt: skip
    body = {"schema": "pfntrack.conformance/1", "kernels": {"6.12": report}, "limits": []}
    jsonschema.Draft202012Validator(schema("conformance")).validate(body)
    assert "map-and-unmap on 6.12" in page(read(json.dumps(body), "in.json"))


def test_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """A page may go to standard output, and is the same each time."""
    pages = []
    for _ in range(2):
        assert main(["report", "truncate-middle", "-o", "-", "--with", "6.12,7.3"]) == 0
        pages.append(capsys.readouterr().out)
    assert pages[0] == pages[1]
    assert pages[0].startswith("<!DOCTYPE html>")


def test_strings() -> None:
    """Acting characters are spelt out; letters of any script are left alone."""
    assert visible({"a\u202e": ["\x1b[0m", "שלום 漢", "a\nb", "\ud800"]}) == {
        "a\\u202e": ["\\u001b[0m", "שלום 漢", "a\nb", "\\ud800"]
    }
    assert json.loads(embedded({"x": "</script><!--&'\u2028"})) == {"x": "</script><!--&'\u2028"}
    assert not set("<>&'") & set(embedded("</script><!--&'"))
