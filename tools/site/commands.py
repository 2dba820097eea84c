"""The page of all commands, from the parser."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pfntrack.cli import build_parser
from pfntrack.cli.parsing.commands import EPILOG
from tools.parsers import Group, Page, exit_codes, pages, paragraphs

HEAD = """\
# Commands

Made from the parser of the program. `pfntrack COMMAND --help` prints the same,
`man pfntrack` has it all. Results go to standard output, progress to standard
error; `NO_COLOR` is honoured.
"""


def page() -> str:
    """The page as Markdown."""
    return "\n".join(
        [HEAD, _codes(), *(part for each in pages(build_parser()) for part in _section(each))]
    )


def _codes() -> str:
    """The exit codes of the epilog as a table."""
    rows = [f"| {code} | {meaning} |" for code, meaning in exit_codes(EPILOG)]
    return "\n".join(["| exit code | meaning |", "|---|---|", *rows, ""])


def _section(found: Page) -> Iterator[str]:
    yield f"{'#' * (found.depth + 1)} {found.name}\n"
    yield f"*{found.summary[:1].upper()}{found.summary[1:]}.*\n"
    yield f"```text\n{found.usage}\n```\n"
    for laid_out, text in paragraphs(found.description):
        yield f"```text\n{text}\n```\n" if laid_out else f"{plain(text)}\n"
    for group in found.groups:
        yield from _group(group)


def _group(group: Group) -> Iterator[str]:
    if group.title:
        yield f"{group.title[:1].upper()}{group.title[1:]}:\n"
    for argument in group.arguments:
        yield f"`{argument.written}`\n: {plain(argument.meaning) or 'see above'}\n"


def plain(text: str) -> str:
    """Text that means no Markdown but its backquotes."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([*_<>\[\]|])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)
