"""`pfntrack step`: through a scenario by hand, with operations of one's own."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import os
import readline
import sys
from collections.abc import Iterator

from pfntrack.cli.words.chosen import add_model, add_scenario, chosen
from pfntrack.edges import files
from pfntrack.scenario import find
from pfntrack.stepper import Session, commands, start
from pfntrack.stepper.plain import step_through

DESCRIPTION = """\
Go through a scenario on the model: forward, back, under another release or
design, with operations of your own, which can be taken back. After each step
it shows what changed and why, the state, and which properties are broken.

On a terminal, with the extra tui (pip install 'pfntrack[tui]'), this takes the
whole screen; otherwise commands are read line by line: `help` lists them.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_scenario(parser)
    add_model(parser)
    parser.add_argument("--plain", action="store_true", help="line by line, even on a terminal")


def run(args: argparse.Namespace) -> int:
    """Do it."""
    session = start(find(args.scenario), chosen(args))
    if sys.stdin is None:
        files.standard_input()
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    wanted = terminal and not args.plain
    if wanted and importlib.util.find_spec("prompt_toolkit"):
        screen = importlib.import_module("pfntrack.stepper.screen")  # needs an extra
        screen.Screen(session, colour="NO_COLOR" not in os.environ).run()
    else:
        if wanted:
            print("no full screen without: pip install 'pfntrack[tui]'", file=sys.stderr)
        if terminal:
            _by_line(session)
        else:
            step_through(session, sys.stdin, sys.stdout)
    return 0


def _by_line(session: Session) -> None:
    """Line by line at a terminal: Tab completes commands, operations and releases."""
    here = [session]

    def complete(_text: str, number: int) -> str | None:
        found = commands.completions(here[0], readline.get_line_buffer())
        return found[number] if number < len(found) else None

    def lines() -> Iterator[str]:
        with contextlib.suppress(EOFError):
            while True:
                yield input("> ")

    readline.set_completer(complete)
    readline.set_completer_delims("")
    readline.parse_and_bind("tab: complete")
    step_through(session, lines(), sys.stdout, moved=lambda now: here.__setitem__(0, now))
