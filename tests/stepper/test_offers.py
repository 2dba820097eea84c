"""What is offered next can be done, and breaks what it says."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from pfntrack.check.run import run_scenario
from pfntrack.cli import main
from pfntrack.releases import RELEASES, release_or_design
from pfntrack.scenario import find, format_op, format_scenario, library, load, parse
from pfntrack.stepper import commands, start
from pfntrack.stepper.offers import MOST, offers

START = "scenario mine\n\nA opens driver on H as fd0\nA maps fd0[0,4) at 0\n"


def test_an_offer_does_what_it_says() -> None:
    """Each offer, taken, has the result and breaks the properties that it was marked with."""
    releases = [RELEASES["6.12"], release_or_design("ours")]
    made = offers(parse(START), releases)
    assert len(made) > 10
    assert any(effect.breaks for offer in made for effect in offer.effects)
    for offer in made:
        longer = parse(f"{START}{offer.text}\n")
        for release, effect in zip(releases, offer.effects, strict=True):
            last = run_scenario(longer, release).steps[-1]
            assert {violation.property for violation in last.fresh} == set(effect.breaks)


def test_a_beginning_opens_files() -> None:
    """Where nothing is open, files of the windows are offered; the kernel may map as well."""
    made = offers(parse("scenario mine\n\nA reads page 0\n"), [RELEASES["7.3"]])
    words = " ".join(offer.text for offer in made)
    assert "A opens driver on H" in words
    assert "resource2" in words
    assert "kernel ioremaps H[0,1)" in words


@pytest.mark.parametrize("name", list(library())[::12])
def test_offers_behind_any_scenario_are_steps_of_it(name: str) -> None:
    """Behind a scenario of the library every offer is an operation that it could go on with."""
    scenario = find(name)
    made = offers(scenario, [RELEASES["6.12"]])
    assert 0 < len(made) <= MOST
    for offer in made[:5]:
        head = format_scenario(scenario).partition("\nfinally")[0].rstrip()
        assert parse(f"{head}\n{offer.text}\n").steps


def test_offers_and_a_file_by_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`offers` marks what breaks; `write` saves a program that runs, with what was tried."""
    path = tmp_path / "mine.pfn"
    lines = f"go 2\noffers\ntry A unmaps [1,2)\nwrite {path}\nwrite\nwrte x\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    assert main(["step", "truncate-middle", "--plain", "--release", "6.12"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^driver zaps fd0\[0,1\) of A +breaks I2$", out, re.MULTILINE)
    assert f"wrote {path}" in out
    assert "? write where?" in out
    assert "did you mean write?" in out
    assert "A unmaps [1,2)" in path.read_text()
    assert [format_op(step.op) for step in load(path).steps][2] == "A unmaps [1,2)"


def test_completions() -> None:
    """A line is completed to commands, to operations that can be done here, to releases."""
    session = start(find("truncate-middle"), RELEASES["6.12"]).to(2)
    assert commands.completions(session, "re") == ["release "]
    assert "try driver zaps fd0[0,1) of A" in commands.completions(session, "try driver z")
    assert commands.completions(session, "t A for") == ["t A forks B"]
    assert commands.completions(session, "release our") == [
        "release ours-at-unmap",
        "release ours",
    ]
    assert commands.completions(session, "go ") == []
