"""`pfntrack race`: all schedules of the operations that overlap in a scenario."""

from __future__ import annotations

import argparse
from pathlib import Path

from pfntrack.check.race.scenarios import Raced, as_scenario, race_scenario
from pfntrack.cli.output.write import add_json, write_json, write_scenario, write_text
from pfntrack.cli.words.chosen import add_model, add_scenario, chosen
from pfntrack.edges.files import make_folder
from pfntrack.report.searches.race import race_json, race_svg, race_text
from pfntrack.scenario import find, format_scenario

DESCRIPTION = """\
Try all schedules of the operations that a scenario lets overlap (two operations with
|| between), and show for each broken property a shortest schedule that breaks it:
what each call does part by part, with the locks that are held. What also breaks when
the two come one after the other, in either order, is marked.

Calls stop where the kernel lets others in: before locks are taken, between page tables,
before the TLB is flushed, before a VMA dies. Schedules that no call can tell apart
are tried once.

Exit code 1 if a schedule breaks a property, 3 if not all could be tried and none did.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_scenario(parser)
    add_model(parser)
    parser.add_argument(
        "--limit",
        type=int,
        default=100_000,
        metavar="N",
        help="distinct moments to look at, at most (default: 100000)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="write each finding into this folder: a scenario with its schedule, and a picture",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    raced = race_scenario(find(args.scenario), chosen(args), limit=args.limit)
    files = _write(raced, args.output) if args.output else {}
    if args.json:
        write_json(race_json(raced))
    else:
        print(race_text(raced, files), end="")
    if any(each.race.findings for each in raced):
        return 1
    return 0 if all(each.race.size.complete for each in raced) else 3


def _write(raced: list[Raced], folder: Path) -> dict[int, str]:
    """Write each finding as a scenario: the finding's id() to the name of its file."""
    make_folder(folder)
    files: dict[int, str] = {}
    for each in raced:
        for number, finding in enumerate(each.race.findings, 1):
            made = as_scenario(each, finding)
            path = folder / f"{made.name}-{each.number}-{number}.pfn"
            write_scenario(path, format_scenario(made))
            write_text(path.with_suffix(".svg"), race_svg(each, finding))
            files[id(finding)] = str(path)
    return files
