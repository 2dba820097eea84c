"""`python -m bench.audit`: the audit of a large synthetic machine.

A snapshot with many reservations and mappings is written, then audited as the
command does it, beside a sorted merge of the same ranges with their owners in
NumPy: the least that any answer costs, reading and writing left out. Counts are
checked before a time is printed. Sizes that double show whether the time grows faster than they do.
"""

from __future__ import annotations

import argparse
import gc
import io
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from pfntrack.audit import report_json
from pfntrack.audit.judged.checks import audit
from pfntrack.audit.judged.owners import Standing
from pfntrack.audit.read.snapshot import SnapshotCollector

T = TypeVar("T")
BASE, STEP = 1 << 40, 0x4000
VMAS_PER_PROCESS = 200
_SMAPS = """\
{0:x}-{1:x} rw-s {2:x} 00:05 3                          /dev/mem
Size:                 16 kB
KernelPageSize:        4 kB
Rss:                   0 kB
Anonymous:             0 kB
VmFlags: rd wr sh mr mw me ms pf io de ar dd sd
"""


def write(folder: Path, reservations: int, vmas: int, areas: int) -> None:
    """The first `vmas` reservations are mapped, the next `areas` ioremapped, the rest stale."""
    starts = range(BASE, BASE + reservations * STEP, STEP)
    rows = "".join(f"PAT: [mem 0x{s:016x}-0x{s + STEP:016x}] uncached-minus\n" for s in starts)
    listing = "PAT memtype list:\n" + rows
    (folder / "version").write_text("Linux version 6.12.117 (bench) #1 SMP\n")
    (folder / "iomem").write_text(f"{BASE:x}-{BASE + reservations * STEP - 1:x} : PCI Bus\n")
    (folder / "dmesg").write_text("")
    (folder / "mtrr").write_text("")
    (folder / "pat_memtype_list.before").write_text(listing)
    (folder / "pat_memtype_list").write_text(listing)
    (folder / "vmallocinfo").write_text(
        "".join(
            f"0x0000000011a8510e-0x00000000e0d5a480 {STEP + 4096:7} driver_map+0x68/0xc0 "
            f"phys=0x{s:016x} ioremap\n"
            for s in starts[vmas : vmas + areas]
        )
    )
    for first in range(0, vmas, VMAS_PER_PROCESS):
        pid = 1000 + first // VMAS_PER_PROCESS
        path = folder / "pid" / str(pid)
        path.mkdir(parents=True)
        path.joinpath("status").write_text(f"Name:\tworker\nTgid:\t{pid}\nPid:\t{pid}\nPPid:\t1\n")
        blocks = []
        for number in range(first, min(first + VMAS_PER_PROCESS, vmas)):
            at = 0x7F0000000000 + number * STEP
            blocks.append(_SMAPS.format(at, at + STEP, starts[number]))
        path.joinpath("smaps.pfnmap").write_text("".join(blocks))


def merge(reservations: int, vmas: int, areas: int) -> int:
    """Join sorted ranges with sorted owners in NumPy; the number without an owner."""
    starts = np.arange(BASE, BASE + reservations * STEP, STEP, dtype=np.int64)
    order = np.random.default_rng(1).permutation(vmas + areas)
    owners = starts[: vmas + areas][order]
    held = np.sort(owners)
    rows = np.sort(starts)
    at = np.searchsorted(held, rows)
    at[at == len(held)] = 0
    return int(np.count_nonzero((held[at] != rows) | (held[at] + STEP != rows + STEP)))


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """The value and the seconds it took."""
    begun = time.perf_counter()
    value = call()
    return value, time.perf_counter() - begun


def one(reservations: int, vmas: int) -> None:
    """Measure one size and print a row."""
    areas = (reservations - vmas) // 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, reservations, vmas, areas)
        unowned, floor = timed(lambda: merge(reservations, vmas, areas))
        gc.disable()
        begun = time.process_time()
        evidence, reading = timed(SnapshotCollector(folder).collect)
        result, judging = timed(lambda: audit(evidence))
        out = io.StringIO()
        _, writing = timed(lambda: out.writelines(report_json.write(result)))
        gc.enable()
        busy = time.process_time() - begun
    standings = [held.standing for held in result.owners.holdings]
    seen = standings.count(Standing.SUSPECTED)
    if (len(standings), seen) != (reservations, unowned):
        sys.exit(f"wrong answer: {seen} without owner of {len(standings)}, not {unowned}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    total = reading + judging + writing
    print(
        f"{reservations:>12} {vmas:>7} {floor:>9.2f} {reading:>7.2f} {judging:>7.2f} "
        f"{writing:>7.2f} {total:>7.2f} {busy:>7.2f} {total / floor:>6.1f} {peak:>9}"
    )


def main(argv: Sequence[str] = ()) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.audit", description=__doc__)
    parser.add_argument("--reservations", type=int, default=1_000_000)
    parser.add_argument("--vmas", type=int, default=100_000)
    args = parser.parse_args(argv)
    print(
        "reservations    vmas  merge[s] read[s] judge[s] json[s] total[s]  cpu[s] ratio peak[MiB]"
    )
    for part in (4, 2, 1):
        one(args.reservations // part, args.vmas // part)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
