"""Growth of the reservation list over bind/unbind cycles, and which of it persists.

One reading after each cycle. Entries are counted as multisets: what comes and
goes within a cycle, or moves between equal holders, is no growth. An entry
that the readings of one moment show differently often counts as often as the
reading with the fewest. Growth with a living holder is not a leak.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import attrs

from pfntrack.audit.judged.checks_mapping import holders
from pfntrack.audit.judged.finding import span_text
from pfntrack.audit.judged.owners import Standing, match
from pfntrack.audit.read.evidence import Evidence, Row
from pfntrack.audit.read.users import users

NAME = "pfntrack.audit-watch/1"
_NOBODY = (Standing.STALE, Standing.SUSPECTED)
ENOUGH = 2
"""So many cycles tell growth from warming up."""
Counted = tuple[tuple[Row, int], ...]


@attrs.frozen
class Moment:
    """The list after a cycle: how often each entry is there, and who holds it."""

    name: str
    counts: Mapping[Row, int]
    owners: Mapping[Row, tuple[str, ...]]
    unheld: Mapping[Row, int]
    stale: frozenset[Row]
    status: int | None = None

    @property
    def entries(self) -> int:
        return sum(self.counts.values())


def moment(evidence: Evidence, name: str, status: int | None = None) -> Moment:
    """What a reading of the machine contributes; `status` is that of the cycle's command."""
    counts: Counter[Row] = Counter()
    unheld: Counter[Row] = Counter()
    owners: dict[Row, list[str]] = {}
    stale = set()
    found = match(evidence, users(evidence))
    for entry, held in zip(evidence.state.reservations, found.holdings, strict=True):
        row = (entry.start, entry.end, entry.type.cattr)
        counts[row] += 1
        unheld[row] += held.standing in _NOBODY
        if held.standing is Standing.STALE:
            stale.add(row)
        words = holders(held, shared=evidence.contexts)
        if words is not None and words not in owners.setdefault(row, []):
            owners[row].append(words)
    for row, (fewest, _) in evidence.varying.items():
        counts[row] = min(counts[row], fewest)
        unheld[row] = min(unheld[row], fewest)
    known = {row: tuple(words) for row, words in owners.items()}
    return Moment(name, +counts, known, +unheld, frozenset(stale), status)


@attrs.frozen
class Cycle:
    """What one cycle changed."""

    number: int
    moment: Moment
    added: Counted
    removed: Counted

    @property
    def net(self) -> int:
        return sum(n for _, n in self.added) - sum(n for _, n in self.removed)


@attrs.frozen
class Suspect:
    """An entry of which there are more copies at the end than before the first cycle."""

    row: Row
    before: int
    after: int
    grew_in: tuple[int, ...]
    owner: str | None
    verdict: str


@attrs.frozen
class Watch:
    """All cycles so far; `plus` adds one."""

    baseline: Moment
    cycles: tuple[Cycle, ...] = ()

    def plus(self, after: Moment) -> Watch:
        """The same with one more cycle."""
        before = Counter(self._last.counts)
        now = Counter(after.counts)
        cycle = Cycle(
            len(self.cycles) + 1,
            after,
            tuple(sorted((now - before).items())),
            tuple(sorted((before - now).items())),
        )
        return Watch(self.baseline, (*self.cycles, cycle))

    @property
    def _last(self) -> Moment:
        return self.cycles[-1].moment if self.cycles else self.baseline

    def suspects(self) -> tuple[Suspect, ...]:
        """Growth that persists: leaks first, then what grew in most cycles."""
        last = self._last
        found = []
        for row, after in last.counts.items():
            before = self.baseline.counts.get(row, 0)
            if after > before:
                grew = self._grew(row, before)
                verdict = self._verdict(row, grew)
                words = "; ".join(last.owners.get(row, ())) or None
                found.append(Suspect(row, before, after, grew, words, verdict))
        order = ("leak", "suspected", "held", "once")
        found.sort(key=lambda s: (order.index(s.verdict), -len(s.grew_in), s.row))
        return tuple(found)

    def _grew(self, row: Row, most: int) -> tuple[int, ...]:
        """Cycles after which there were more copies than ever before."""
        grew = []
        for cycle in self.cycles:
            count = cycle.moment.counts.get(row, 0)
            if count > most:
                grew.append(cycle.number)
                most = count
        return tuple(grew)

    def _verdict(self, row: Row, grew: tuple[int, ...]) -> str:
        last = self._last
        if last.unheld.get(row, 0) > self.baseline.unheld.get(row, 0):
            proved = row in last.stale and row not in self.baseline.stale
            return "leak" if proved or len(grew) >= ENOUGH else "suspected"
        return "once" if grew == (1,) else "held"

    def verdict(self) -> str:
        """`leaking`, `suspected`, `steady`, or `inconclusive` with too few cycles.

        Entries at ever new addresses each grow once; if such growth without a
        holder came in two cycles, that is a leak as well.
        """
        suspects = self.suspects()
        loose = {number for s in suspects if s.verdict == "suspected" for number in s.grew_in}
        if any(s.verdict == "leak" for s in suspects) or len(loose) >= ENOUGH:
            return "leaking"
        if loose:
            return "suspected"
        return "steady" if len(self.cycles) >= ENOUGH else "inconclusive"

    def code(self) -> int:
        """The exit code: 1 growth without holder, 3 too few cycles, 0 none."""
        return {"steady": 0, "inconclusive": 3}.get(self.verdict(), 1)


def cycle_lines(cycle: Cycle) -> Iterator[str]:
    """One cycle as text."""
    status = cycle.moment.status
    failed = "" if not status else f"; the command ended with status {status}"
    net = f"{cycle.net:+d}" if cycle.net else "no growth"
    total = f"{cycle.moment.entries} entries"
    yield f"cycle {cycle.number} ({cycle.moment.name}): {net}, {total}{failed}"
    for sign, rows in (("+", cycle.added), ("-", cycle.removed)):
        for (start, end, kind), count in rows:
            times = f" ({count} times)" if count > 1 else ""
            yield f"  {sign} {span_text(start, end)} {kind}{times}"


_MEANING = {
    "leaking": "growth that persists and that nobody holds: a leak",
    "suspected": "growth that nobody holds, seen once: more cycles would tell",
    "steady": "nothing grows without a holder",
    "inconclusive": f"too few cycles: at least {ENOUGH} are needed",
}
_VERDICTS = {
    "leak": "nobody holds the new copies",
    "suspected": "no holder seen, grew in one cycle",
    "held": "held",
    "once": "held, grew in the first cycle only",
}


def summary(watch: Watch, *, interrupted: bool) -> Iterator[str]:
    """The end of the report."""
    done = len(watch.cycles)
    stopped = " (interrupted)" if interrupted else ""
    yield f"{done} cycle{'s' if done != 1 else ''}{stopped}: {watch.verdict()}"
    yield f"  {_MEANING[watch.verdict()]}"
    for made in watch.suspects():
        start, end, kind = made.row
        cycles = ", ".join(map(str, made.grew_in))
        yield f"  {span_text(start, end)} {kind}: {made.before} -> {made.after} copies"
        yield f"    grew in cycle {cycles}; {_VERDICTS[made.verdict]}"
        if made.owner is not None:
            yield f"    {made.owner}"


def as_json(watch: Watch, *, interrupted: bool) -> dict[str, object]:
    """The whole as data, in the form of `pfntrack schema audit-watch`."""
    return {
        "schema": NAME,
        "baseline": watch.baseline.entries,
        "interrupted": interrupted,
        "cycles": [
            {
                "number": cycle.number,
                "name": cycle.moment.name,
                "status": cycle.moment.status,
                "entries": cycle.moment.entries,
                "added": [_row(*item) for item in cycle.added],
                "removed": [_row(*item) for item in cycle.removed],
                "net": cycle.net,
            }
            for cycle in watch.cycles
        ],
        "suspects": [
            {
                "start": made.row[0],
                "end": made.row[1],
                "type": made.row[2],
                "before": made.before,
                "after": made.after,
                "grew_in": list(made.grew_in),
                "owner": made.owner,
                "verdict": made.verdict,
            }
            for made in watch.suspects()
        ],
        "verdict": watch.verdict(),
    }


def _row(row: Row, count: int) -> dict[str, object]:
    return {"start": row[0], "end": row[1], "type": row[2], "count": count}
