"""`pfntrack completion`: shell completion from the parser itself."""

from __future__ import annotations

import argparse

import shtab

DESCRIPTION = """\
Print a completion script made from the parser of this very version. The package
installs those for bash and zsh where these shells look; if yours does not find it:

    pfntrack completion bash > ~/.local/share/bash-completion/completions/pfntrack
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS, help="which shell")


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from pfntrack.cli.main import build_parser  # noqa: PLC0415 - the table of commands has us

    print(shtab.complete(build_parser(), shell=args.shell), end="")
    return 0
