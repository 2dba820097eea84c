"""Scenarios and releases, as they are named on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pfntrack.cli.output.write import say
from pfntrack.designs import DESIGNS
from pfntrack.edges import files
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


def add_scenario(parser: argparse.ArgumentParser, nargs: str | None = None) -> None:
    """The scenario argument."""
    parser.add_argument(
        "scenario",
        nargs=nargs,
        metavar="SCENARIO",
        help="a .pfn file, the name of a scenario of the library "
        "(see `pfntrack scenarios list`), or - for standard input",
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
