"""Steps per second in a guest: one exchange per step, and many steps per exchange.

Rates are given by the clock and by the guest's own CPU time, which does not
depend on what else the machine does. Both ways record the same program, and
their traces must agree before a rate is printed. `PFNTRACK_BENCH_KERNEL` names
the kernel (6.12 without it).
"""

from __future__ import annotations

import os
import sys
import time

from pfntrack.errors import GuestError
from pfntrack.lab.guests.guest import Guest
from pfntrack.lab.guests.qemu import require_tools
from pfntrack.lab.images.build import boot_files
from pfntrack.lab.images.find import find
from pfntrack.lab.play.compare import differences
from pfntrack.lab.play.programs import neutral
from pfntrack.lab.play.quick import QuickRecorder
from pfntrack.lab.play.recorder import Recorder
from pfntrack.mm import ops

ROUNDS = 30


def _say(what: str, by_clock: float, by_cpu: float) -> None:
    sys.stdout.write(
        f"{what:<24}{by_clock:5.0f} steps per second, {by_cpu:5.0f} per second of guest CPU\n"
    )


def main() -> int:
    """Print the rates; 1 if the two ways saw different things."""
    try:
        require_tools()
        files = boot_files(find(os.environ.get("PFNTRACK_BENCH_KERNEL", "6.12")))
    except GuestError as error:
        sys.stdout.write(f"skipped: {error}\n")
        return 0
    steps: list[ops.Op] = [ops.Open("A", 0, "sysfs", "H", wc=True)]
    for _ in range(ROUNDS):
        steps += [ops.Mmap("A", 0, 8, 0), ops.Munmap("A", 0, 8)]
    program = [neutral(op) for op in steps]
    with Guest(files) as guest:
        began, first = time.monotonic(), guest.cpu_seconds
        slow = Recorder(guest).record({"name": "bench", "steps": program})
        middle, second = time.monotonic(), guest.cpu_seconds
        guest.restore()
        # The first pass after a restore translates the guest's code anew.
        for _ in QuickRecorder(guest).play([step["op"] for step in slow["steps"]]):
            pass
        again, third = time.monotonic(), guest.cpu_seconds
        quick = list(QuickRecorder(guest).play([step["op"] for step in slow["steps"]]))
        end, last = time.monotonic(), guest.cpu_seconds
    count = len(quick)
    agree = not list(differences(slow, {**slow, "steps": quick}))
    sys.stdout.write(f"{guest.release}: {count} steps, traces {'agree' if agree else 'DIFFER'}\n")
    _say("one step per exchange", count / (middle - began), count / (second - first))
    _say("many steps per exchange", count / (end - again), count / (last - third))
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
