"""How far a long search is: shown on a terminal now and then, and saved to a checkpoint."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pfntrack.check.search.bounds import PRESETS
from pfntrack.check.search.explore import Limits
from pfntrack.cli.output.write import say
from pfntrack.edges.streams import transient
from pfntrack.errors import InputFormatError

S = TypeVar("S")


def limits(args: argparse.Namespace) -> Limits:
    """Those of the command line, else those of the preset."""
    preset = PRESETS[args.preset]
    memory = args.memory << 20 if args.memory else preset.memory
    return Limits(args.depth, args.time or preset.seconds, memory)


@contextmanager
def watched(
    search: S,
    args: argparse.Namespace,
    progress: Callable[[S], str],
    save: Callable[[S, Path], None],
) -> Iterator[Callable[[S], None]]:
    """Yields what the search has to call now and then; at its end it is saved once more."""
    shown = saved = time.monotonic()
    watching = sys.stderr.isatty() and not args.quiet

    def keep(search: S) -> None:
        # A checkpoint, if it can be written; the search is worth more, and the old one stays.
        try:
            save(search, args.checkpoint)
        except InputFormatError as error:
            say(f"pfntrack: no checkpoint: {error}")

    def tick(search: S) -> None:
        nonlocal shown, saved
        now = time.monotonic()
        if watching and now - shown > 0.5:
            shown = now
            transient(progress(search))
        if args.checkpoint and now - saved > args.interval:
            keep(search)
            saved = time.monotonic()

    yield tick
    if watching:
        transient()
    if args.checkpoint:
        keep(search)
