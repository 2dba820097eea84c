"""A schedule of overlapping calls as a picture: two lanes, the locks as bars beside them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pfntrack.check.race.rows import Row
from pfntrack.report.runs.facts import result_word

WIDTH, ROW, HEAD = 980, 34, 56
_LANES = (70, 530)  # where the boxes of the left and the right call begin
_BOX = 380
_COLOURS = ("#dbe9f6", "#e5f0dc")
_TLB = 482  # the bar between the lanes: something stale may be used
_BARS = ((14, 36), (916, 938))  # where a call's bars of locks stand


def lanes_svg(rows: Sequence[Row], left: str, right: str, title: str) -> str:
    """The picture, complete in itself; `title` is its text for those who cannot see it."""
    height = HEAD + ROW * len(rows) + 16 * sum(len(_notes(row)) for row in rows) + 12
    tops, y = [], HEAD
    for row in rows:
        tops.append(y)
        y += ROW + 16 * len(_notes(row))
    body = [_header(0, left), _header(1, right)]
    for row, top in zip(rows, tops, strict=True):
        body += _box(row, top)
    body += _bars(rows, [*tops, y])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="sans-serif" font-size="13"><title>{escape(title)}</title>'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>{"".join(body)}</svg>\n'
    )


def _header(call: int, text: str) -> str:
    x = _LANES[call]
    return (
        f'<text x="{x}" y="24" font-weight="bold">{escape(text)}</text>'
        f'<line x1="{x}" y1="36" x2="{x + _BOX}" y2="36" stroke="#555"/>'
    )


def _box(row: Row, top: int) -> list[str]:
    """What one part did, and what broke with it."""
    x = _LANES[row.call]
    text = f"{row.function} {row.what}" if row.what.startswith("of ") else _told(row)
    if row.result is not None:
        text += f" → {result_word(row.result)}"
    edge = "#b00020" if row.broken else "#888"
    parts = [
        f'<rect x="{x}" y="{top}" width="{_BOX}" height="{ROW - 8}" rx="4" '
        f'fill="{_COLOURS[row.call]}" stroke="{edge}"/>',
        f'<text x="{x + 8}" y="{top + 17}">{escape(_short(text))}</text>',
    ]
    for at, (line, colour) in enumerate(_notes(row)):
        y = top + ROW + 6 + 16 * at
        parts.append(f'<text x="{x}" y="{y}" fill="{colour}">{escape(_short(line, 56))}</text>')
    return parts


def _told(row: Row) -> str:
    return f"{row.function}: {row.what}" if row.function else row.what


def _notes(row: Row) -> list[tuple[str, str]]:
    """Lines below a box, with their colours."""
    log = [(line, "#444") for line in row.log]
    return log + [(f"{each.property}: {each.reason}", "#b00020") for each in row.broken]


def _short(text: str, most: int = 54) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _bars(rows: Sequence[Row], tops: Sequence[int]) -> list[str]:
    """A bar for each lock from the part that takes it to the one that gives it back."""
    found = []
    for call in (0, 1):
        kinds = list(dict.fromkeys(w for row in rows for c, w in row.held if c == call))
        for at, what in enumerate(kinds[:2]):
            x = _BARS[call][at]
            spans = _spans([(call, what) in row.held for row in rows])
            found += [_bar(x, tops[low], tops[high], "#6b7fa6", what) for low, high in spans]
    spans = _spans([row.stale for row in rows])
    found += [_bar(_TLB, tops[low], tops[high], "#d9822b", "TLB stale") for low, high in spans]
    return found


def _spans(held: Sequence[bool]) -> list[tuple[int, int]]:
    """Half-open stretches of rows behind which something holds."""
    spans: list[tuple[int, int]] = []
    for at, is_held in enumerate(held):
        if is_held and spans and spans[-1][1] == at:
            spans[-1] = spans[-1][0], at + 1
        elif is_held:
            spans.append((at, at + 1))
    return spans


def _bar(x: int, top: int, end: int, colour: str, label: str) -> str:
    middle = (top + end) // 2
    return (
        f'<rect x="{x}" y="{top}" width="16" height="{end - top - 8}" fill="{colour}" '
        f'rx="3"><title>{escape(label)}</title></rect>'
        f'<text transform="translate({x + 12} {middle}) rotate(-90)" text-anchor="middle" '
        f'font-size="10" fill="#fff">{escape(label)}</text>'
    )
