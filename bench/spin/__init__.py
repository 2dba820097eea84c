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

import re
import resource
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.peers import SIZES, Size, Took, compare, options, run, seconds

MODEL = Path(__file__).with_name("context.pml")
_COMPILE = ("-O3", "-DSAFETY", "-DNOREDUCE", "-DNOFAIR", "-DMEMLIM=16000")


def spin(size: Size, one: Took) -> Took:
    """SPIN's generated search by depth, exact, with a table for the states that we found."""
    defined = [f"-D{name}={number}" for name, number in zip("PNR", size, strict=True)]
    # A search by depth goes at most as deep as there are states.
    deepest = one.states + 10_000
    hash_bits = min(30, max(20, one.states.bit_length()))
    with tempfile.TemporaryDirectory() as folder:
        run(folder, "spin", *defined, "-a", str(MODEL))
        run(folder, "gcc", *_COMPILE, "-o", "pan", "pan.c")
        before = seconds(resource.RUSAGE_CHILDREN)
        told = run(folder, "./pan", "-E", f"-m{deepest}", f"-w{hash_bits}")
        used = seconds(resource.RUSAGE_CHILDREN) - before
    if "errors: 0" not in told or "max search depth too small" in told:
        raise SystemExit(f"SPIN's search is not complete:\n{told}")
    stored, steps = (
        int(float(re.search(rf"([\d.e+]+) {word}", told)[1]))  # type: ignore[index]
        for word in ("states, stored", "transitions")
    )
    # It counts the first state as one that was met.
    return Took(stored, steps - 1, used)


def agree(one: Took, spin: Took) -> bool:
    """Are the counts equal, as far as SPIN prints them: to eight digits?"""
    pairs = ((one.states, spin.states), (one.transitions + 1, spin.transitions + 1))
    return all(f"{mine:.8g}" == f"{its:.8g}" for mine, its in pairs)


def main(argv: Sequence[str] = ()) -> int:
    """Compare; 1 if the counts differ, 0 with a word if SPIN is not there."""
    args = options("spin", __doc__, *SIZES).parse_args(argv)
    if missing := [name for name in ("spin", "gcc") if shutil.which(name) is None]:
        print(f"skipped: {' and '.join(missing)} not found; apt-get install spin gcc")
        return 0
    return compare("SPIN", spin, SIZES[args.size], args.rounds, agree)
