"""docs/designs.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from designs.test_library import BREAKS
from pfntrack.designs import DESIGNS, Design
from pfntrack.scenario import library

TEXT = (Path(__file__).parents[2] / "docs" / "designs.md").read_text(encoding="utf-8")


def row(design: Design) -> str:
    """The design's row of the table: bytes, work as walks+tree, what breaks in the library."""
    cost = design.cost
    size = (cost.every_vma, cost.process, cost.mapping, cost.sharer, cost.piece)
    work = (cost.remap, cost.fault, cost.cow, cost.zap, cost.split, cost.move, cost.fork)
    cells = [
        f"`{design.name}`",
        *(str(each or "") for each in size),
        *(f"{each.walks}+{each.tree}" if each.tree else "" for each in (*work, cost.unmap)),
        BREAKS[design.name].replace("I1 I2 I3 I4 I5 I6 I7", "I1-I7") or "nothing",
    ]
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_row_and_section(design: Design) -> None:
    """Its row stands in the table as computed, and it has a section of its own."""
    assert row(design) in TEXT.splitlines()
    assert f"\n### `{design.name}`\n" in TEXT


def test_programs_exist() -> None:
    """Every scenario that the text names is in the library."""
    named = set(re.findall(r"`scenario ([a-z0-9-]+)`", TEXT))
    assert named
    assert set() == named - set(library())
