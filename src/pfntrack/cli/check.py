"""`pfntrack check`: exhaustive search up to bounds."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import attrs

from pfntrack.check import checkpoint, jit
from pfntrack.check.bounds import BASIC, GROUPS, Bounds, parse_bounds, parse_groups
from pfntrack.check.explore import Limits, Search
from pfntrack.check.properties import PROPERTIES
from pfntrack.check.report import Found
from pfntrack.check.run import run_scenario
from pfntrack.check.setting import Setting
from pfntrack.check.text import cost_text, text
from pfntrack.check.trace import scenario
from pfntrack.cli.common import add_html, add_json, add_model, chosen, write_html, write_json
from pfntrack.errors import InputFormatError
from pfntrack.report.json_run import run_json
from pfntrack.scenario import Scenario, format_scenario, parse

HELP = "search all programs within bounds for broken properties"
DESCRIPTION = """\
Search every program of the chosen operations, within bounds, under one kernel
release or tracking design. For each broken property the shortest program that
breaks it is written as a scenario, which `pfntrack run` explains. A property
that does not break holds for the bounds, which are printed, and for no more.

Exit code 1 if a property broke, 3 if none did but the search is inconclusive:
it did not see all states within the bounds, or an operation never had an effect.
"""


@attrs.frozen
class Preset:
    """Bounds and operations under one name."""

    bounds: Bounds
    groups: tuple[str, ...] = BASIC


PRESETS = {
    "quick": Preset(Bounds(2, 2, 2, 1, 2)),
    "default": Preset(Bounds(2, 2, 2, 2, 2)),
    "deep": Preset(
        Bounds(2, 3, 2, 3, 3), (*BASIC, "private", "write", "move", "forkfail", "ioremap")
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_model(parser)
    parser.add_argument(
        "--property",
        dest="properties",
        metavar="LIST",
        help=f"properties to check, separated by commas (default: all of {', '.join(PROPERTIES)})",
    )
    search = parser.add_argument_group("what is searched")
    search.add_argument(
        "--preset",
        choices=PRESETS,
        default="default",
        help="bounds and operations: quick takes seconds, deep hours (default: default)",
    )
    search.add_argument(
        "--bounds",
        metavar="P,V,N,K,R",
        help="at most P processes, V virtual pages each, N physical pages, K VMAs each, "
        "R reservations; numbers left out are those of the preset",
    )
    search.add_argument(
        "--ops",
        metavar="LIST",
        help=f"operations to use, separated by commas, or all: {', '.join(GROUPS)}",
    )
    search.add_argument(
        "--symmetry",
        action="store_true",
        help="treat processes as interchangeable (up to 3); taken back where that is not sound",
    )
    limits = parser.add_argument_group("how long")
    limits.add_argument("--depth", type=_positive, metavar="N", help="programs of up to N steps")
    limits.add_argument("--time", type=_positive, metavar="SECONDS", help="give up after that")
    limits.add_argument("--memory", type=_positive, metavar="MIB", help="give up beyond that")
    limits.add_argument("--all", action="store_true", help="search on when everything has broken")
    limits.add_argument(
        "--workers", type=_positive, default=2, metavar="N", help="threads (default: 2)"
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
    add_json(parser)
    add_html(parser)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    setting, watched = _setting(args), _watched(args.properties)
    if args.symmetry and setting.bounds.processes > 3:
        raise InputFormatError("--symmetry is sound for up to 3 processes")
    if not args.quiet and not jit.is_cached():
        _say("compiling the search kernel; this is done once and takes about a minute")
    search = Search(setting, watched, workers=args.workers, symmetric=args.symmetry)
    found = _search(search, args)
    if search.progress.unequal and found.why != "interrupted":
        _say("processes are not interchangeable here; searching again without symmetry")
        search = Search(setting, watched, workers=args.workers)
        found = _search(search, args)
    shown = args.json or args.html
    examples = {} if args.no_output and not shown else _examples(search, found)
    files = {} if args.no_output else _write(examples, args.output)
    document = _json(setting, found, watched, files, examples) if shown else {}
    write_html(args.html, "check", document)
    if args.json:
        write_json(document)
    else:
        print(text(setting, found, watched, files), end="")
    if found.cost and not args.quiet:
        _say(cost_text(found.cost, found.states))
    if found.why == "interrupted":
        return 130
    if found.counterexamples:
        return 1
    return 3 if found.idle or not found.complete else 0


def _positive(word: str) -> int:
    number = int(word)
    if number <= 0:
        raise argparse.ArgumentTypeError("must be positive")
    return number


def _setting(args: argparse.Namespace) -> Setting:
    preset = PRESETS[args.preset]
    bounds = parse_bounds(args.bounds, preset.bounds) if args.bounds else preset.bounds
    groups = parse_groups(args.ops) if args.ops else preset.groups
    return Setting(chosen(args), bounds, groups)


def _watched(names: str | None) -> frozenset[str]:
    if names is None:
        return frozenset(PROPERTIES)
    wanted = frozenset(name.strip() for name in names.split(","))
    if unknown := sorted(wanted - PROPERTIES.keys()):
        known = ", ".join(PROPERTIES)
        raise InputFormatError(f"property {unknown[0]!r} is not known; there are {known}")
    return wanted


def _search(search: Search, args: argparse.Namespace) -> Found:
    """Search with limits, progress, checkpoints, and an ear for Ctrl-C."""
    if args.resume:
        checkpoint.resume(search, args.resume)
    limits = Limits(args.depth, args.time, args.memory << 20 if args.memory else None)
    shown = saved = time.monotonic()
    watching = sys.stderr.isatty() and not args.quiet

    def tick(search: Search) -> None:
        nonlocal shown, saved
        now = time.monotonic()
        if watching and now - shown > 0.5:
            shown = now
            print(f"\r{_progress(search)}\033[K", end="", file=sys.stderr, flush=True)
        if args.checkpoint and now - saved > args.interval:
            checkpoint.save(search, args.checkpoint)
            saved = time.monotonic()

    with _interruptible(search):
        found = search.run(limits, until=frozenset() if args.all else None, tick=tick)
    if watching:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    if args.checkpoint:
        checkpoint.save(search, args.checkpoint)
    return found


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
    for name, made in examples.items():
        path = folder / f"{made.name}.pfn"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(format_scenario(made), "utf-8")
        except OSError as error:
            raise InputFormatError(f"{path}: {error.strerror or error}") from None
        files[name] = str(path)
    return files


def _json(
    setting: Setting,
    found: Found,
    watched: frozenset[str],
    files: dict[str, str],
    examples: dict[str, Scenario],
) -> dict[str, object]:
    bounds = setting.bounds
    texts = {name: format_scenario(example) for name, example in examples.items()}
    return {
        "schema": "pfntrack.check/1",
        "release": setting.release.name,
        "design": setting.release.design.name,
        "bounds": {
            "text": str(bounds),
            **attrs.asdict(bounds, filter=lambda field, _: field.name != "types"),
            "types": [kind.short for kind in bounds.types],
        },
        "operations": list(setting.ordered),
        "complete": found.complete,
        "why": found.why or None,
        "states": found.states,
        "transitions": found.transitions,
        "cut": found.cut,
        "depth": found.depth,
        "coverage": {group: attrs.asdict(each) for group, each in found.coverage.items()},
        "idle": found.idle,
        "properties": {
            name: {"broken_after": found.verdicts.get(name), "counterexample": files.get(name)}
            for name in PROPERTIES
            if name in watched
        },
        "cost": attrs.asdict(found.cost) if found.cost else None,
        "runs": {
            name: run_json(run_scenario(parse(texts[name]), setting.release))
            for name in PROPERTIES
            if name in texts
        },
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr)
