"""An audit as the page shows it: ranges by address, findings, what exits leave behind.

A machine may have a million reservations. The page keeps what is notable and
joins the rest: neighbours of one owner and type become one row that says how
many they are; what still does not fit is counted, never dropped in silence.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from pfntrack.pat.cachemode import BY_CATTR
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.report.html.axis import Cell, Range, axis, weight

Json = dict[str, Any]

MAX_ROWS = 2000
MAX_FINDINGS = 300
MAX_OTHERS = 500
# Islands that the overview can show side by side.
MAX_ISLANDS = 36

# States of a reservation in words, and whether they call for attention.
STATES = {
    "owned": ("held", False),
    "pieces": ("held in pieces", True),
    "possible": ("possibly held", False),
    "driver": ("held by a driver", False),
    "unstable": ("comes and goes", False),
    "suspected": ("suspected stale", True),
    "stale": ("stale", True),
}
_DRAWN = ("id", "start", "end", "type", "marks", "owner", "count")
_SEVERITIES = ("error", "warning", "info")
_UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def machine(body: Json) -> Json:
    """What the template shows, and under `data` what the script needs to draw."""
    predicted = sorted((left["start"], left["end"]) for left in body["predicted"]["all"])
    rows = [_row(held, predicted) for held in body["reservations"]]
    rows.sort(key=lambda row: (row["start"], row["end"]))
    shown, hidden = _fewer(rows)
    for number, row in enumerate(shown):
        row["id"] = f"r{number}"
    find = _Finder(shown)
    findings = sorted(body["findings"], key=lambda found: _rank(found["severity"]))
    mappings = sorted(body["mappings"], key=lambda user: user["tracked"] != "lost")
    states = Counter(row["state"] for row in rows)
    return {
        "input": body["input"],
        "kernel": body["kernel"],
        "counts": {
            "reservations": len(rows),
            "stale": states["stale"],
            "suspected": states["suspected"],
            "pieces": states["pieces"],
            "left": sum(end - start for start, end in predicted) >> PAGE_SHIFT,
            "findings": len(findings) + body["findings_dropped"],
        },
        "severities": [
            (severity, count)
            for severity in _SEVERITIES
            if (count := sum(found["severity"] == severity for found in findings))
        ],
        "decidable": body["predicted"]["decidable"],
        "predicted": [_linked(left, find) for left in body["predicted"]["all"][:MAX_OTHERS]],
        "predicted_hidden": max(0, len(body["predicted"]["all"]) - MAX_OTHERS),
        "log": body["predicted"]["log"][:MAX_OTHERS],
        "log_hidden": max(0, len(body["predicted"]["log"]) - MAX_OTHERS),
        **_processes(body["predicted"]["processes"], find),
        "findings": [_finding(found, find) for found in findings[:MAX_FINDINGS]],
        "findings_hidden": max(0, len(findings) - MAX_FINDINGS) + body["findings_dropped"],
        "mappings": [_mapping(each, find) for each in mappings[:MAX_OTHERS]],
        "mappings_hidden": max(0, len(mappings) - MAX_OTHERS),
        "contexts": [
            each | {"row": find(each["start"], each["end"])}
            for each in body["contexts"][:MAX_OTHERS]
        ],
        "contexts_hidden": max(0, len(body["contexts"]) - MAX_OTHERS),
        "unstable": [_typed(each) for each in body["unstable"][:MAX_OTHERS]],
        "unstable_hidden": max(0, len(body["unstable"]) - MAX_OTHERS),
        "rows": list(_with_gaps(shown)),
        "rows_hidden": hidden,
        "undecided": body["undecided"],
        "missing": body["missing"],
        "confidence": body["confidence"],
        "data": {
            "rows": [{key: row[key] for key in _DRAWN} for row in shown],
            "hidden": hidden,
            "left": predicted[:MAX_OTHERS],
            "islands": _overview([(row["start"], row["end"]) for row in shown]),
        },
    }


def size(count: int) -> str:
    """`count` bytes with a unit: exact if it comes out even, else with one digit."""
    for unit, name in _UNITS:
        if count >= unit:
            number = count / unit
            return f"{number:.0f} {name}" if number == int(number) else f"{number:.1f} {name}"
    return f"{count} bytes"


def _short(name: str | None) -> str | None:
    if name is None:
        return None
    return BY_CATTR[name].short if name in BY_CATTR else name


def _typed(each: Json) -> Json:
    return each | {"type": _short(each["type"]), "size": size(each["end"] - each["start"])}


def _row(held: Json, predicted: Sequence[Range]) -> Json:
    word, notable = STATES.get(held["state"], (held["state"], True))
    marks = []
    if notable:
        marks.append(held["state"])
    left = _shared(held["start"], held["end"], predicted)
    if left > 0:
        marks.append("left")
    return {
        "start": held["start"],
        "end": held["end"],
        "size": size(held["end"] - held["start"]),
        "type": _short(held["type"]),
        "owner": held["owner"] or "",
        "state": held["state"],
        "word": word,
        "sure": held["sure"],
        "note": held["note"],
        "marks": marks,
        "left": size(left),
        "count": 1,
        "skipped": 0,
    }


def _shared(start: int, end: int, spans: Sequence[Range]) -> int:
    """How many bytes of a range lie in the widest of the sorted spans that meet it."""
    at = bisect_left(spans, (end, 0))
    return max(
        (min(end, until) - max(start, other) for other, until in spans[max(0, at - 8) : at]),
        default=0,
    )


def _fewer(rows: list[Json]) -> tuple[list[Json], int]:
    """At most MAX_ROWS rows, and how many reservations are in none of them."""
    if len(rows) <= MAX_ROWS:
        return rows, 0
    made: list[Json] = []
    for row in rows:
        last = made[-1] if made else None
        same = ("type", "owner", "state", "note")
        if last and not (row["marks"] or last["marks"]) and all(last[k] == row[k] for k in same):
            last["end"] = max(last["end"], row["end"])
            last["count"] += 1
            last["size"] = size(last["end"] - last["start"])
        else:
            made.append(dict(row))
    if len(made) <= MAX_ROWS:
        return made, 0
    order = sorted(range(len(made)), key=lambda at: (not made[at]["marks"], at))[:MAX_ROWS]
    order.sort()
    for before, at in pairwise([-1, *order]):
        made[at]["skipped"] = sum(row["count"] for row in made[before + 1 : at])
    kept = [made[at] for at in order]
    return kept, len(rows) - sum(row["count"] for row in kept)


class _Finder:
    """The row that a range points to."""

    def __init__(self, rows: Sequence[Json]) -> None:
        self.rows = rows
        self.starts = [row["start"] for row in rows]

    def __call__(self, start: int, end: int) -> str | None:
        at = bisect_left(self.starts, start)
        near = self.rows[max(0, at - 32) : at + 32]
        exact = [row for row in near if (row["start"], row["end"]) == (start, end)]
        meeting = [row for row in near if row["start"] < end and start < row["end"]]
        found = exact or meeting
        return found[0]["id"] if found else None


def _linked(left: Json, find: _Finder) -> Json:
    return _typed(left) | {"row": find(left["start"], left["end"])}


def _finding(found: Json, find: _Finder) -> Json:
    row = None if found["start"] is None else find(found["start"], found["end"])
    return found | {"row": row, "type": _short(found["type"])}


def _mapping(user: Json, find: _Finder) -> Json:
    physical, entries = user["physical"], user["entries"]
    types = "not read"
    if entries is not None:
        found = {str(_short(entry["type"])) for entry in entries}
        types = ", ".join(sorted(found)) or "nothing present"
    return user | {
        "asked": _short(user["asked"]),
        "types": types,
        "row": find(*physical) if physical else None,
    }


def _processes(exits: Sequence[Json], find: _Finder) -> Json:
    order = sorted(exits, key=lambda one: (not one["ranges"] and not one["log"], one["pid"]))
    return {
        "exits": [
            one | {"ranges": [_linked(left, find) for left in one["ranges"][:MAX_OTHERS]]}
            for one in order[:MAX_OTHERS]
        ],
        "exits_hidden": max(0, len(order) - MAX_OTHERS),
    }


def _rank(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def _with_gaps(rows: Iterable[Json]) -> Iterator[Json]:
    """The rows, and between them the bytes that nothing reserves, or how many are left out."""
    reach: int | None = None
    for row in rows:
        if row["skipped"]:
            yield {"gap": f"{row['skipped']:,} reservations not shown"}
        elif reach is not None and row["start"] > reach:
            yield {"gap": f"{size(row['start'] - reach)} not reserved"}
        reach = max(reach or 0, row["end"])
        yield row


def _overview(ranges: Sequence[Range]) -> list[list[list[float]]]:
    """An axis of pages with few enough islands to be drawn side by side."""
    islands = axis((start >> PAGE_SHIFT, -(-end >> PAGE_SHIFT)) for start, end in ranges)
    if len(islands) > MAX_ISLANDS:
        gaps = [after[0].start - before[-1].end for before, after in pairwise(islands)]
        widest = sorted(range(len(gaps)), key=gaps.__getitem__)[1 - MAX_ISLANDS :]
        breaks = [0, *(at + 1 for at in sorted(widest)), len(islands)]
        joined = [(islands[a][0].start, islands[b - 1][-1].end) for a, b in pairwise(breaks)]
        islands = [[Cell(start, end, weight(end - start))] for start, end in joined]
    return [[[c.start, c.end, round(c.weight, 2)] for c in island] for island in islands]
