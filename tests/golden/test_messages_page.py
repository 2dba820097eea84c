"""The page of messages in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfntrack.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "messages.md"


def test_the_page_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/messages.md is what `pfntrack explain --markdown` prints today."""
    assert main(["explain", "--markdown"]) == 0
    assert capsys.readouterr().out == PAGE.read_text(encoding="utf-8")
