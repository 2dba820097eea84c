"""All checks: pure functions from evidence and its owners to findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import attrs

from pfntrack.audit.judged import checks_mapping as mapping
from pfntrack.audit.judged import checks_memory as memory
from pfntrack.audit.judged.finding import MAX_PER_CODE, SEVERITIES, Finding, many, span_text
from pfntrack.audit.judged.owners import Ownership, Standing, match
from pfntrack.audit.judged.predict import Forecast, forecast
from pfntrack.audit.judged.undecided import open_questions
from pfntrack.audit.read.evidence import Evidence
from pfntrack.audit.read.users import User, users


@attrs.frozen
class Audit:
    """Everything that the audit has to say about one machine."""

    evidence: Evidence
    users: tuple[User, ...]
    owners: Ownership
    forecast: Forecast
    findings: tuple[Finding, ...]
    undecided: tuple[str, ...]
    dropped: int = 0

    @property
    def code(self) -> int:
        """The exit code: 1 findings, 3 nothing found but the main facts are missing, 0."""
        if any(finding.severity != "info" for finding in self.findings):
            return 1
        blind = self.evidence.readings == 0 and self.evidence.pat_on is not False
        return 3 if blind or not self.forecast.decidable else 0


def audit(evidence: Evidence) -> Audit:
    """Run every check."""
    people = users(evidence)
    owners = match(evidence, people)
    exits = forecast(evidence, people, owners)
    kept: list[Finding] = []
    seen: Counter[str] = Counter()
    for finding in _all(evidence, people, owners, exits):
        seen[finding.code] += 1
        if finding is _UNLISTED:
            continue
        if seen[finding.code] <= MAX_PER_CODE:
            kept.append(finding)
    kept.sort(key=lambda f: (-SEVERITIES.index(f.severity), f.code, f.where or (0, 0), f.pids))
    dropped = seen.total() - len(kept)
    undecided = tuple(open_questions(evidence, people, exits))
    return Audit(evidence, people, owners, exits, tuple(kept), undecided, dropped)


def _all(
    evidence: Evidence, people: Sequence[User], owners: Ownership, exits: Forecast
) -> Iterator[Finding]:
    yield from _leaks(evidence, owners)
    if evidence.pat_on and evidence.readings and not evidence.gaps & {"reservations", "claims"}:
        cover = mapping.Cover(evidence, owners)
        yield from mapping.tracking(evidence, people, cover)
        yield from mapping.conversions(evidence, people, owners)
        yield from mapping.aliases(evidence, people, cover)
        yield from _lone(evidence, owners, cover)
    yield from _told(evidence)
    yield from mapping.forks(evidence, people)
    if evidence.pat_on:
        yield from memory.counts(evidence, people)
        yield from memory.copies(people)
    yield from _exits(evidence, exits)


def _told(evidence: Evidence) -> Iterator[Finding]:
    """What the log says of processors that differ and of large ranges with small entries."""
    basis = (evidence.sources.log,)
    lines = evidence.boot_lines
    without = [line for line in lines if line.kind == "pat_cpus"]
    if without:
        text = "one processor has no PAT although the others use it"
        yield Finding("cpus-differ", "error", "certain", text, basis)
    elif any(line.kind == "mtrr_cpus" for line in lines):
        text = "the firmware set the MTRRs of the processors differently; the kernel corrected it"
        yield Finding("cpus-differ", "info", "certain", text, basis)
    for where in dict.fromkeys(line.where for line in lines if line.where is not None):
        text = f"{span_text(*where)} is mapped with small pages: an MTRR boundary lies inside"
        yield Finding("small-entries", "info", "certain", text, basis, where)


def _leaks(evidence: Evidence, owners: Ownership) -> Iterator[Finding]:
    """Reservations that nobody holds, or that their holders' releases will not fit."""
    sources = evidence.sources
    seen: Counter[Standing] = Counter()
    for row, held in zip(evidence.state.reservations, owners.holdings, strict=True):
        if held.standing not in _LEAKS:
            continue
        seen[held.standing] += 1
        if seen[held.standing] > MAX_PER_CODE:
            yield _UNLISTED
            continue
        span = span_text(row.start, row.end)
        where, kind = (row.start, row.end), row.type.cattr
        basis: tuple[str, ...]
        if held.standing is Standing.STALE:
            failed = held.sure == "certain"
            basis = (sources.readings, sources.maps, sources.areas)
            basis = (*basis, sources.log) if failed else basis
            text = f"{span} {row.type.cattr} is reserved and nobody holds it: {held.note}"
            yield Finding("stale-reservation", "error", held.sure, text, basis, where, kind)
        elif held.standing is Standing.SUSPECTED:
            basis = (sources.readings, sources.maps, sources.areas)
            text = f"{span} {row.type.cattr} is reserved and no holder was seen; not proved stale"
            yield Finding(
                "suspected-stale-reservation", "warning", "possible", text, basis, where, kind
            )
        elif held.standing is Standing.PIECES:
            pieces = ", ".join(str(user) for user in held.users[:3])
            more = len(held.users) - 3
            text = f"{span} {row.type.cattr} is held only in pieces: {pieces}"
            text += f" and {more} more" if more > 0 else ""
            basis = (sources.listed, sources.maps, sources.flags)
            pids = tuple(sorted(held.pids))
            yield Finding("pieces-mismatch", "warning", held.sure, text, basis, where, kind, pids)


def _lone(evidence: Evidence, owners: Ownership, cover: mapping.Cover) -> Iterator[Finding]:
    """Holders without an entry of their own; worse if nothing covers them at all."""
    sources = evidence.sources
    for user in owners.lone_users:
        if user.phys and user.tracked and evidence.vm_pat:
            if cover.untracked(*user.phys) or cover.moving.touches(*user.phys):
                continue
            if cover.gaps([user.phys]):
                continue
            text = f"{user} has no reservation of exactly {span_text(*user.phys)}"
            basis: tuple[str, ...] = (sources.maps, sources.flags, sources.listed)
            yield Finding(
                "owner-without-reservation",
                "warning",
                "certain",
                text,
                basis,
                user.phys,
                None,
                (user.pid,),
            )
    for area in owners.lone_areas:
        if cover.moving.touches(area.start, area.end):
            continue
        gaps = cover.gaps([(area.start, area.end)])
        if gaps and not cover.knows_claims:
            # It may be RAM, whose types are not in the list.
            continue
        text = f"ioremap {area.owner} {span_text(area.start, area.end)}"
        basis = (sources.areas, sources.listed)
        if gaps:
            text += " is covered by no reservation"
            yield Finding("uncovered-mapping", "error", "likely", text, basis, gaps[0])
        else:
            text += " has no reservation of exactly its range"
            where = (area.start, area.end)
            yield Finding("owner-without-reservation", "info", "likely", text, basis, where)


def _exits(evidence: Evidence, exits: Forecast) -> Iterator[Finding]:
    sources = evidence.sources
    for made in exits.processes:
        if made.ranges or made.log:
            pages = sum(end - start for start, end, _ in made.ranges) >> 12
            stay = "stays" if pages == 1 else "stay"
            text = f"if {made.comm}[{made.pid}] exits, {many(pages, 'page')} {stay} reserved"
            text += f", and the log gets {many(len(made.log), 'line')}" if made.log else ""
            basis = (sources.listed, sources.maps, sources.flags, "erase rule of this kernel")
            first = made.ranges[0] if made.ranges else None
            where = first[:2] if first else None
            kind = first[2].cattr if first else None
            yield Finding("exit-leaks", "warning", "likely", text, basis, where, kind, (made.pid,))


_LEAKS = (Standing.STALE, Standing.SUSPECTED, Standing.PIECES)
# Stands for a finding that is only counted: building a million of them takes seconds.
_UNLISTED = Finding("", "info", "possible", "", ())
