"""`pfntrack report`: a result as one HTML page that can be sent on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pfntrack.check.run import run_scenario
from pfntrack.cli.output.write import write_text
from pfntrack.cli.words.chosen import add_model, chosen, releases
from pfntrack.edges import files
from pfntrack.errors import InputFormatError
from pfntrack.report.html import Document, document_of, merged, page, read
from pfntrack.report.runs.json_run import comparison_json, run_json
from pfntrack.scenario import find

DESCRIPTION = """\
Make one self-contained HTML page of what --json printed: a run, a comparison, a
check, a conformance report, an audit or a triage. Several runs of one scenario stand side
by side, such as one of the model and one of a real kernel. A scenario is run
first, under --release, --design or all that --with names. The page needs a
browser and nothing else, neither a network nor other files.

exit codes: 0 the page was written, 2 usage or input error
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="what --json printed (- is standard input), a .pfn file, or a scenario's name",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="the page; - is standard output",
    )
    add_model(parser)
    parser.add_argument(
        "--with",
        dest="releases",
        metavar="LIST",
        help="run scenarios under these releases or designs, side by side",
    )


def run(args: argparse.Namespace) -> int:
    """Do it."""
    if args.releases and (args.release or args.design):
        raise InputFormatError("--with LIST: expected without --release and --design")
    made = page(merged([_document(word, args) for word in args.inputs]))
    if args.output == "-":
        sys.stdout.write(made)
    else:
        write_text(Path(args.output), made)
    return 0


def _document(word: str, args: argparse.Namespace) -> Document:
    if word == "-":
        raw = files.read_stream(files.standard_input(), "standard input")
        return read(files.decoded(raw, "standard input"), "standard input")
    path = Path(word)
    if path.suffix == ".json" or (files.is_file(path) and path.suffix != ".pfn"):
        return read(files.read_text(path, "JSON"), word)
    scenario = find(word)
    if args.releases:
        runs = [run_scenario(scenario, release) for release in releases(args.releases)]
        return document_of("comparison", [comparison_json(runs)], word)
    return document_of("run", run_json(run_scenario(scenario, chosen(args))), word)
