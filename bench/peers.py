"""What the comparisons with other model checkers share.

Both searches must find the same number of states and of transitions within the
same bounds before any time is shown. Times are CPU seconds, the best of all
rounds; ours are of one worker with all evaluations of the model.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs

from pfntrack.check.search.bounds import Bounds
from pfntrack.check.search.explore import Search
from pfntrack.check.search.setting import Setting
from pfntrack.releases import RELEASES

RELEASE = "7.3"
GROUPS = ("map", "munmap", "protect", "zap", "fork", "exit")
# Processes, physical pages, reservations; the last of `HUGE` has 20 million states.
Size = tuple[int, int, int]
SMALL: tuple[Size, ...] = ((1, 2, 2), (2, 2, 2), (3, 1, 2))
LARGE = (*SMALL, (3, 2, 2))
HUGE = (*LARGE, (4, 2, 2))
SIZES = {"small": SMALL, "large": LARGE, "huge": HUGE}
NEVER: frozenset[str] = frozenset()


@attrs.frozen
class Took:
    """Counts of a search, and its CPU seconds."""

    states: int
    transitions: int
    seconds: float

    @property
    def rate(self) -> float:
        """Transitions per CPU second."""
        return self.transitions / self.seconds


def options(name: str, about: str | None, *sizes: str) -> argparse.ArgumentParser:
    """The options that all comparisons have."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=about)
    parser.add_argument("--size", choices=sizes, default="large")
    parser.add_argument("--rounds", type=int, default=2, help="best of so many (default: 2)")
    return parser


def ours(processes: int, pfns: int, reservations: int) -> Took:
    """The explorer, with one worker."""
    bounds = Bounds(processes, 2, pfns, 2, reservations)
    search = Search(Setting(RELEASES[RELEASE], bounds, GROUPS), NEVER)
    before = seconds(resource.RUSAGE_SELF)
    found = search.run(until=NEVER)
    return Took(found.states, found.transitions, seconds(resource.RUSAGE_SELF) - before)


def compare(
    name: str,
    peer: Callable[[Size, Took], Took],
    sizes: Iterable[Size],
    rounds: int,
    agree: Callable[[Took, Took], bool],
) -> int:
    """Print a table of the explorer beside `peer`; 1 if counts differ.

    `peer` is told what ours found, so that it can choose the size of its tables.
    """
    ours(1, 1, 1)  # loads the compiled search
    print(
        f"P,N,R      states  transitions    ours[s]{f'{name}[s]':>10}"
        f"   ours[M/s]{f'{name}[M/s]':>11}  ratio"
    )
    for size in sizes:
        best: dict[str, Took] = {}
        for _ in range(rounds):
            one = ours(*size)
            other = peer(size, one)
            if not agree(one, other):
                print(f"{size}: the counts differ, no times are shown")
                print(f"  ours {one.states:,} states, {one.transitions:,} transitions")
                print(f"  {name} {other.states:,} states, {other.transitions:,} transitions")
                return 1
            for each, took in (("ours", one), (name, other)):
                if each not in best or took.seconds < best[each].seconds:
                    best[each] = took
        mine, its = best["ours"], best[name]
        print(
            f"{','.join(map(str, size)):<6}{mine.states:>11,} {mine.transitions:>12,} "
            f"{mine.seconds:>10.2f} {its.seconds:>9.2f} {mine.rate / 1e6:>11.3f} "
            f"{its.rate / 1e6:>10.3f} {mine.rate / its.rate:>6.2f}",
            flush=True,
        )
    return 0


def run(folder: str | Path, *command: str) -> str:
    """What a command prints in this folder; the end of it as an error if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def seconds(who: int) -> float:
    """CPU seconds of this process or of its children that have ended."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime
