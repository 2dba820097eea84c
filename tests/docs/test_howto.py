"""The how-tos, done to the letter on a copy of the package."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from docs.console import Session
from docs.markdown import DOCS, ROOT, blocks, name

# What lies outside the package is played by tests/plugins, tables by test_mapping_page.
_NOT_HERE = ("index.md", "outside.md", "mapping.md")
PAGES = [path for path in DOCS if path.parent.name == "howto" and path.name not in _NOT_HERE]


def test_there_are_four() -> None:
    """A design, a release, a driver, a rule."""
    assert {page.stem for page in PAGES} == {"design", "release", "driver", "rule"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_howto(page: Path, tmp_path: Path) -> None:
    """Files and edits as shown, then the commands, with the output shown."""
    home = tmp_path / "home"
    shutil.copytree(ROOT / "src", home / "src")
    session = Session(home, home / "src")
    played = list(blocks(page))
    for block in played:
        session.play(block)
    assert any(block.comment("edit") for block in played)
    assert any(block.language == "console" for block in played)
