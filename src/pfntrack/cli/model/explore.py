"""`pfntrack compare --explore`: the shortest program on which two kernels differ."""

from __future__ import annotations

import argparse
import sys
import time

from pfntrack.check.asked.pair import FIELDS, compare, scenario
from pfntrack.check.run import run_scenario
from pfntrack.check.search.explore import Limits
from pfntrack.cli.output.write import output_file, write_json, write_scenario
from pfntrack.cli.words.chosen import releases
from pfntrack.cli.words.searched import add_search, positive, search_setting
from pfntrack.edges.near import unknown
from pfntrack.edges.streams import transient
from pfntrack.errors import InputFormatError
from pfntrack.report.searches.difference import difference_json, text
from pfntrack.scenario import format_scenario, parse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the search."""
    search = add_search(parser, "quick")
    search.add_argument(
        "--fields",
        metavar="LIST",
        help=f"what counts as a difference (default: {','.join(FIELDS)})",
    )
    search.add_argument("--depth", type=positive, metavar="N", help="programs of up to N steps")
    search.add_argument("--time", type=positive, metavar="SECONDS", help="give up after that")
    search.add_argument(
        "-o", "--output", type=output_file, metavar="FILE", help="write the program as a scenario"
    )


def run(args: argparse.Namespace) -> int:
    """Search, and print what was found: 0 alike, 1 different, 3 not known."""
    both = releases(",".join(args.explore))
    symbols = both[0].design.symbols | both[1].design.symbols
    one, other = (search_setting(args, each, symbols) for each in both)
    fields = _fields(args.fields)
    watching, shown = sys.stderr.isatty(), time.monotonic()

    def tick(depth: int, pairs: int, transitions: int) -> None:
        nonlocal shown
        if watching and time.monotonic() - shown > 0.5:
            shown = time.monotonic()
            line = f"step {depth + 1}: {pairs:,} pairs of states, {transitions:,} transitions"
            transient(line)

    found = compare(one, other, Limits(args.depth, args.time), frozenset(fields), tick)
    if watching:
        transient()
    made, runs, file = None, [], None
    if found.difference is not None:
        made = scenario(one, other, found.difference, frozenset(fields))
        again = parse(format_scenario(made))
        runs = [run_scenario(again, each) for each in both]
        if args.output:
            write_scenario(args.output, format_scenario(made))
            file = str(args.output)
    if args.json:
        write_json(difference_json(one, other, found, fields, runs, made, file))
    else:
        print(text(one, other, found, runs, file), end="")
    if found.difference is not None:
        return 1
    return 0 if found.equal else 3


def _fields(names: str | None) -> list[str]:
    if names is None:
        return list(FIELDS)
    wanted = [name.strip() for name in names.split(",")]
    if strange := [name for name in wanted if name not in FIELDS]:
        raise InputFormatError(unknown("field", strange[0], FIELDS))
    return wanted
