"""`python -m bench.startup`: how long a command takes to be ready, against Python itself.

All commands are run in turn, many times, so that a busy machine slows all of them; each
time is the best of its rounds. Compiled files are written to a folder of this run and
warmed first, as they are where the package is installed. Exit code 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time

PYTHON = "python -c pass"
# Command, and at most so many times the time of Python.
BARS = {
    "pfntrack --help": 5,
    "pfntrack --version": 5,
    "pfntrack rnu": 5,
    "pfntrack run truncate-middle": 25,
    "pfntrack scenarios list": 25,
}


def seconds(words: list[str], env: dict[str, str]) -> float:
    """Wall time of one process."""
    before = time.perf_counter()
    subprocess.run(words, env=env, capture_output=True, check=False)
    return time.perf_counter() - before


def main(rounds: int = 15) -> int:
    """Print a table; 1 if a bar is missed."""
    commands = {PYTHON: [sys.executable, "-c", "pass"]} | {
        name: [sys.executable, "-m", *name.split()] for name in BARS
    }
    with tempfile.TemporaryDirectory() as folder:
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env |= {"PYTHONPYCACHEPREFIX": folder, "XDG_CACHE_HOME": folder}
        for words in commands.values():
            seconds(words, env)
        took: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, words in commands.items():
                took[name].append(seconds(words, env))
    best = {name: min(times) for name, times in took.items()}
    print(f"{'command':<30}{'ms':>8}{'times':>8}{'bar':>6}")
    missed = 0
    for name, least in best.items():
        ratio, bar = least / best[PYTHON], BARS.get(name)
        missed += bar is not None and ratio > bar
        print(f"{name:<30}{least * 1e3:>8.1f}{ratio:>8.1f}{bar if bar else '':>6}")
    return 1 if missed else 0


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m bench.startup", description=__doc__)
    options.add_argument("--rounds", type=int, default=15, help="best of so many (default: 15)")
    sys.exit(main(options.parse_args().rounds))
