"""Broken snapshots: mutate the recorded ones and demand an answer or one clean error.

PYTHONPATH=tests python tests/audit/mutate.py [COUNT [SEED]]
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from audit.build import RECORDED, SNAPSHOTS
from pfntrack.audit import question, report_json, report_text
from pfntrack.audit.judged.checks import audit
from pfntrack.audit.read.snapshot import SnapshotCollector
from pfntrack.errors import InputFormatError

_WORDS = [
    b"ffffffffffffffff", b"0", b"-", b"\n", b"\0", b"\xff\xfe", b" ", b"[mem", b"9" * 20,
    b"ioremap", b"\x1b[31m", b"pf ar", b"VmFlags:", b"/dev/mem", b"0x", b"deadbeef", b"\r\n",
]  # fmt: skip
_RARELY = ("dmesg", "pat_memtype_list.samples")


class Mutator:
    """One copied snapshot in memory-sized pieces; each case changes a few files and restores."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / name
        shutil.copytree(SNAPSHOTS / name, self.folder)
        (self.folder / "truth.json").unlink()
        # Long files, and many of a kind, make cases slow and add nothing.
        for name in ("ioports", "meminfo", "modules", "cpuinfo", "pid/*/pagemap", "pci/*1f.?"):
            for path in self.folder.glob(name):
                path.unlink()
        for long in _RARELY:
            path = self.folder / long
            if path.exists():
                path.write_bytes(path.read_bytes()[-4000:])
        self.files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        self.saved = {path: path.read_bytes() for path in self.files}

    def case(self, rng: random.Random) -> None:
        """Change one to three files, judge, restore."""
        changed = rng.sample(self.files, min(len(self.files), rng.randint(1, 3)))
        for path in changed:
            if rng.random() < 0.1:
                path.unlink()
                if rng.random() < 0.3:
                    path.mkdir()
            else:
                path.write_bytes(_change(rng, self.saved[path]))
        try:
            self.judge()
        finally:
            for path in changed:
                if path.is_dir():
                    path.rmdir()
                path.write_bytes(self.saved[path])

    def judge(self) -> None:
        """Every way out of the program."""
        try:
            made = audit(SnapshotCollector(self.folder).collect())
        except InputFormatError as error:
            if "\n" in str(error):
                raise AssertionError(f"more than one line: {error}") from error
            return
        json.loads("".join(report_json.write(made)))
        report_text.as_mail(made)
        question.ask_range(made, 0xFE000000, 0xFE004000, question.parse_type("wc"))
        if made.code not in (0, 1, 3):
            raise AssertionError(made.code)


def _change(rng: random.Random, raw: bytes) -> bytes:
    data = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(data))
        kind = rng.randrange(6)
        if kind == 0:
            data[at:at] = rng.choice(_WORDS)
        elif kind == 1:
            del data[at : at + rng.randint(1, 40)]
        elif kind == 2 and at < len(data):
            data[at] = rng.randrange(256)
        elif kind == 3:
            del data[at:]
        elif kind == 4:
            line = bytes(data).split(b"\n")
            rng.shuffle(line)
            data = bytearray(b"\n".join(line))
        else:
            part = bytes(data[at : at + rng.randint(1, 200)])
            data[at:at] = part * rng.randint(1, 3)
    return bytes(data)


def run(count: int, seed: int) -> int:
    """That many cases over all recorded snapshots; raises on the first that is not answered."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as name:
        mutators = [Mutator(Path(name), snapshot) for snapshot in RECORDED]
        for number in range(count):
            rng = random.Random(seed * 1_000_003 + number)
            try:
                mutators[number % len(mutators)].case(rng)
            except Exception:
                sys.stderr.write(f"case {number} of seed {seed}\n")
                raise
    return count


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:3]]
    count, seed = [*numbers, *(100_000, 1)[len(numbers) :]]
    sys.stdout.write(f"{run(count, seed)} broken snapshots, no traceback\n")
