"""Asked and got: where they differ, every output says so, whether or not a property breaks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pfntrack.check.run import run_scenario
from pfntrack.cli import main
from pfntrack.releases import RELEASES, release_for
from pfntrack.repro import plan
from pfntrack.repro.checks import MappedAs
from pfntrack.scenario import find, library, parse

QUIET = """scenario asked-uc
A opens driver on H with WC as fd0
A opens driver on H with UC as fd1
A maps fd0[0,2) at 0
A maps fd1[1,3) at 4
A forks B
"""


def test_every_output_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Text, JSON and page of a run and a comparison; the fork asks for nothing."""
    file = tmp_path / "quiet.pfn"
    file.write_text(QUIET)
    words = "H[1,3): process A asked for UC and got WC"
    page = tmp_path / "page.html"
    assert main(["run", str(file), "--html", str(page)]) == 0
    assert capsys.readouterr().out.count(f"note: {words}") == 1
    assert words in page.read_text()
    main(["run", str(file), "--json"])
    steps = json.loads(capsys.readouterr().out)["steps"]
    told = [[note["got"] for note in step["notes"]] for step in steps]
    assert told == [[], [], [], ["write-combining"], []]
    main(["compare", str(file), "--html", str(page)])
    assert f"note: {words}" in capsys.readouterr().out
    assert words in page.read_text()


def test_repro_finds_it_though_nothing_breaks() -> None:
    """And the check fails on every kernel, as it must."""
    repro = plan(parse(QUIET, "quiet"))
    assert repro.properties == ("asked",)
    assert all(isinstance(check, MappedAs) for check in repro.checks)
    assert all(repro.failing(name) == repro.checks for name in RELEASES)


@pytest.mark.parametrize("name", sorted(RELEASES))
def test_what_differs_is_what_the_entries_say(name: str) -> None:
    """Over the library: pages that are said to have another type do have it, with that pfn."""
    seen = 0
    for each in library():
        run = run_scenario(find(each), release_for(name))
        for step in run.steps:
            for found in step.converted:
                assert found.asked is not found.got
                if found.at is None:
                    continue
                seen += 1
                entries = [
                    (entry.pfn + page - entry.start, entry.type)
                    for process in step.state.processes
                    if process.name == found.who
                    for vma in process.vmas
                    for entry in vma.entries
                    if entry.pfn is not None
                    for page in range(entry.start, entry.end)
                    if found.at <= page < found.at + found.end - found.first
                ]
                assert entries == [(pfn, found.got) for pfn in range(found.first, found.end)]
    assert seen > 10
