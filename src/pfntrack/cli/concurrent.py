"""`pfntrack check --concurrent`: every pair of operations behind every small program."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from pfntrack.check.race.search import Concurrent, Coverage, search
from pfntrack.check.search.setting import Setting
from pfntrack.cli.common import write_json, write_scenario
from pfntrack.edges.files import make_folder
from pfntrack.edges.streams import transient
from pfntrack.report.concurrent import concurrent_json, concurrent_text, example_scenario
from pfntrack.scenario import format_scenario

# How long programs before the overlap may be, unless told otherwise.
DEPTH = 1


def run(args: argparse.Namespace, setting: Setting) -> int:
    """Search, print, and write what was found."""
    depth = args.depth or DEPTH
    watching = sys.stderr.isatty() and not args.quiet
    shown = time.monotonic()

    def tick(done: Coverage) -> None:
        nonlocal shown
        if watching and time.monotonic() - shown > 0.5:
            shown = time.monotonic()
            transient(f"{done.states:,} states, {done.pairs:,} pairs, {done.schedules:,} schedules")

    found = search(setting, depth, seconds=args.time, tick=tick)
    if watching:
        transient()
    files = {} if args.no_output else _write(setting, found, args.output)
    if args.json:
        write_json(concurrent_json(setting, depth, found))
    else:
        print(concurrent_text(setting, depth, found, files), end="")
    if found.why == "interrupted":
        return 130
    if found.examples:
        return 1
    return 3 if found.why else 0


def _write(setting: Setting, found: Concurrent, folder: Path) -> dict[str, str]:
    """Write the findings as scenarios; property to file name."""
    files: dict[str, str] = {}
    make_folder(folder)
    for name, example in found.examples.items():
        made = example_scenario(setting, name, example)
        path = folder / f"{made.name}.pfn"
        write_scenario(path, format_scenario(made))
        files[name] = str(path)
    return files
