"""The table of commands, and the parser made from it."""

from __future__ import annotations

import argparse
import importlib
from typing import Protocol, cast

from pfntrack import __version__
from pfntrack.cli.parsing.examples import epilog
from pfntrack.cli.parsing.parser import Formatter, Parser

# One module per command, in the order in which --help lists them: its room, and one line about
# it. Help and mistakes need no more than this table.
COMMANDS = {
    "run": ("model", "run a scenario on the model and explain each step"),
    "compare": ("model", "run a scenario under several releases or designs, side by side"),
    "scenarios": ("model", "list, show, format or test scenarios"),
    "check": ("search", "search all programs within bounds for broken properties"),
    "race": ("search", "try all schedules of operations that overlap"),
    "bugs": ("search", "find every known defect again, by search"),
    "study": ("search", "the decision table: what each design keeps, refuses, stores and does"),
    "conform": ("model", "replay recorded kernel traces on the model and compare every step"),
    "lab": ("lab", "run scenarios on real kernels in QEMU and compare them with the model"),
    "triage": ("field", "explain memory-type messages of a kernel log: cause, harm, cure"),
    "explain": ("field", "say what a memory-type message or a diagnosis code means"),
    "collect": ("field", "take a text snapshot of memory-type tracking on this machine"),
    "audit": ("field", "say who holds each reservation, what is stale, and what exits will leave"),
    "record": ("field", "record what a live machine does with raw pfn mappings"),
    "replay": ("field", "explain a recording, and name the step that broke something"),
    "report": ("model", "make one HTML page of a result, to look at and to send on"),
    "repro": ("lab", "write a C program that shows on a real kernel what breaks in the model"),
    "step": ("model", "go through a scenario step by step, and try operations"),
    "serve": ("model", "the explorer in the browser: edit a scenario, see it, try what comes next"),
    "schema": ("model", "print the JSON schema of an output"),
    "completion": ("shells", "print the shell completion script"),
}

DESCRIPTION = """\
Model, test, triage and audit of PFN mapping and memory type (PAT) tracking on
Linux x86.

To begin with, see a mapping lose a page, on one kernel and on two:

    pfntrack run truncate-middle --release 6.12
    pfntrack compare truncate-middle --with 6.12,7.3
"""

EPILOG = """\
exit codes: 0 nothing found, 1 findings (a broken property, an unmet
expectation, a disagreement), 2 usage or input error, 3 inconclusive,
4 skipped, 70 internal error, 130 interrupted, 255 the guest was lost
"""


class Command(Protocol):
    """What a command module offers."""

    DESCRIPTION: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


def load(name: str) -> Command:
    """The module of command `name`."""
    room, _ = COMMANDS[name]
    return cast("Command", importlib.import_module(f"pfntrack.cli.{room}.{name}"))


def build_parser(only: str | None = "") -> argparse.ArgumentParser:
    """The complete parser; the man page and shell completion come from it too.

    If `only` is a command, the parser knows the options of no other; with None it knows none.
    Other modules need not be loaded then.
    """
    parser = Parser(
        prog="pfntrack",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=Formatter,
    )
    parser.add_argument("--version", action="version", version=f"pfntrack {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, about) in COMMANDS.items():
        if only not in ("", name):
            commands.add_parser(name, help=about)
            continue
        command = load(name)
        sub = commands.add_parser(
            name,
            help=about,
            description=command.DESCRIPTION,
            epilog=epilog(name),
            formatter_class=Formatter,
        )
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    return parser
