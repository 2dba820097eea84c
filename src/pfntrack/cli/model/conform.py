"""`pfntrack conform`: recorded traces of real kernels against the model."""

from __future__ import annotations

import argparse
from pathlib import Path

from pfntrack.cli.output.write import add_json, say, write_json
from pfntrack.edges.streams import transient
from pfntrack.report.lab.conformance import conformance_text
from pfntrack.report.runs.json_run import conformance_json
from pfntrack.traces import conform

DESCRIPTION = """\
Replay recorded traces (format 1, any directory of *.json files) on the model
of the kernel series that each names, and compare after every step: result,
reservations in list order, mappings, page-table entries with types, tracking
calls, events and log lines. Shows the first differing field of each
disagreement and lists what could not be compared.

A file of the directory that is no trace is named on standard error and passed over.

Exit code 1 if a step disagrees or could not be compared.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "--traces",
        required=True,
        metavar="DIR",
        type=Path,
        help="a directory of traces, or one trace",
    )
    parser.add_argument("--kernel", metavar="K", help="only traces of this series, such as 6.12")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    strange: list[str] = []
    reports = conform(args.traces, args.kernel, _progress, strange.append)
    transient()
    for why in strange:
        say(f"pfntrack: passed over: {why}")
    if args.json:
        write_json(conformance_json(reports) | {"passed_over": strange})
    else:
        print(conformance_text(reports), end="")
    return 0 if all(report.agrees for report in reports) else 1


def _progress(done: int, of: int) -> None:
    transient(f"{done}/{of} traces")
