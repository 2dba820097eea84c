"""A schedule of overlapping calls as two columns, with the locks that are held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pfntrack.check.race.rows import Row
from pfntrack.report.runs.facts import result_word

LANE = 44
_SIDES = ("left", "right")


def lanes(rows: Sequence[Row], left: str, right: str) -> Iterator[str]:
    """The rows of one schedule; `left` and `right` are the two operations."""
    yield f"     {left:<{LANE}} {right:<{LANE}} locks held".rstrip()
    for number, row in enumerate(rows, 1):
        text = f"{row.function} {row.what}" if row.what.startswith("of ") else _told(row)
        if row.result is not None:
            text += f" -> {result_word(row.result)}"
        yield from _cells(number, row, text)
        for line in row.log:
            yield f"       log: {line}"
        for violation in row.broken:
            yield f"       BROKEN {violation.property}: {violation.reason}"


def _told(row: Row) -> str:
    return f"{row.function}: {row.what}" if row.function else row.what


def _cells(number: int, row: Row, text: str) -> Iterator[str]:
    """One row; what is too long for its lane goes on below."""
    for at, part in enumerate(_folded(text)):
        head = f"{number:3}." if not at else "    "
        cells = (part, "") if row.call == 0 else ("", part)
        end = _held(row) if not at else ""
        yield f"{head} {cells[0]:<{LANE}} {cells[1]:<{LANE}} {end}".rstrip()


def _held(row: Row) -> str:
    """The locks behind a row, by call, and whether a TLB is stale."""
    words = [
        f"{side} {', '.join(mine)}"
        for call, side in enumerate(_SIDES)
        if (mine := [what for holder, what in row.held if holder == call])
    ]
    return "; ".join([*words, *(["TLB stale"] if row.stale else [])]) or "none"


def _folded(text: str) -> list[str]:
    """`text` in lines that fit into a lane."""
    lines, words = [""], text.split(" ")
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > LANE - 1:
            lines.append(f"  {word}")
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines
