"""The short programs of docs/designs.md, and all programs of three actions on ours."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import re

import pytest

from designs.actions import breaks, explore
from designs.test_docs import TEXT
from pfntrack.designs import DESIGNS
from pfntrack.releases import release_with

# Lines such as "- I4: `map; unmap page 0`", under the heading of a design.
SECTIONS = dict(re.findall(r"\n### `([a-z0-9.-]+)`\n(.*?)(?=\n##|\Z)", TEXT, re.S))
TOLD = [
    (design, name, program)
    for design, section in SECTIONS.items()
    for name, program in re.findall(r"^- (I\d+|tight): `([^`]+)`", section, re.M)
]


@pytest.mark.parametrize(("design", "name", "program"), TOLD)
def test_short_program(design: str, name: str, program: str) -> None:
    """The program breaks the property with its last action."""
    assert name in breaks(release_with(design), program.split("; "))


def test_no_design_is_forgotten() -> None:
    """Only our own designs may have few to tell."""
    told = {design for design, _, _ in TOLD}
    assert set(DESIGNS) - told == {"mapcount", "ours"}


def test_a_shorter_one_would_be_found() -> None:
    """The search sees what is known of the design that it judges."""
    found = {name for _, names in explore(release_with("track-context"), 2) for name in names}
    assert {"I5", "I6", "I7", "tight"} == found


@pytest.mark.parametrize("design", ["mapcount", "ours"])
def test_ours_up_to_three_actions(design: str) -> None:
    """No program of three actions breaks anything, failures included."""
    programs = 0
    for program, found in explore(release_with(design), 3):
        programs += 1
        assert set() == found, program
    assert 4000 < programs
