"""Every command that the documentation shows does what is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.console import OutputError, Session, commands, edited, matches
from docs.markdown import DOCS, Block, blocks, name, shown_commands
from pfntrack.cli import build_parser
from pfntrack.scenario import library

# How-tos change the package itself: test_howto.py plays them on a copy of it.
PLAYED = [path for path in DOCS if path.parent.name != "howto"]
WITH_COMMANDS = [
    path
    for path in PLAYED
    if any(block.language == "console" and not block.comment("skip") for block in blocks(path))
]
SKIPPED = [block for path in DOCS for block in blocks(path) if block.comment("skip") is not None]
# A synopsis is no command, nor is a command with a part left out.
_SYNOPSIS = re.compile(r"[\[|<…]|\.\.\.")


@pytest.mark.parametrize("path", WITH_COMMANDS, ids=name)
def test_commands(path: Path, tmp_path: Path) -> None:
    """Commands of a document, in order and in one directory, print what is shown."""
    home = tmp_path / "home"
    home.mkdir()
    session = Session(home)
    for block in blocks(path):
        session.play(block)


@pytest.mark.parametrize("block", SKIPPED, ids=lambda block: block.place)
def test_skipped(block: Block) -> None:
    """A block that is not run says why, and is one that has commands."""
    assert block.language == "console"
    assert list(commands(block))
    reason = block.comment("skip") or ""
    assert re.fullmatch(r"\(.{10,}\)", reason), f"{block.place}: a reason in parentheses"
    pytest.skip(reason.strip("()"))


@pytest.mark.parametrize("path", DOCS, ids=name)
def test_command_lines_parse(path: Path) -> None:
    """No document shows a command, an option, a choice or a scenario that does not exist."""
    for line, command in shown_commands(path):
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', command)[1:]]
        if _SYNOPSIS.search(command):
            continue
        place = f"{name(path)}:{line}: {command}"
        if not _parses(words):
            # Prose may name a command without its arguments, or with placeholders for them.
            bare = [word for word in words if not word.isupper()]
            assert all(re.fullmatch("[a-z]+", word) for word in bare), place
            assert _parses([*bare, "--help"]), place
        for word in words[1:2] if words[0] in ("run", "compare") else ():
            assert word in library() or not re.fullmatch("[a-z0-9][a-z0-9-]*", word), place


def _parses(words: list[str]) -> bool:
    try:
        build_parser().parse_args(words)
    except SystemExit as stopped:
        return stopped.code == 0  # as --help and --version do
    return True


def test_there_are_commands() -> None:
    """The README and the quick start are among what is run."""
    shown = {name(path) for path in WITH_COMMANDS}
    assert {"README.md", "docs/quickstart.md"} <= shown


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "b\n", False),
        ("a\n", "a\nb\n", False),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("a\n...\n", "a\n", True),
        ("a\n...\nd\n", "a\nb\n", False),
        ("took ... s\n", "took 3.2 s\n", True),
        ("took ... s\n", "took 3.2\n", False),
        ("a+b\n", "aab\n", False),
        ("", "a\n", False),
    ],
)
def test_comparison(expected: str, found: str, *, same: bool) -> None:
    """Ellipses stand for what they may stand for, and for nothing else."""
    assert matches(expected, found) is same


def test_a_wrong_output_fails(tmp_path: Path) -> None:
    """The runner notices another output, another exit code and a missing command."""
    (tmp_path / "home").mkdir()
    session = Session(tmp_path / "home")
    path = DOCS[0]
    for text in (
        "$ pfntrack schema state\n{}\n",
        "$ pfntrack run no-such-scenario\n...\n",
        "$ pfntrack run no-such-scenario\n...\n$ echo $?\n1\n",
        "output without a command\n",
    ):
        with pytest.raises(OutputError):
            session.play(Block(path, 1, "console", text))
    session.play(Block(path, 1, "console", "$ pfntrack run no-such-scenario\n...\n$ echo $?\n2\n"))


def test_an_edit_needs_its_lines() -> None:
    """A diff changes the one place that has its old lines, or nothing."""
    diff = Block(DOCS[0], 1, "diff", "--- a\n+++ b\n@@\n one\n-two\n+three\n")
    assert edited("zero\none\ntwo\n", diff) == "zero\none\nthree\n"
    for text in ("one\n", "one\ntwo\none\ntwo\n"):
        with pytest.raises(OutputError):
            edited(text, diff)
