"""The page of a triage: the answer first, every string of the log harmless."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pfntrack.cli import main
from pfntrack.field.answers import answer
from pfntrack.field.report_json import as_json
from pfntrack.field.triage import triage_text
from pfntrack.report.html import document_of, page, read

LOGS = Path(__file__).parent / "logs"


def _page(text: str) -> str:
    document = json.dumps(as_json(triage_text(text)))
    return page(read(document, "t.json"))


@pytest.mark.parametrize(
    "name", ["11-gds-nvidia-fs", "38-overlap-partial-debugpat", "strict-devmem", "boot-healthy"]
)
def test_page_of_a_log(name: str) -> None:
    """The page begins with the answer and names the code."""
    text = (LOGS / f"{name}.txt").read_text()
    made = triage_text(text).findings[0]
    shown = _page(text)
    assert made.code in shown
    assert answer(made).split(" [0x")[0][:60] in shown.replace("&#39;", "'").replace("&lt;", "<")


def test_page_without_findings() -> None:
    """Lines near the subject are shown; else what was read."""
    assert "went wrong" in _page("my driver: ioremap of window 2 went wrong")
    assert "1 lines were read" in _page("usb 1-1: new device")


def test_hostile_log() -> None:
    """Markup in a task name stays text."""
    evil = "x86/PAT: </script><img src=x>:1 freeing invalid memtype [mem 0x00001000-0x00001fff]"
    assert "<img" not in _page(evil)


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`triage --html` and `report` of its JSON make the same page."""
    log, one, saved, two = (tmp_path / name for name in ("log.txt", "1.html", "t.json", "2.html"))
    log.write_text((LOGS / "11-gds-nvidia-fs.txt").read_text())
    assert main(["triage", str(log), "--json", "--html", str(one)]) == 1
    saved.write_text(capsys.readouterr().out)
    assert main(["report", str(saved), "-o", str(two)]) == 0
    assert one.read_text() == two.read_text()
    assert main(["triage", str(log), str(log), "--html", str(one)]) == 2
    document_of("triage", json.loads(saved.read_text()), "log")
