"""The parser and the entry point shared by all commands."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Protocol, cast

from pfntrack import __version__
from pfntrack.errors import GuestError, PfntrackError

OK, FINDINGS, USAGE, INCONCLUSIVE, SKIPPED, INTERNAL = 0, 1, 2, 3, 4, 70
GUEST_LOST, INTERRUPTED = 255, 130

# One module per command, in the order in which --help lists them.
COMMANDS = (
    "run",
    "compare",
    "scenarios",
    "check",
    "bugs",
    "study",
    "conform",
    "lab",
    "triage",
    "explain",
    "collect",
    "audit",
    "report",
    "repro",
    "step",
    "schema",
    "completion",
)

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

    HELP: str
    DESCRIPTION: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


def load(name: str) -> Command:
    """The module of command `name`."""
    return cast("Command", importlib.import_module(f"pfntrack.cli.{name}"))


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The complete parser; the man page and shell completion come from it too.

    If `only` is a command, the parser knows no other: most modules need not be loaded then.
    """
    parser = argparse.ArgumentParser(
        prog="pfntrack",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pfntrack {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in (only,) if only in COMMANDS else COMMANDS:
        command = load(name)
        sub = commands.add_parser(
            name,
            help=command.HELP,
            description=command.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    try:
        args = build_parser(words[0] if words else None).parse_args(words)
        code = cast("int", args.run(args))
        sys.stdout.flush()
    except GuestError as error:
        print(f"pfntrack: {error}", file=sys.stderr)
        return GUEST_LOST
    except PfntrackError as error:
        print(f"pfntrack: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("pfntrack: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone; keep the interpreter's own flush from failing as well.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception:
        traceback.print_exc()
        print("pfntrack: internal error: please report it with the lines above", file=sys.stderr)
        return INTERNAL
    return code
