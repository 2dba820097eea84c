"""`pfntrack study`: the decision table of all tracking designs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pfntrack.check.asked.study import FIELDS, Field, Row, study
from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.numbers import jit
from pfntrack.check.search.bounds import PRESETS, parse_bounds, parse_groups
from pfntrack.cli.output.write import say, write_json, write_scenario
from pfntrack.cli.words.searched import positive, properties_of
from pfntrack.designs import DESIGNS
from pfntrack.edges import files
from pfntrack.edges.near import unknown
from pfntrack.edges.streams import transient
from pfntrack.errors import InputFormatError
from pfntrack.report.searches import study as report

BEGIN, END = "<!-- study -->\n", "<!-- end of study -->\n"

DESCRIPTION = """\
For each tracking design: the properties it keeps within bounds, or the length
of the shortest program that breaks them; legal programs of drivers that it
refuses; the bytes it needs; the page-table reads and tree operations of each
operation. Everything is searched, run and counted, for this table. By default
six searches use every operation between them; --preset, --bounds or --ops
make it one.

Exit code 0 if all searches were complete, 3 if a limit ended one.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "--designs", metavar="LIST", help=f"separated by commas (default: all): {','.join(DESIGNS)}"
    )
    parser.add_argument(
        "--property",
        dest="properties",
        metavar="LIST",
        help=f"properties to search for (default: all of {', '.join(PROPERTIES)})",
    )
    parser.add_argument("--preset", choices=PRESETS, help="one search with these bounds")
    parser.add_argument("--bounds", metavar="P,V,N,K,R", help="one search with these bounds")
    parser.add_argument("--ops", metavar="LIST", help="one search with these operations")
    parser.add_argument(
        "--time", type=positive, metavar="SECONDS", help="give up a design after that"
    )
    parser.add_argument(
        "--jobs", type=positive, default=2, metavar="N", help="designs at a time (default: 2)"
    )
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="write each shortest program as a scenario"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--json", action="store_true", help="JSON instead of text (see `pfntrack schema`)"
    )
    form.add_argument("--markdown", action="store_true", help="Markdown tables")
    form.add_argument(
        "--into",
        type=Path,
        metavar="FILE",
        help="put the Markdown tables into this file, between `<!-- study -->` and "
        "`<!-- end of study -->`",
    )


def run(args: argparse.Namespace) -> int:
    """Do it."""
    designs, watched, fields = _designs(args.designs), properties_of(args.properties), _fields(args)
    if not jit.is_cached():
        say("compiling the search kernel; this is done once and takes about a minute")
    watching = sys.stderr.isatty()
    rows: list[Row] = []
    jobs = min(args.jobs, len(designs))
    for row in study(designs, watched, fields, args.time, jobs):
        rows.append(row)
        if watching:
            line = f"{len(rows)} of {len(designs)}: {row.design}, {row.seconds:.0f} s"
            transient(line)
    if watching:
        transient()
    saved = _save(rows, args.save) if args.save else {}
    if args.json:
        write_json(report.as_json(rows, fields, watched, saved))
    elif args.into:
        _put(args.into, report.markdown(rows, fields, watched))
    elif args.markdown:
        print(report.markdown(rows, fields, watched), end="")
    else:
        print(report.text(rows, fields, watched), end="")
    return 3 if any(row.incomplete for row in rows) else 0


def _designs(names: str | None) -> list[str]:
    if names is None:
        return list(DESIGNS)
    wanted = [name.strip() for name in names.split(",")]
    if strange := [name for name in wanted if name not in DESIGNS]:
        raise InputFormatError(unknown("design", strange[0], DESIGNS))
    return wanted


def _fields(args: argparse.Namespace) -> Sequence[Field]:
    if not (args.preset or args.bounds or args.ops):
        return FIELDS
    preset = PRESETS[args.preset or "quick"]
    bounds = parse_bounds(args.bounds, preset.bounds) if args.bounds else preset.bounds
    groups = parse_groups(args.ops) if args.ops else preset.groups
    return (Field("chosen", bounds, groups),)


def _put(file: Path, tables: str) -> None:
    """Replace what stands between the markers."""
    before, begin, rest = files.read_text(file).partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputFormatError(f"{file}: no line {(BEGIN if not begin else END).strip()!r}")
    files.write_text(file, f"{before}{BEGIN}\n{tables}\n{END}{after}", ours=True)


def _save(rows: Sequence[Row], folder: Path) -> dict[tuple[str, str], str]:
    """Write the programs; (design, property) to file name."""
    written = {}
    files.make_folder(folder)
    for row in rows:
        for name, broken in row.broken.items():
            path = folder / f"{row.design}-breaks-{name}.pfn"
            write_scenario(path, broken.program)
            written[row.design, name] = str(path)
    return written
