"""`pfntrack check`: exhaustive search up to bounds."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.numbers import jit
from pfntrack.check.report import Found
from pfntrack.check.search import checkpoint
from pfntrack.check.search.explore import Search
from pfntrack.check.search.setting import Setting
from pfntrack.check.search.trace import scenario
from pfntrack.check.text import cost_text, text
from pfntrack.cli.output.write import add_html, say, write_html, write_json, write_scenario
from pfntrack.cli.search import concurrent, watch
from pfntrack.cli.words.chosen import add_model, chosen
from pfntrack.cli.words.searched import (
    add_search,
    positive,
    properties_of,
    search_setting,
)
from pfntrack.edges.files import make_folder
from pfntrack.errors import InputFormatError
from pfntrack.report.searches.cases import junit, ktap
from pfntrack.report.searches.check import cases, check_json
from pfntrack.scenario import Scenario, format_scenario

DESCRIPTION = """\
Search every program of the chosen operations, within bounds, under one kernel
release or tracking design. For each broken property the shortest program that
breaks it is written as a scenario, which `pfntrack run` explains. A property
that does not break holds for the bounds, which are printed, and for no more.

Exit code 1 if a property broke, 3 if none did but the search is inconclusive:
it did not see all states within the bounds, or an operation never had an effect.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_model(parser)
    parser.add_argument(
        "--property",
        dest="properties",
        metavar="LIST",
        help=f"properties to check, separated by commas (default: all of {', '.join(PROPERTIES)})",
    )
    search = add_search(parser)
    search.add_argument(
        "--symmetry",
        action="store_true",
        help="treat processes as interchangeable (up to 3); taken back where that is not sound",
    )
    search.add_argument(
        "--concurrent",
        action="store_true",
        help="behind every program of up to --depth operations (default: 1), let every pair of "
        "operations overlap, in all schedules; one thread",
    )
    limits = parser.add_argument_group("how long")
    limits.add_argument("--depth", type=positive, metavar="N", help="programs of up to N steps")
    limits.add_argument("--time", type=positive, metavar="SECONDS", help="give up after that")
    limits.add_argument("--memory", type=positive, metavar="MIB", help="give up beyond that")
    limits.add_argument("--all", action="store_true", help="search on when everything has broken")
    limits.add_argument(
        "--workers", type=positive, default=2, metavar="N", help="threads (default: 2)"
    )
    limits.add_argument(
        "--hash-only",
        action="store_true",
        help="keep a 63-bit hash of each state, not the state: less memory for 3 processes and "
        "more; the result says how probable it is that a state was passed over",
    )
    saving = parser.add_argument_group("checkpoints")
    saving.add_argument("--checkpoint", type=Path, metavar="FILE", help="save the search here")
    saving.add_argument(
        "--interval",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="time between checkpoints (default: 60)",
    )
    saving.add_argument("--resume", type=Path, metavar="FILE", help="go on from a checkpoint")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where counterexamples are written (default: here)",
    )
    parser.add_argument("--no-output", action="store_true", help="write no counterexamples")
    parser.add_argument("--quiet", action="store_true", help="no progress, no cost")
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--json", action="store_true", help="JSON instead of text (see `pfntrack schema`)"
    )
    form.add_argument("--ktap", action="store_true", help="KTAP: one test per property")
    form.add_argument("--junit", action="store_true", help="JUnit XML: one test per property")
    add_html(parser)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    setting, watched = search_setting(args, chosen(args)), properties_of(args.properties)
    if args.concurrent:
        forms = args.html or args.ktap or args.junit
        if args.symmetry or args.hash_only or args.all or args.properties or forms:
            raise InputFormatError(
                "--concurrent takes bounds, operations, limits and checkpoints, and ends in "
                "text or --json"
            )
        return concurrent.run(args, setting)
    if args.symmetry and setting.bounds.processes > 3:
        raise InputFormatError("--symmetry is sound for up to 3 processes")
    if not args.quiet and not jit.is_cached():
        say("compiling the search kernel; this is done once and takes about a minute")
    kept = {"workers": args.workers, "hashed": args.hash_only}
    with checkpoint.owned(args.checkpoint) if args.checkpoint else nullcontext():
        search, found = _searched(setting, watched, args, kept)
    shown = args.json or args.html
    examples = {} if args.no_output and not shown else _examples(search, found)
    files = {} if args.no_output else _write(examples, args.output)
    document = check_json(setting, found, watched, files, examples) if shown else {}
    write_html(args.html, "check", document)
    if args.json:
        write_json(document)
    elif args.ktap or args.junit:
        if note := setting.release.note:
            say(f"pfntrack: {note}")
        tests = cases(setting, found, watched)
        print(ktap(tests) if args.ktap else junit(f"check {setting.release.title}", tests), end="")
    else:
        print(text(setting, found, watched, files), end="")
    if found.cost and not args.quiet:
        say(cost_text(found.cost, found.states))
    if found.why == "interrupted":
        return 130
    if found.counterexamples:
        return 1
    return 3 if found.idle or not found.complete else 0


def _searched(
    setting: Setting, watched: frozenset[str], args: argparse.Namespace, kept: dict[str, Any]
) -> tuple[Search, Found]:
    """The search, without symmetry where there is none, and what it found."""
    symmetric = args.symmetry
    if symmetric and args.resume and checkpoint.without_symmetry(args.resume):
        say("the checkpoint is of the search without symmetry; going on with that")
        symmetric = False
    search = Search(setting, watched, symmetric=symmetric, **kept)
    if args.resume:
        checkpoint.resume(search, args.resume)
    found = _search(search, args)
    if search.progress.unequal and found.why != "interrupted":
        say("processes are not interchangeable here; searching again without symmetry")
        search = Search(setting, watched, **kept)
        found = _search(search, args)
    return search, found


def _search(search: Search, args: argparse.Namespace) -> Found:
    """Search with limits, progress, checkpoints, and an ear for Ctrl-C."""
    until: frozenset[str] | None = frozenset() if args.all else None
    saved = watch.watched(search, args, _progress, checkpoint.save)
    with saved as tick, _interruptible(search):
        return search.run(watch.limits(args), until=until, tick=tick)


def _progress(search: Search) -> str:
    at = search.progress
    return (
        f"step {at.depth}: {at.next:,} of {search.states.count:,} states, "
        f"{sum(at.tried):,} transitions, {search.filling.tables.evaluations:,} evaluations, "
        f"{at.seconds:.0f} s, {search.bytes >> 20} MiB"
    )


@contextmanager
def _interruptible(search: Search) -> Iterator[None]:
    """The first Ctrl-C ends the search in good order, the second at once."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        if search.interrupted:
            raise KeyboardInterrupt
        search.interrupted = True

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _examples(search: Search, found: Found) -> dict[str, Scenario]:
    """The counterexamples as scenarios, by property."""
    tables = search.filling.tables if search.symmetric else None
    return {
        name: scenario(search.setting, example, tables)
        for name, example in found.counterexamples.items()
    }


def _write(examples: dict[str, Scenario], folder: Path) -> dict[str, str]:
    """Write the counterexamples; property to file name."""
    files = {}
    make_folder(folder)
    for name, made in examples.items():
        path = folder / f"{made.name}.pfn"
        write_scenario(path, format_scenario(made))
        files[name] = str(path)
    return files
