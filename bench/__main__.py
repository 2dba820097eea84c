"""`python -m bench [NAME...]`: all benchmarks, or those named."""

from __future__ import annotations

import argparse
import importlib
import sys

NAMES = {
    "explore": "the searches of the checker against each other, one worker and two",
    "spin": "the checker against SPIN on one model (Debian packages spin and gcc)",
    "tlc": "the checker against TLC on one model (PFNTRACK_TLC names tla2tools.jar)",
    "triage": "the triage of a log against grep",
    "audit": "the audit of large machines against a sorted merge in NumPy",
    "startup": "--help and a small run against `python -c pass`",
    "lab": "steps per second in a guest (QEMU)",
}


def main(argv: list[str]) -> int:
    """Run benchmarks one after the other; 1 if counts disagreed in one of them."""
    known = "\n".join(f"  {name:<9} {about}" for name, about in NAMES.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Benchmarks: counts are compared before a time is printed.",
        epilog=f"benchmarks:\n{known}\n\n`python -m bench.NAME --help` where one has options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="all without")
    names = parser.parse_args(argv).names
    if unknown := set(names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    codes = []
    for name in names or NAMES:
        sys.stdout.write(f"== {name}\n")
        sys.stdout.flush()
        codes.append(importlib.import_module(f"bench.{name}").main())
    return max(codes)


sys.exit(main(sys.argv[1:]))
