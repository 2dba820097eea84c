"""`pfntrack run`: one scenario on the model, explained step by step."""

from __future__ import annotations

import argparse

from pfntrack.check.run import run_scenario
from pfntrack.cli.output.terminal import show
from pfntrack.cli.output.write import add_html, add_json, write_html, write_json
from pfntrack.cli.words.chosen import add_model, add_scenario, chosen, named
from pfntrack.report.runs.text import run_text

DESCRIPTION = """\
Run a scenario on the model of one kernel release or tracking design. Each step
shows the result of the call, what changed (reservations, mappings, page-table
entries), which rule of which kernel function decided, the kernel's log lines,
and which property broke.

Exit code 1 if a property broke or an expectation of the scenario is not met.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_scenario(parser)
    add_model(parser)
    parser.add_argument(
        "--picture", action="store_true", help="draw the pages after each step that changes them"
    )
    add_json(parser)
    add_html(parser)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    result = run_scenario(named(args.scenario), chosen(args))
    if args.json or args.html is not None:
        from pfntrack.report.runs.json_run import run_json  # noqa: PLC0415 - only what was asked for

        document = run_json(result)
        write_html(args.html, "run", document)
    if args.json:
        write_json(document)
    else:
        show(run_text(result, pictures=args.picture))
    return 1 if result.broken or result.unmet else 0
