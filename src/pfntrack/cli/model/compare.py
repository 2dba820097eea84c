"""`pfntrack compare`: the same scenario under several releases, side by side."""

from __future__ import annotations

import argparse

from pfntrack.check.run import run_scenario
from pfntrack.cli.model import explore
from pfntrack.cli.output.terminal import show
from pfntrack.cli.output.write import add_html, add_json, write_html, write_json
from pfntrack.cli.words.chosen import add_scenario, releases, scenarios
from pfntrack.errors import InputFormatError
from pfntrack.report.runs.json_run import comparison_json
from pfntrack.report.runs.text import comparison_text

DESCRIPTION = """\
Run scenarios under several kernel releases or tracking designs and show what an
observer would see of each, step by step: result, reservations (the kernel's own
as well), tracked mappings, page-table entries, log. The first step at which they
differ in one of these, in the mappings' ranges and permissions or in what broke is
marked and explained, and a line says what was compared.

With --explore the program is searched for: breadth-first over all programs
within bounds, so the first that shows a difference is the shortest.

Exit code 1 if they differ, or if a property broke somewhere; with --explore 0
if nothing differs within the bounds, 3 if the search was not completed.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_scenario(parser, nargs="*")
    parser.add_argument(
        "--with",
        dest="releases",
        metavar="LIST",
        help="releases or designs, separated by commas (default: all releases)",
    )
    parser.add_argument(
        "--explore",
        nargs=2,
        metavar=("A", "B"),
        help="search for the shortest program on which these two releases or designs differ",
    )
    explore.add_arguments(parser)
    add_json(parser)
    add_html(parser)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    if args.explore:
        if args.scenario or args.releases or args.html:
            raise InputFormatError("--explore takes two models, and neither scenarios nor a page")
        return explore.run(args)
    if not args.scenario:
        raise InputFormatError("name a scenario, or --explore two models")
    chosen = releases(args.releases)
    document = [
        comparison_json([run_scenario(scenario, release) for release in chosen])
        for scenario in scenarios(args.scenario)
    ]
    write_html(args.html, "comparison", document)
    if args.json:
        write_json(document)
    else:
        show("\n".join(comparison_text(each) for each in document))
    found = any(
        each["first_difference"] is not None or any(run["broken"] for run in each["runs"])
        for each in document
    )
    return 1 if found else 0
