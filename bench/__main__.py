"""`python -m bench [NAME...]`: all benchmarks, or those named."""

from __future__ import annotations

import importlib
import sys

NAMES = ("explore", "triage", "audit", "lab")


def main(names: list[str]) -> int:
    """Run benchmarks one after the other; 1 if counts disagreed in one of them."""
    if unknown := set(names) - set(NAMES):
        sys.stderr.write(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}\n")
        return 2
    codes = []
    for name in names or NAMES:
        sys.stdout.write(f"== {name}\n")
        sys.stdout.flush()
        codes.append(importlib.import_module(f"bench.{name}").main())
    return max(codes)


sys.exit(main(sys.argv[1:]))
