"""`pfntrack completion`: shell completion from the parser itself."""

from __future__ import annotations

import argparse

from pfntrack.cli.parsing.commands import build_parser
from pfntrack.cli.shells import SHELLS

DESCRIPTION = """\
Print a completion script made from the parser of this very version: commands, options,
files, scenarios, releases, designs (after a comma too), properties, codes, kernels.
The package installs those for bash, zsh and fish where these shells look; if yours
does not find it:

    pfntrack completion bash > ~/.local/share/bash-completion/completions/pfntrack
    pfntrack completion zsh > DIRECTORY_OF_FPATH/_pfntrack
    pfntrack completion fish > ~/.config/fish/completions/pfntrack.fish
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("shell", choices=SHELLS, help="which shell")


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from pfntrack.cli.shells.scripts import script  # noqa: PLC0415 - needs everything
    from pfntrack.cli.shells.table import table  # noqa: PLC0415

    print(script(args.shell, table(build_parser())), end="")
    return 0
