"""What several commands share: choosing scenarios and releases, writing JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pfntrack import __version__
from pfntrack.designs import DESIGNS
from pfntrack.edges import files, streams
from pfntrack.edges.text import brief
from pfntrack.errors import InputFormatError
from pfntrack.releases import (
    HISTORIC,
    RELEASES,
    Release,
    release_for,
    release_or_design,
    release_with,
)
from pfntrack.scenario import Scenario, find, parse

# What `--html -` means; the command's text goes to standard error then.
STDOUT = Path("-")


def add_scenario(parser: argparse.ArgumentParser, nargs: str | None = None) -> None:
    """The scenario argument."""
    parser.add_argument(
        "scenario",
        nargs=nargs,
        metavar="SCENARIO",
        help="a .pfn file, the name of a scenario of the library "
        "(see `pfntrack scenarios list`), or - for standard input",
    )


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


def add_model(parser: argparse.ArgumentParser) -> None:
    """--release and --design."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--release",
        metavar="R",
        help=f"kernel release to model (default: 6.12): {', '.join(RELEASES)}, as recorded; "
        f"{', '.join(HISTORIC)}, from their source; any other by the "
        "data of its window or of the next older one, and the output says so",
    )
    group.add_argument(
        "--design", metavar="D", help=f"tracking design to model: {', '.join(DESIGNS)}"
    )


def chosen(args: argparse.Namespace, default: str = "6.12") -> Release:
    """The release that --release or --design asks for."""
    if args.design is not None:
        return release_with(args.design)
    return told(release_for(default if args.release is None else args.release))


def told(release: Release) -> Release:
    """The same; a kernel newer than anything modelled is warned of on standard error as well."""
    if release.beyond:
        say(f"pfntrack: {release.note}")
    return release


def scenarios(names: Sequence[str]) -> list[Scenario]:
    """The scenarios named on the command line."""
    return [named(name) for name in names]


def named(word: str) -> Scenario:
    """The scenario that a word of the command line names; `-` is standard input."""
    if word != "-":
        return find(word)
    raw = files.read_stream(files.standard_input(), "standard input")
    return parse(files.decoded(raw, "standard input"), "standard input")


def releases(names: str | None) -> list[Release]:
    """Releases or designs from a comma-separated list; all releases without one."""
    if names is None:
        return list(RELEASES.values())
    if not all(name.strip() for name in names.split(",")):
        raise InputFormatError(f"{names!r}: an empty name in the list of releases")
    return [told(release_or_design(name)) for name in names.split(",")]


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
