"""`python -m bench.spin`: the search of the checker beside SPIN, on one model.

`context.pml` is the tracking by contexts of 7.3 for mmap of every range (two
types), munmap and mprotect of every range, a zap of every range of the file,
fork and exit. Both searches must find the same number of states and of
transitions within the same bounds before any time is shown. Properties are
judged by neither. Times are CPU seconds: ours of one worker with all
evaluations of the model, SPIN's without generating and compiling its search.

Needs the Debian packages `spin` and `gcc`.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import attrs

from pfntrack.check.bounds import Bounds
from pfntrack.check.explore import Search
from pfntrack.check.setting import Setting
from pfntrack.releases import RELEASES

MODEL = Path(__file__).with_name("context.pml")
GROUPS = ("map", "munmap", "protect", "zap", "fork", "exit")
# Processes, physical pages, reservations; the last of `HUGE` has 20 million states.
SMALL = ((1, 2, 2), (2, 2, 2), (3, 1, 2))
LARGE = (*SMALL, (3, 2, 2))
HUGE = (*LARGE, (4, 2, 2))
NEVER: frozenset[str] = frozenset()
# A search by depth goes as deep as there are states.
_COMPILE = ("-O3", "-DSAFETY", "-DNOREDUCE", "-DNOFAIR", "-DMEMLIM=16000")
_RUN = ("-E", "-m40000000")


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


def ours(processes: int, pfns: int, reservations: int) -> Took:
    """The explorer, with one worker."""
    bounds = Bounds(processes, 2, pfns, 2, reservations)
    search = Search(Setting(RELEASES["7.3"], bounds, GROUPS), NEVER)
    before = _seconds(resource.RUSAGE_SELF)
    found = search.run(until=NEVER)
    return Took(found.states, found.transitions, _seconds(resource.RUSAGE_SELF) - before)


def spin(processes: int, pfns: int, reservations: int, hash_bits: int) -> Took:
    """SPIN's generated search by depth, exact, with a table of `2**hash_bits` places."""
    defined = (f"-DP={processes}", f"-DN={pfns}", f"-DR={reservations}")
    with tempfile.TemporaryDirectory() as folder:
        _run(folder, "spin", *defined, "-a", str(MODEL))
        _run(folder, "gcc", *_COMPILE, "-o", "pan", "pan.c")
        before = _seconds(resource.RUSAGE_CHILDREN)
        told = _run(folder, "./pan", *_RUN, f"-w{hash_bits}")
        seconds = _seconds(resource.RUSAGE_CHILDREN) - before
    if "errors: 0" not in told or "max search depth too small" in told:
        raise SystemExit(f"SPIN's search is not complete:\n{told}")
    stored, steps = (
        int(float(re.search(rf"([\d.e+]+) {word}", told)[1]))  # type: ignore[index]
        for word in ("states, stored", "transitions")
    )
    # It counts the first state as one that was met.
    return Took(stored, steps - 1, seconds)


def _agree(one: Took, spin: Took) -> bool:
    """Are the counts equal, as far as SPIN prints them: to eight digits?"""
    pairs = ((one.states, spin.states), (one.transitions + 1, spin.transitions + 1))
    return all(f"{mine:.8g}" == f"{its:.8g}" for mine, its in pairs)


def _run(folder: str, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def _seconds(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def main(argv: Sequence[str] = ()) -> int:
    """Compare; 1 if the counts differ, 0 with a word if SPIN is not there."""
    parser = argparse.ArgumentParser(prog="python -m bench.spin", description=__doc__)
    parser.add_argument("--size", choices=("small", "large", "huge"), default="large")
    parser.add_argument("--rounds", type=int, default=2, help="best of so many (default: 2)")
    args = parser.parse_args(argv)
    if missing := [name for name in ("spin", "gcc") if shutil.which(name) is None]:
        print(f"skipped: {' and '.join(missing)} not found; apt-get install spin gcc")
        return 0
    ours(1, 1, 1)  # loads the compiled search
    print("P,N,R      states  transitions    ours[s]   SPIN[s]   ours[M/s]  SPIN[M/s]  ratio")
    for bounds in {"small": SMALL, "large": LARGE, "huge": HUGE}[args.size]:
        best: dict[str, Took] = {}
        for _ in range(args.rounds):
            one = ours(*bounds)
            bits = min(30, max(20, one.states.bit_length()))
            other = spin(*bounds, bits)
            if not _agree(one, other):
                print(f"{bounds}: the counts differ, no times are shown")
                print(f"  ours {one.states:,} states, {one.transitions:,} transitions")
                print(f"  SPIN {other.states:,} states, {other.transitions:,} transitions")
                return 1
            for name, took in (("ours", one), ("SPIN", other)):
                if name not in best or took.seconds < best[name].seconds:
                    best[name] = took
        mine, its = best["ours"], best["SPIN"]
        print(
            f"{','.join(map(str, bounds)):<6}{mine.states:>11,} {mine.transitions:>12,} "
            f"{mine.seconds:>10.2f} {its.seconds:>9.2f} {mine.rate / 1e6:>11.2f} "
            f"{its.rate / 1e6:>10.2f} {mine.rate / its.rate:>6.2f}",
            flush=True,
        )
    return 0
