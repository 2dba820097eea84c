"""The reservation list, read several times: what all readings agree on, and what varies.

The kernel prints the list entry by entry, so one reading is not a moment. A
row counts as often as the reading with the fewest of it says.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import attrs

from pfntrack.audit.read.evidence import Row
from pfntrack.audit.read.files import read, shown
from pfntrack.errors import InputFormatError
from pfntrack.field.read.context import parse_memtype_list
from pfntrack.pat.cachemode import BY_CATTR

LIST = "pat_memtype_list"
_TYPES = "|".join(sorted(BY_CATTR, key=len, reverse=True))
# The format since 5.6; the older one and lines with prefixes take the slow way.
_ROW = re.compile(
    rf"^PAT: \[mem 0x([0-9a-f]{{1,16}})-0x([0-9a-f]{{1,16}})\] ({_TYPES})[ \t]*$", re.MULTILINE
)
_HEADER = "PAT memtype list:"
_SAMPLE = re.compile(r"^## ?[0-9.]*[^\n]*$", re.MULTILINE)
TOP = 1 << 64


@attrs.frozen
class Readings:
    """Rows of the last full reading, how many readings there were, and what differed."""

    rows: tuple[Row, ...]
    count: int
    varying: Mapping[Row, tuple[int, int]]
    malformed: int

    @property
    def exists(self) -> bool:
        return self.count > 0


def load(folder: Path) -> Readings:
    """All readings that the snapshot holds; the latest whole list is the one shown."""
    texts = [text for name in (f"{LIST}.before", LIST) if (text := _reading(folder, name))]
    samples = read(folder / f"{LIST}.samples")
    main = texts[-1] if texts else None
    texts += [part for part in _SAMPLE.split(samples or "") if part.strip()]
    if not texts:
        return Readings((), 0, {}, 0)
    if main is None:
        main = texts[-1]
    rows, malformed = parse(main)
    if not rows and malformed:
        name = shown(folder / LIST)
        raise InputFormatError(f"{name}: no row found: expected 'PAT: [mem 0x..-0x..] type'")
    return Readings(tuple(rows), len(texts), _varying(rows, main, texts), malformed)


def _reading(folder: Path, name: str) -> str | None:
    text = read(folder / name)
    return text if text and text.strip() else None


def _varying(rows: list[Row], main: str, texts: list[str]) -> dict[Row, tuple[int, int]]:
    others = {text for text in texts if text != main and text.strip() != main.strip()}
    if not others:
        return {}
    low = Counter(rows)
    high = Counter(low)
    for text in others:
        counted = Counter(parse(text)[0])
        low &= counted
        high |= counted
    return {row: (low[row], most) for row, most in high.items() if low[row] != most}


def parse(text: str) -> tuple[list[Row], int]:
    """Rows `(start, end, type)` in either format, and the number of lines that are none."""
    found = _ROW.findall(text)
    lines = text.count("\n") + (not text.endswith("\n")) - text.count(_HEADER)
    if len(found) == lines:
        rows = [(int(first, 16), int(last, 16), kind) for first, last, kind in found]
    else:
        rows = _slow(text)
    kept = [row for row in rows if row[0] < row[1] < TOP]
    blank = 0 if len(found) == lines else sum(not part.strip() for part in text.split("\n"))
    if text.endswith("\n") and blank:
        blank -= 1
    if any(a[0] > b[0] for a, b in itertools.pairwise(kept)):
        kept.sort(key=lambda row: row[0])
    return kept, max(0, lines - blank - len(kept))


def _slow(text: str) -> list[Row]:
    rows = []
    for line in text.split("\n"):
        match = _ROW.match(line)
        if match:
            rows.append((int(match[1], 16), int(match[2], 16), match[3]))
        elif "mem" in line or "@" in line:
            rows += [
                (e.start, e.end, e.type) for e in parse_memtype_list([line]) if e.type in BY_CATTR
            ]
    return rows
