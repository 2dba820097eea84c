"""Feed mutated logs to the triage and stop at the first traceback or slow input.

    python tests/field/mutate.py [COUNT] [SEED]

Prints one line of counts. A development aid: it checks robustness, not answers.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

from pfntrack.field.report_json import as_json
from pfntrack.field.report_text import as_mail, as_text
from pfntrack.field.triage import triage_text

LOGS = Path(__file__).parent / "logs"
SPLICE = (
    "\x1b[2J",
    "\x00",
    "\u2026",
    "<pid>",
    "-",
    ":",
    "[mem 0x",
    "0x",
    "f" * 17,
    "\r",
    "\n",
    "> ",
    "  ",
    "]",
    "<->",
    "x86/PAT: ",
    "WARNING: ",
    "[    1.000000] ",
    "\u202e",
    "9" * 40,
    "=\n",
)
LIMIT = 2.0


def mutate(text: str, pool: list[str], rng: random.Random) -> str:
    """One to four random edits: cut, double, swap, splice, damage, join with another log."""
    for _ in range(rng.randint(1, 4)):
        at, to = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
        kind = rng.randrange(7)
        if kind == 0:
            text = text[:at] + text[to:]
        elif kind == 1:
            text = text[:to] + text[at:to][:200] + text[to:]
        elif kind == 2:
            text = text[:at] + rng.choice(SPLICE) + text[at:]
        elif kind == 3 and text:
            text = text[:at] + chr(rng.randrange(0x2FF)) + text[at + 1 :]
        elif kind == 4:
            lines = text.split("\n")
            rng.shuffle(lines)
            text = "\n".join(lines)
        elif kind == 5:
            text = text[:at] + rng.choice(pool)[: rng.randint(0, 400)] + text[at:]
        else:
            digits = [i for i, c in enumerate(text) if c in "0123456789abcdef"]
            for i in rng.sample(digits, min(len(digits), 4)):
                text = text[:i] + rng.choice("0123456789abcdefx") + text[i + 1 :]
    return text


def check(text: str) -> float:
    """Every form of report for one text; returns the seconds it took."""
    begun = time.perf_counter()
    result = triage_text(text)
    reports = as_text(result) + as_mail(result)
    json.dumps(as_json(result))
    bad = [c for c in reports if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0]
    if bad:
        raise AssertionError(f"control characters in the report: {bad!r}")
    return time.perf_counter() - begun


def main(count: int, seed: int) -> int:
    """Run `count` mutations; the seed makes a failure repeatable."""
    rng = random.Random(seed)
    pool = [path.read_text() for path in sorted(LOGS.glob("*.txt"))]
    slowest, begun = 0.0, time.perf_counter()
    for number in range(count):
        text = mutate(rng.choice(pool)[:6000], pool, rng)
        try:
            took = check(text)
        except Exception:
            sys.stderr.write(f"mutation {number} of seed {seed} failed on:\n{text!r}\n")
            raise
        slowest = max(slowest, took)
        if took > LIMIT:
            sys.stderr.write(f"mutation {number} of seed {seed} took {took:.1f} s\n")
            return 1
    total = time.perf_counter() - begun
    sys.stdout.write(
        f"{count} mutations, seed {seed}: no failure, slowest {slowest:.3f} s, {total:.0f} s "
        f"in all\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(
        main(
            int(sys.argv[1]) if len(sys.argv) > 1 else 100_000,
            int(sys.argv[2]) if len(sys.argv) > 2 else 1,
        )
    )
