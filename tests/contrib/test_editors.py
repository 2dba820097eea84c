"""Highlighting follows the grammar, and knows every word of every scenario."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tools.editors import FOLDER, files, keywords

from pfntrack.scenario import library

GRAMMAR = json.loads((FOLDER / "pfn.tmLanguage.json").read_text(encoding="utf-8"))


def test_generated_files_are_fresh() -> None:
    """`python -m tools.editors` would change nothing."""
    for path, text in files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale"


def scopes(line: str) -> list[tuple[str, str]]:
    """What an editor makes of a line: (text, scope), the first pattern at a place wins."""
    patterns = [(re.compile(each["match"]), each["name"]) for each in GRAMMAR["patterns"]]
    found, at = [], 0
    while at < len(line):
        best = min(
            (
                (match.start(), number)
                for number, (pattern, _) in enumerate(patterns)
                if (match := pattern.search(line, at)) and match.group()
            ),
            default=None,
        )
        if best is None:
            break
        pattern, name = patterns[best[1]]
        match = pattern.search(line, at)
        assert match
        found.append((match.group(), name))
        at = match.end()
    return found


@pytest.mark.parametrize(
    ("line", "text", "scope"),
    [
        ("A maps fd0[0,4) at 0", "A", "variable.language.process.pfn"),
        ("A maps fd0[0,4) at 0", "maps", "keyword.other.operation.pfn"),
        ("A maps fd0[0,4) at 0", "fd0", "variable.parameter.pfn"),
        ("  expect on 6.1: reservations H[0,4) UC-", "expect", "keyword.control.pfn"),
        ("  expect on 6.1: reservations H[0,4) UC-", "UC-", "support.type.pfn"),
        ("  expect on 6.1: reservations H[0,4) UC-", "H", "variable.language.process.pfn"),
        ("finally: breaks I2", "I2", "keyword.other.property.pfn"),
        ('about "A maps" # on 6.1', '"A maps"', "string.quoted.double.pfn"),
        ('about "A maps" # on 6.1', "# on 6.1", "comment.line.number-sign.pfn"),
    ],
)
def test_words_have_their_scope(line: str, text: str, scope: str) -> None:
    """By the rules that TextMate has: the earliest match, then the first pattern."""
    assert (text, scope) in scopes(line)


def test_steps_of_the_library_have_a_coloured_verb() -> None:
    """In each line that is a step some word is known as one of an operation."""
    for path in library().values():
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.match(r"(A|B|C|driver|kernel) ", line):
                assert any(name == "keyword.other.operation.pfn" for _, name in scopes(line)), line


def test_vim_takes_its_file() -> None:
    """Vim reads it without a complaint and knows the groups."""
    if shutil.which("vim") is None:
        pytest.skip("vim is not installed")
    done = subprocess.run(
        [
            "vim",
            "-es",
            "-u",
            "NONE",
            "-c",
            f"source {FOLDER / 'pfn.vim'}",
            "-c",
            "redir >> /dev/stdout",
            "-c",
            "syn list",
            "-c",
            "qa!",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    shown = done.stdout + done.stderr
    if "E319" in shown or "not available" in shown:
        pytest.skip("this vim has no syntax")
    assert "Error detected" not in shown
    assert "pfnOperation" in shown
    assert "unmaps" in keywords()
    assert Path(FOLDER / "pfn.vim").exists()
