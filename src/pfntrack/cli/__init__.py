"""Command line: a table of commands, one file each."""

from pfntrack.cli.main import build_parser, main

__all__ = ["build_parser", "main"]
