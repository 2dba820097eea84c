"""`pfntrack audit watch`: readings after each cycle, recorded or taken now."""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pfntrack.audit import watch
from pfntrack.audit.read.evidence import Evidence
from pfntrack.audit.read.snapshot import SnapshotCollector
from pfntrack.cli.output.write import write_json
from pfntrack.errors import InputFormatError

CYCLES, INTERRUPTED = 5, 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `audit watch`."""
    group = parser.add_argument_group("options of watch")
    group.add_argument(
        "--from",
        dest="recorded",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="recorded snapshots, the first one before the first cycle",
    )
    group.add_argument(
        "--cycle", metavar="CMD", help="shell command of one cycle, such as an unbind and a bind"
    )
    group.add_argument("--interval", type=float, metavar="S", help="or wait S seconds instead")
    group.add_argument(
        "--cycles",
        type=int,
        metavar="N",
        help=f"how many ({CYCLES} with --cycle, else until Ctrl-C)",
    )


def run(args: argparse.Namespace, look: Callable[[], Evidence]) -> int:
    """Watch; `look` reads the machine once. Ctrl-C ends it with what holds so far."""
    if args.cycles is not None and args.cycles < 1:
        raise InputFormatError(f"--cycles {args.cycles}: expected 1 or more")
    if args.interval is not None and not 0 <= args.interval <= 86400:
        raise InputFormatError(f"--interval {args.interval}: expected seconds, at most a day")
    if (args.recorded is not None) + (args.cycle is not None) + (args.interval is not None) != 1:
        raise InputFormatError("watch: expected one of --from DIR..., --cycle CMD, --interval S")
    if args.recorded is not None:
        if len(args.recorded) < 2:
            raise InputFormatError("--from: expected two snapshots or more")
        moments = _recorded(args.recorded)
    else:
        moments = _live(args, look)
    made: watch.Watch | None = None
    interrupted = False
    try:
        for moment in moments:
            made = watch.Watch(moment) if made is None else made.plus(moment)
            if not args.json:
                _show(made)
    except KeyboardInterrupt:
        interrupted = True
    if made is None:
        return INTERRUPTED
    if args.json:
        write_json(watch.as_json(made, interrupted=interrupted))
    else:
        print("\n".join(watch.summary(made, interrupted=interrupted)))
    endless = args.interval is not None and args.cycles is None
    return INTERRUPTED if interrupted and not endless else made.code()


def _show(made: watch.Watch) -> None:
    if made.cycles:
        print("\n".join(watch.cycle_lines(made.cycles[-1])), flush=True)
    else:
        print(f"before the first cycle: {made.baseline.entries} entries", flush=True)


def _recorded(folders: list[Path]) -> Iterator[watch.Moment]:
    for folder in folders:
        evidence = SnapshotCollector(folder).collect()
        _must_list(evidence)
        yield watch.moment(evidence, evidence.name)


def _live(args: argparse.Namespace, look: Callable[[], Evidence]) -> Iterator[watch.Moment]:
    evidence = look()
    _must_list(evidence)
    yield watch.moment(evidence, "now")
    count = args.cycles or (CYCLES if args.cycle is not None else None)
    for _ in range(count) if count is not None else itertools.count():
        status = None
        if args.cycle is not None:
            # The user's own command; its output must not get into ours.
            done = subprocess.run(args.cycle, shell=True, check=False, stdout=sys.stderr)  # noqa: S602
            status = done.returncode
        else:
            time.sleep(args.interval)
        yield watch.moment(look(), time.strftime("%H:%M:%S"), status)


def _must_list(evidence: Evidence) -> None:
    if evidence.readings == 0 and evidence.pat_on is not False:
        raise InputFormatError(f"{evidence.name}: no reservation list: nothing to watch")
