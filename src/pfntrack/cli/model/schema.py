"""`pfntrack schema`: the JSON schemas of everything that --json prints."""

from __future__ import annotations

import argparse

from pfntrack.report.schemas import NAMES, schema_text

DESCRIPTION = """\
Print the published JSON Schema (draft 2020-12) of one kind of output. The
`schema` field of every output names its schema and version; a version changes
whenever a field is removed or changes its meaning.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("name", choices=NAMES, help="kind of output")


def run(args: argparse.Namespace) -> int:
    """Do it."""
    print(schema_text(args.name), end="")
    return 0
