"""The parser and the entry point shared by all commands."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import sys
import traceback
from collections.abc import Sequence
from typing import Protocol, cast

from pfntrack import __version__
from pfntrack.cli.examples import epilog
from pfntrack.cli.parser import Formatter, Parser
from pfntrack.edges import streams
from pfntrack.edges.text import one_line
from pfntrack.errors import GuestError, PfntrackError

OK, FINDINGS, USAGE, INCONCLUSIVE, SKIPPED, INTERNAL = 0, 1, 2, 3, 4, 70
GUEST_LOST, INTERRUPTED = 255, 130

# One module per command, in the order in which --help lists them, with one line about each:
# help and mistakes need no more than this table.
COMMANDS = {
    "run": "run a scenario on the model and explain each step",
    "compare": "run a scenario under several releases or designs, side by side",
    "scenarios": "list, show, format or test scenarios",
    "check": "search all programs within bounds for broken properties",
    "race": "try all schedules of operations that overlap",
    "bugs": "find every known defect again, by search",
    "study": "the decision table: what each design keeps, refuses, stores and does",
    "conform": "replay recorded kernel traces on the model and compare every step",
    "lab": "run scenarios on real kernels in QEMU and compare them with the model",
    "triage": "explain memory-type messages of a kernel log: cause, harm, cure",
    "explain": "say what a memory-type message or a diagnosis code means",
    "collect": "take a text snapshot of memory-type tracking on this machine",
    "audit": "say who holds each reservation, what is stale, and what exits will leave",
    "record": "record what a live machine does with raw pfn mappings",
    "replay": "explain a recording, and name the step that broke something",
    "report": "make one HTML page of a result, to look at and to send on",
    "repro": "write a C program that shows on a real kernel what breaks in the model",
    "step": "go through a scenario step by step, and try operations",
    "serve": "the explorer in the browser: edit a scenario, see it, try what comes next",
    "schema": "print the JSON schema of an output",
    "completion": "print the shell completion script",
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
    return cast("Command", importlib.import_module(f"pfntrack.cli.{name}"))


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
    for name, about in COMMANDS.items():
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    with streams.guarded():
        try:
            try:
                code = _run(words)
            finally:
                sys.stdout.flush()
        except streams.OutputError as error:
            code = _failed(str(error), USAGE)
        except BrokenPipeError:
            # The reader has gone; keep the interpreter's own flush from failing as well.
            streams.forget(sys.stdout)
            code = OK
    return code


def _run(words: Sequence[str]) -> int:
    """The command, with every failure as one line."""
    try:
        named = words[0] if words and words[0] in COMMANDS else None
        args = build_parser(named).parse_args(words)
        # `--html -`: the page is the result.
        with streams.aside() if _is_dash(args) else contextlib.nullcontext():
            return cast("int", args.run(args))
    except (streams.OutputError, BrokenPipeError):
        raise
    except GuestError as error:
        return _failed(str(error), GUEST_LOST)
    except PfntrackError as error:
        return _failed(str(error), USAGE)
    except KeyboardInterrupt:
        return _failed("interrupted", INTERRUPTED)
    except MemoryError:
        return _failed("the memory does not suffice", INCONCLUSIVE)
    except OSError as error:
        # Of a file or of the machine, whichever: nothing that a traceback would explain.
        name = f"{error.filename}: " if error.filename is not None else ""
        return _failed(f"{name}{error.strerror or error}", USAGE)
    except Exception:
        traceback.print_exc()
        return _failed("internal error: please report it with the lines above", INTERNAL)


def _is_dash(args: argparse.Namespace) -> bool:
    return str(getattr(args, "html", None)) == "-"


def _failed(why: str, code: int) -> int:
    print(f"pfntrack: {one_line(why)}", file=sys.stderr)
    return code
