"""Results as JSON, pages and files, with the options that ask for them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pfntrack import __version__
from pfntrack.edges import files, streams
from pfntrack.edges.text import brief
from pfntrack.errors import InputFormatError

# What `--html -` means; the command's text goes to standard error then.
STDOUT = Path("-")


def add_json(parser: argparse.ArgumentParser) -> None:
    """The --json switch."""
    parser.add_argument(
        "--json", action="store_true", help="JSON instead of text (see `pfntrack schema`)"
    )


def add_html(parser: argparse.ArgumentParser) -> None:
    """The --html option."""
    parser.add_argument(
        "--html",
        type=output_file,
        metavar="FILE",
        help="also write one self-contained HTML page (see `pfntrack report`); - is standard "
        "output, and the text goes to standard error",
    )


def write_json(value: Any) -> None:
    """One JSON document on standard output."""
    json.dump(value, sys.stdout, indent=1, ensure_ascii=False)
    print()


def write_html(path: Path | None, kind: str, value: Any, name: str = "") -> None:
    """The page of a document that --json would print, if a page was asked for."""
    if path is not None:
        # Templates and schemas take longer to load than a scenario to run.
        from pfntrack.report.html import document_of, page  # noqa: PLC0415

        made = page(document_of(kind, value, name))
        if path == STDOUT:
            streams.result().write(made)
        else:
            write_text(path, made)


def output_file(word: str) -> Path:
    """The file that an option names, refused before the work rather than after it.

    Raises InputFormatError: its folder is not there, which is probably a slip.
    """
    if word == "-":
        return STDOUT
    path = Path(word)
    if not files.is_folder(path.parent):
        raise InputFormatError(f"{brief(word)}: there is no folder {brief(str(path.parent))}")
    files.may_replace(path)
    return path


def write_text(path: Path, text: str) -> None:
    """A result in a file, in a folder that is there; people are told.

    Raises InputFormatError: it cannot be written.
    """
    files.write_text(path, text)
    say(f"wrote {path}")


def write_scenario(path: Path, text: str) -> None:
    """A scenario in a file, with a comment that says who made it."""
    write_text(path, f"# made by pfntrack {__version__}\n{text}")


def say(line: str) -> None:
    """A line on standard error."""
    print(line, file=sys.stderr)
