"""The page for authors of drivers: every row is what its scenario does on the releases named."""

from __future__ import annotations

import re

import pytest

from docs.markdown import ROOT
from pfntrack.check.run import run_scenario
from pfntrack.releases import RELEASES
from pfntrack.scenario import library, parse

TEXT = (ROOT / "docs" / "howto" / "mapping.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if re.match(r"\|.*`[a-z0-9-]+` \|$", line)
]
COLUMNS = ("5.10", "6.1", "6.12", "7.3")


def test_there_are_rows() -> None:
    """The page has its tables, and no scenario twice."""
    names = [row[-1] for row in ROWS]
    assert len(names) > 20 and len(set(names)) == len(names)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[-1]))
def test_row(row: list[str]) -> None:
    """The properties that break are those of the row, on each of the four releases."""
    scenario = parse(library()[row[-1].strip("`")].read_text(encoding="utf-8"))
    for release, cell in zip(COLUMNS, row[-5:-1], strict=True):
        run = run_scenario(scenario, RELEASES[release])
        said = set() if cell == "-" else set(cell.split())
        assert said == {str(name) for name in run.broken}, f"{row[-1]} on {release}"
