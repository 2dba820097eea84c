"""`pfntrack bugs`: known defects, found again by search."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pfntrack.check.asked.hunt import Hunted, chosen, hunt
from pfntrack.check.numbers import jit
from pfntrack.cli.output.write import say, write_json, write_scenario
from pfntrack.edges.files import make_folder
from pfntrack.edges.streams import transient
from pfntrack.report.searches import bugs as report
from pfntrack.report.searches.cases import junit, ktap
from pfntrack.scenario import format_scenario

DESCRIPTION = """\
For every known defect: search all programs within bounds on the design or
release that had it, print the shortest program that shows it, and search the
designs that mend it within the same bounds. The search is told the bounds, the
operations and the property, never the program. The group 7.3 holds what real
7.3 kernels were seen to do, with the designs that are free of it.

Exit code 0 if all rows are as expected: found at the known length, and mended.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("bugs", nargs="*", metavar="BUG", help="such as B22, or 7.3 (default: all)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--json", action="store_true", help="JSON instead of text (see `pfntrack schema`)"
    )
    form.add_argument("--markdown", action="store_true", help="Markdown tables")
    form.add_argument("--ktap", action="store_true", help="KTAP: one test per row")
    form.add_argument("--junit", action="store_true", help="JUnit XML: one test per row")
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="write each program as a scenario for `run`"
    )
    parser.add_argument(
        "--workers", type=int, choices=range(1, 65), default=2, metavar="N", help="threads"
    )


def run(args: argparse.Namespace) -> int:
    """Do it."""
    rows = chosen(args.bugs)
    if not jit.is_cached():
        say("compiling the search kernel; this is done once and takes about a minute")
    watching = sys.stderr.isatty()

    def tell(what: str) -> None:
        transient(what)

    hunted = list(hunt(rows, workers=args.workers, tell=tell if watching else None))
    if watching:
        transient()
    files = _save(hunted, args.save) if args.save else {}
    if args.json:
        write_json(report.as_json(hunted, files))
    elif args.markdown:
        print(report.markdown(hunted), end="")
    elif args.ktap or args.junit:
        cases = report.cases(hunted)
        print(ktap(cases) if args.ktap else junit("bugs", cases), end="")
    else:
        print(report.text(hunted, files), end="")
    return 0 if all(each.as_expected for each in hunted) else 1


def _save(hunted: list[Hunted], folder: Path) -> dict[str, str]:
    """Write the programs; bug to file name."""
    files = {}
    make_folder(folder)
    for each in hunted:
        if each.program is None:
            continue
        path = folder / f"{each.program.name}.pfn"
        write_scenario(path, format_scenario(each.program))
        files[each.row.bug] = str(path)
    return files
