"""What commands that search have in common: presets, bounds, operations."""

from __future__ import annotations

import argparse

from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.search.bounds import GROUPS, PRESETS, parse_bounds, parse_groups
from pfntrack.check.search.setting import Setting
from pfntrack.edges.near import unknown
from pfntrack.errors import InputFormatError
from pfntrack.releases import Release


def add_search(
    parser: argparse.ArgumentParser, default: str = "default"
) -> argparse._ArgumentGroup:
    """--preset, --bounds and --ops."""
    search = parser.add_argument_group("what is searched")
    search.add_argument(
        "--preset",
        choices=PRESETS,
        default=default,
        help="bounds and operations: quick takes seconds, default a minute; deep gives up after "
        f"an hour or 4 GiB unless --time and --memory say otherwise (default: {default})",
    )
    search.add_argument(
        "--bounds",
        metavar="P,V,N,K,R",
        help="at most P processes, V virtual pages each, N physical pages, K VMAs each, "
        "R reservations; numbers left out are those of the preset",
    )
    search.add_argument(
        "--ops",
        metavar="LIST",
        help=f"operations to use, separated by commas, or all: {', '.join(GROUPS)}",
    )
    return search


def search_setting(
    args: argparse.Namespace, release: Release, symbols: frozenset[str] = frozenset()
) -> Setting:
    """What the command line asks to search; `symbols` are failing steps of another design."""
    preset = PRESETS[args.preset]
    bounds = parse_bounds(args.bounds, preset.bounds) if args.bounds else preset.bounds
    groups = parse_groups(args.ops) if args.ops else preset.groups
    return Setting(release, bounds, groups, symbols=symbols)


def positive(word: str) -> int:
    """A number above 0, for argparse."""
    number = int(word)
    if number <= 0:
        raise argparse.ArgumentTypeError("must be positive")
    return number


def properties_of(names: str | None) -> frozenset[str]:
    """Properties from a comma-separated list; all of them without one."""
    if names is None:
        return frozenset(PROPERTIES)
    wanted = frozenset(name.strip() for name in names.split(","))
    if strange := sorted(wanted - PROPERTIES.keys()):
        raise InputFormatError(unknown("property", strange[0], PROPERTIES))
    return wanted
