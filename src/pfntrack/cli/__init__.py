"""Command line. A room for each kind of command, and one file for each command.

Read `main` and `parsing` (the table of commands), then a command, such as `model/run`::

    parsing  <- main                       which command, and with which options
    output   <- words                      how results are shown; what words on the line name
    model, search, lab, field, shells      the commands

A command's module asks, calls the package that does the work, and prints. No rule of a kernel
and no judgement belongs here, and a command imports no other room of commands.
"""

from pfntrack.cli.main import main
from pfntrack.cli.parsing.commands import build_parser

__all__ = ["build_parser", "main"]
