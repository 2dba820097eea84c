"""Two snapshots compared as multisets: what was reserved or mapped, and is not, or the reverse."""

from __future__ import annotations

from collections import Counter

import attrs

from pfntrack.audit.judged.finding import span_text
from pfntrack.audit.read.evidence import Evidence, Row
from pfntrack.audit.read.users import users

Mapped = tuple[int, str, int, int, str]


@attrs.frozen
class Difference:
    """Entries with their number, in ascending order; equal entries are not told apart."""

    removed: tuple[tuple[Row, int], ...]
    added: tuple[tuple[Row, int], ...]
    unmapped: tuple[tuple[Mapped, int], ...]
    mapped: tuple[tuple[Mapped, int], ...]

    @property
    def empty(self) -> bool:
        return not (self.removed or self.added or self.unmapped or self.mapped)


def compare(old: Evidence, new: Evidence) -> Difference:
    """What changed from `old` to `new`."""
    before, after = _rows(old), _rows(new)
    were, are = _mapped(old), _mapped(new)
    return Difference(
        tuple(sorted((before - after).items())),
        tuple(sorted((after - before).items())),
        tuple(sorted((were - are).items())),
        tuple(sorted((are - were).items())),
    )


def as_text(made: Difference) -> str:
    """Lines with - and +, reservations before mappings."""
    lines = []
    for sign, rows in (("-", made.removed), ("+", made.added)):
        for (start, end, kind), count in rows:
            lines.append(f"{sign} {span_text(start, end)} {kind}{_times(count)}")
    for sign, maps in (("-", made.unmapped), ("+", made.mapped)):
        for (pid, comm, start, end, name), count in maps:
            where = f"{start:x}-{end:x}"
            lines.append(f"{sign} {comm}[{pid}] {where} {name}{_times(count)}")
    return "\n".join(lines or ["no difference"]) + "\n"


def as_json(made: Difference) -> dict[str, object]:
    """The same as data."""
    return {
        "schema": "pfntrack.audit-diff/1",
        "removed": [_row(*item) for item in made.removed],
        "added": [_row(*item) for item in made.added],
        "unmapped": [_map(*item) for item in made.unmapped],
        "mapped": [_map(*item) for item in made.mapped],
    }


def _row(row: Row, count: int) -> dict[str, object]:
    return {"start": row[0], "end": row[1], "type": row[2], "count": count}


def _map(item: Mapped, count: int) -> dict[str, object]:
    pid, comm, start, end, name = item
    return {"pid": pid, "comm": comm, "start": start, "end": end, "file": name, "count": count}


def _times(count: int) -> str:
    return f" ({count} times)" if count > 1 else ""


def _rows(evidence: Evidence) -> Counter[Row]:
    return Counter((r.start, r.end, r.type.cattr) for r in evidence.state.reservations)


def _mapped(evidence: Evidence) -> Counter[Mapped]:
    return Counter(
        (user.pid, user.comm, user.vma.start << 12, user.vma.end << 12, user.vma.file)
        for user in users(evidence)
    )
