"""Code blocks of the documentation, with what their comments say to the tests.

A comment before a fence tells the tests what the reader sees for himself:

- `<!-- doctest: file NAME -->`: the block is the text of this file;
- `<!-- doctest: edit NAME -->`: the block is a diff of this file;
- `<!-- doctest: from PATH as NAME -->`: a file or folder of the repository is there;
- `<!-- doctest: skip (REASON) -->`: the commands are not run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_COMMENT = re.compile(r"<!-- doctest: (\w+) (.*?) ?-->$")
_FENCE = re.compile(r"(?P<indent> *)(?P<ticks>```+|~~~+)(?P<language>[\w{}-]*)")


@attrs.frozen
class Block:
    """One fenced block; `line` is that of its first line of text, counted from 1."""

    path: Path
    line: int
    language: str
    text: str
    comments: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> str:
        """File and line, as an editor understands them."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    def comment(self, word: str) -> str | None:
        """What a comment before the block says about `word`."""
        return next((rest for key, rest in self.comments if key == word), None)


def name(path: Path) -> str:
    """A document's path inside the repository."""
    return str(path.relative_to(ROOT))


def blocks(path: Path) -> Iterator[Block]:
    """All fenced blocks of a document, in order."""
    comments: list[tuple[str, str]] = []
    fence: re.Match[str] | None = None
    start, text = 0, list[str]()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if fence is not None:
            if line.strip() == fence["ticks"]:
                joined = "".join(f"{part}\n" for part in text)
                yield Block(path, start, fence["language"], joined, tuple(comments))
                fence, comments = None, []
            else:
                text.append(line.removeprefix(fence["indent"]))
        elif opened := _FENCE.match(line):
            fence, start, text = opened, number + 1, []
        elif said := _COMMENT.match(line.strip()):
            comments.append((said[1], said[2].strip()))
        elif line.strip():
            comments = []


def shown_commands(path: Path) -> Iterator[tuple[int, str]]:
    """Every `pfntrack` command line in a document: in blocks, indented, in backquotes."""
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        if found := re.match(r"(?: {4,}|\$ )(pfntrack .*)$", line):
            # A column of remarks may stand behind the commands.
            yield number, re.split(r" {2,}| *(?:#|>) ", found[1].strip())[0]
        for quoted in re.findall(r"`(pfntrack [^`]+)`", line):
            yield number, quoted
