"""Throughput of the triage on an ordinary kernel log, beside `grep -c x86/PAT` in the same run.

    python -m bench triage [MIB]

Prints both rates and their ratio. Counts are checked before times are printed. Never a test.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pfntrack.field.triage import triage

CONFLICT = (
    "[{:5d}.411303] x86/PAT: CPU 0/KVM:1 conflicting memory types "
    "fe00000000-ff00000000 write-combining<->uncached-minus\n"
)
NOISE = (
    "[{:5d}.000001] usb 1-{}: new high-speed USB device number {} using xhci_hcd\n",
    "Oct 22 17:43:53 host systemd[1]: Started Session {} of user root, number {} of {}.\n",
    '[{:5d}.100000] audit: type=1400 audit(1359675145.467:{}): apparmor="STATUS" pid={}\n',
    "[{:5d}.200000] EXT4-fs (sda{}): mounted filesystem with ordered data mode, {}\n",
)


def _log(path: Path, size: int) -> int:
    """Write a log of `size` bytes; how many messages of interest are in it."""
    lines = "".join(NOISE[n % 4].format(n % 90_000, n % 7, n % 99) for n in range(20_000))
    hits = 0
    with path.open("w") as out:
        written = 0
        while written < size:
            written += out.write(lines)
            written += out.write(CONFLICT.format(hits))
            hits += 1
    return hits


def main(mib: int = 256) -> int:
    """Write the log, run both, compare."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.log"
        hits = _log(path, mib << 20)
        size = path.stat().st_size / 1e6
        path.read_bytes()
        begun = time.perf_counter()
        counted = int(
            subprocess.run(
                ["grep", "-c", "x86/PAT", str(path)], capture_output=True, check=True
            ).stdout
        )
        grep = time.perf_counter() - begun
        begun = time.perf_counter()
        with path.open("rb") as stream:
            result = triage(stream)
        ours = time.perf_counter() - begun
        found = sum(fact.count for fact in result.findings[0].facts)
        if not counted == hits == found:
            sys.stderr.write(f"counts differ: written {hits}, grep {counted}, triage {found}\n")
            return 1
        sys.stdout.write(
            f"{size:.0f} MB, {hits} messages: grep -c {size / grep:.0f} MB/s, triage "
            f"{size / ours:.0f} MB/s, "
            f"ratio {ours / grep:.1f}\n"
        )
    return 0
