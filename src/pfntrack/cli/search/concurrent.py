"""`pfntrack check --concurrent`: every pair of operations behind every small program."""

from __future__ import annotations

import argparse
import time
from contextlib import nullcontext
from pathlib import Path

from pfntrack.check.race import checkpoint
from pfntrack.check.race.search import Concurrent, Search
from pfntrack.check.search.checkpoint import owned
from pfntrack.check.search.setting import Setting
from pfntrack.cli.output.write import write_json, write_scenario
from pfntrack.cli.search import watch
from pfntrack.edges.files import make_folder
from pfntrack.report.searches.concurrent import concurrent_json, concurrent_text, example_scenario
from pfntrack.scenario import format_scenario

# How long programs before the overlap may be, unless told otherwise.
DEPTH = 1


def run(args: argparse.Namespace, setting: Setting) -> int:
    """Search, print, and write what was found."""
    depth = args.depth or DEPTH
    search = Search(setting, depth)
    if args.resume:
        checkpoint.resume(search, args.resume)
    with owned(args.checkpoint) if args.checkpoint else nullcontext():
        found = _searched(search, args)
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


def _searched(search: Search, args: argparse.Namespace) -> Concurrent:
    """Search with limits, progress and checkpoints."""
    begun, enough = time.monotonic(), watch.limits(args)

    def progress(search: Search) -> str:
        done = search.progress.coverage
        return (
            f"programs of {search.program}: {done.states:,} states, {done.pairs:,} pairs, "
            f"{done.schedules:,} schedules, {time.monotonic() - begun:.0f} s"
        )

    with watch.watched(search, args, progress, checkpoint.save) as tick:
        return search.run(seconds=enough.seconds, memory=enough.memory, tick=tick)


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
