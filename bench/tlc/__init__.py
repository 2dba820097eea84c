"""`python -m bench.tlc`: the search of the checker beside TLC, on one model.

`Context.tla` is the tracking by contexts of 7.3 for mmap of every range (two
types), munmap and mprotect of every range, a zap of every range of the file,
fork and exit. Both searches must find the same number of states and of
transitions within the same bounds before any time is shown. Properties are
judged by neither. Times are CPU seconds: ours of one worker with all
evaluations of the model, TLC's with the start of Java, which is printed as
well. TLC keeps fingerprints of 64 bits instead of states.

Needs Java and a jar of TLC (tla2tools.jar), named by --jar or PFNTRACK_TLC.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import attrs

from bench.peers import SIZES, Size, Took, compare, options, run, seconds

MODEL = Path(__file__).with_name("Context.tla")
INVARIANTS = ("TypeOK", "Ordered", "Held")
VARIABLE = "PFNTRACK_TLC"
_JAVA = ("-Xms2g", "-Xmx2g", "-XX:+UseParallelGC", "-Djava.io.tmpdir=.")
# Without processes there is no step: that is no error. The rest makes runs alike.
_RUN = ("-deadlock", "-checkpoint", "0", "-fp", "0", "-metadir", "states")
_COUNTS = re.compile(
    r"^([\d,]+) states generated, ([\d,]+) distinct states found, 0 states left on queue\.$",
    re.MULTILINE,
)


@attrs.frozen
class Tlc:
    """TLC in a jar, with so many workers."""

    jar: Path
    workers: int = 1

    def search(self, size: Size, invariants: Sequence[str] = ()) -> tuple[Took, str]:
        """What a whole search found and took, with the start of Java; and all that it printed."""
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(MODEL, folder)
            Path(folder, "Context.cfg").write_text(config(size, invariants))
            command = ("java", *_JAVA, "-cp", str(self.jar.resolve()), "tlc2.TLC", *_RUN)
            before = seconds(resource.RUSAGE_CHILDREN)
            told = run(folder, *command, "-workers", str(self.workers), MODEL.name)
            used = seconds(resource.RUSAGE_CHILDREN) - before
        states, transitions = counts(told)
        return Took(states, transitions, used), told


def config(size: Size, invariants: Sequence[str] = ()) -> str:
    """The configuration of a search within these bounds, which judges `invariants`."""
    constants = [f"CONSTANT {name} = {number}" for name, number in zip("PNR", size, strict=True)]
    judged = [f"INVARIANT {name}" for name in invariants]
    return "\n".join((*constants, "SPECIFICATION Spec", *judged, ""))


def counts(told: str) -> tuple[int, int]:
    """States and transitions of a search that came to its end.

    TLC counts as generated the first state and the successor of each step, new
    or not, also where a step leaves everything as it is: as we count transitions.
    """
    found = _COUNTS.search(told)
    if found is None or "No error has been found." not in told:
        raise SystemExit(f"TLC's search is not complete:\n{told[-2000:]}")
    generated, distinct = (int(number.replace(",", "")) for number in found.groups())
    return distinct, generated - 1


def version(told: str) -> str:
    """What TLC calls itself."""
    return next((line for line in told.splitlines() if line.startswith("TLC2")), "TLC")


def main(argv: Sequence[str] = ()) -> int:
    """Compare; 1 if the counts differ, 0 with a word without TLC, 2 if the jar is not there."""
    parser = options("tlc", __doc__, "small", "large")
    parser.add_argument("--jar", metavar="PATH", help=f"tla2tools.jar (default: ${VARIABLE})")
    parser.add_argument("--workers", type=int, default=1, help="TLC's threads (default: 1)")
    args = parser.parse_args(argv)
    name = args.jar or os.environ.get(VARIABLE)
    if not name:
        print(f"skipped: no jar of TLC named; use --jar PATH or {VARIABLE}=PATH")
        return 0
    if not Path(name).is_file():
        print(f"{name}: there is no such jar of TLC", file=sys.stderr)
        return 2
    if shutil.which("java") is None:
        print("skipped: java not found; apt-get install default-jre-headless")
        return 0
    tlc = Tlc(Path(name), args.workers)
    start, told = tlc.search((1, 1, 1))
    print(f"{version(told)}\n{start.seconds:.2f} s of each time are Java's and TLC's start")
    return compare(
        "TLC",
        lambda size, _: tlc.search(size)[0],
        SIZES[args.size],
        args.rounds,
        lambda one, other: (one.states, one.transitions) == (other.states, other.transitions),
    )
