"""The page about the scenario language shows the language that there is."""

from __future__ import annotations

import re
from itertools import chain

import pytest

from docs.markdown import ROOT
from pfntrack.drivers.parametric import MODES
from pfntrack.errors import PfntrackError
from pfntrack.scenario import parse

TEXT = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
# What some operation needs before it.
BEFORE = (
    "",
    "A opens driver on H with WC as fd0",
    "A opens /dev/mem as fd0",
    "A opens vfio of H as fd0, fd1, fd2",
    "kernel ioremaps H[0,4) with WC as regs",
    "kernel allocates 4 pages as ram0",
    "driver unbinds R",
)


def first_column(heading: str) -> list[str]:
    """Phrases in backquotes in the first column of the tables below a heading."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return list(chain.from_iterable(re.findall(r"`([^`]+)`", row) for row in rows))


def accepted(line: str) -> bool:
    """Is the line one of the language, after something that it may need?"""
    for before in BEFORE:
        try:
            parse(f'scenario page\nabout "A line of the page."\n\n{before}\n{line}\n')
        except PfntrackError:
            continue
        return True
    return False


@pytest.mark.parametrize("phrase", first_column("Operations"))
def test_operations(phrase: str) -> None:
    """Every operation of the table parses, in every mode where it has one."""
    for mode in MODES if "MODE" in phrase else ("",):
        line = phrase.replace("MODE", mode)
        # A variant of the row's first phrase names only what is opened.
        assert accepted(line) or accepted(f"A opens {line} as fd0"), line


@pytest.mark.parametrize("phrase", first_column("Expectations"))
def test_expectations(phrase: str) -> None:
    """Every claim of the table parses where it may stand."""
    kind = "finally" if phrase.startswith("leaks") else "expect"
    assert accepted(f"A exits\n{kind}: {phrase}")


def test_machine() -> None:
    """The example of a machine parses, line by line."""
    block = re.search(r"```text\nmachine\n(.*?)```", TEXT, re.DOTALL)
    assert block is not None
    for line in block[1].splitlines():
        text = f'scenario page\nabout "A machine."\n\nmachine\n{line}\n\nA exits\n'
        assert parse(text).machine != parse(text.replace(f"machine\n{line}\n", "")).machine


def test_modes() -> None:
    """The page names all modes of the driver, and no other."""
    row = next(line for line in TEXT.splitlines() if "by MODE" in line)
    assert set(MODES) == set(re.findall(r"`(\w+)`", row.split("|")[2]))


def test_a_wrong_line_is_refused() -> None:
    """The check can fail."""
    assert not accepted("A unmaps 0 to 1")
