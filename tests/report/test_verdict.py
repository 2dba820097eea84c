"""The head of a page: who breaks what and when, and how to make the page again."""

from __future__ import annotations

import shlex

import pytest

from pfntrack.check.run import run_scenario
from pfntrack.cli import build_parser
from pfntrack.releases import release_or_design
from pfntrack.report.html.verdict import again, verdict
from pfntrack.report.runs.json_run import run_json
from pfntrack.scenario import find, library, parse


@pytest.mark.parametrize(
    ("name", "sides", "said"),
    [
        ("truncate-middle", "6.12", "6.12 breaks I2 at step 3."),
        (
            "truncate-middle",
            "6.12 7.3 ours",
            "6.12 breaks I2 at step 3; 7.3 and ours break nothing.",
        ),
        ("map-and-unmap", "6.1 7.3", "6.1 and 7.3 break nothing."),
        ("split-head-first", "6.12", "6.12 breaks tight and I4 at step 3, I1 at step 4."),
    ],
)
def test_verdicts(name: str, sides: str, said: str) -> None:
    """Sides that break the same share a clause."""
    runs = [run_json(run_scenario(find(name), release_or_design(side))) for side in sides.split()]
    assert verdict(runs) == said


def test_the_command_makes_the_page() -> None:
    """It parses, and names the scenario and the sides."""
    runs = [run_json(run_scenario(find("truncate-middle"), release_or_design("6.12")))]
    line = again(runs, library())
    assert line == "pfntrack compare truncate-middle --with 6.12 --html page.html"
    assert build_parser("compare").parse_args(shlex.split(line)[1:]).releases == "6.12"
    mine = parse("scenario mine\n\nA opens driver on H as fd0\n")
    assert "mine.pfn" in again([run_json(run_scenario(mine, release_or_design("6.12")))], library())
