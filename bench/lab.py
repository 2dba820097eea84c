"""Steps per second in a guest: one exchange per step, and many steps per exchange.

Both ways record the same program, and their traces must agree before a time is
printed. `PFNTRACK_BENCH_KERNEL` names the kernel (6.12 without it).
"""

from __future__ import annotations

import os
import sys
import time

from pfntrack.errors import GuestError
from pfntrack.lab.build import boot_files
from pfntrack.lab.compare import differences
from pfntrack.lab.guest import Guest
from pfntrack.lab.kernels import find
from pfntrack.lab.programs import neutral
from pfntrack.lab.qemu import require_tools
from pfntrack.lab.quick import QuickRecorder
from pfntrack.lab.recorder import Recorder
from pfntrack.mm import ops

ROUNDS = 30


def main() -> int:
    """Print the rates and their ratio; 1 if the two ways saw different things."""
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
        began = time.monotonic()
        slow = Recorder(guest).record({"name": "bench", "steps": program})
        middle = time.monotonic()
        guest.restore()
        quick = list(QuickRecorder(guest).play([step["op"] for step in slow["steps"]]))
        end = time.monotonic()
    count = len(quick)
    agree = not list(differences(slow, {**slow, "steps": quick}))
    sys.stdout.write(f"{guest.release}: {count} steps, traces {'agree' if agree else 'DIFFER'}\n")
    one, many = count / (middle - began), count / (end - middle)
    sys.stdout.write(f"one step per exchange   {one:7.0f} steps per second\n")
    sys.stdout.write(f"many steps per exchange {many:7.0f} steps per second ({many / one:.1f}x)\n")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
