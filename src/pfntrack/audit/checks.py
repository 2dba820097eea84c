"""All checks: pure functions from evidence and its owners to findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import attrs

from pfntrack.audit import checks_mapping as mapping
from pfntrack.audit.evidence import Evidence
from pfntrack.audit.finding import MAX_PER_CODE, SEVERITIES, Finding, span_text
from pfntrack.audit.owners import Ownership, Standing, match
from pfntrack.audit.predict import Forecast, forecast
from pfntrack.audit.users import User, is_cow, users


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
    undecided = tuple(_undecided(evidence, people, exits))
    return Audit(evidence, people, owners, exits, tuple(kept), undecided, dropped)


def _all(
    evidence: Evidence, people: Sequence[User], owners: Ownership, exits: Forecast
) -> Iterator[Finding]:
    yield from _leaks(evidence, owners)
    if evidence.pat_on and evidence.readings:
        cover = mapping.Cover(evidence, owners)
        yield from mapping.tracking(evidence, people, cover)
        yield from mapping.conversions(evidence, people, owners)
        yield from mapping.aliases(evidence, people, cover)
        yield from _lone(evidence, owners, cover)
    yield from mapping.forks(evidence, people)
    yield from _exits(exits)


def _leaks(evidence: Evidence, owners: Ownership) -> Iterator[Finding]:
    """Reservations that nobody holds, or that their holders' releases will not fit."""
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
            basis = ("pat_memtype_list (all readings)", "dmesg", "pid/*/maps", "vmallocinfo")
            text = f"{span} {row.type.cattr} is reserved and nobody holds it; a release failed"
            yield Finding("stale-reservation", "error", "certain", text, basis, where, kind)
        elif held.standing is Standing.SUSPECTED:
            basis = ("pat_memtype_list (all readings)", "pid/*/maps", "vmallocinfo")
            text = f"{span} {row.type.cattr} is reserved and no holder was seen; not proved stale"
            yield Finding(
                "suspected-stale-reservation", "warning", "possible", text, basis, where, kind
            )
        elif held.standing is Standing.PIECES:
            pieces = ", ".join(str(user) for user in held.users[:3])
            more = len(held.users) - 3
            text = f"{span} {row.type.cattr} is held only in pieces: {pieces}"
            text += f" and {more} more" if more > 0 else ""
            basis = ("pat_memtype_list", "maps", "smaps VmFlags")
            pids = tuple(sorted(held.pids))
            yield Finding("pieces-mismatch", "warning", "likely", text, basis, where, kind, pids)


def _lone(evidence: Evidence, owners: Ownership, cover: mapping.Cover) -> Iterator[Finding]:
    """Holders without an entry of their own; worse if nothing covers them at all."""
    for user in owners.lone_users:
        if user.phys and user.tracked and evidence.vm_pat:
            if cover.untracked(*user.phys) or cover.moving.touches(*user.phys):
                continue
            if cover.gaps([user.phys]):
                continue
            text = f"{user} has no reservation of exactly {span_text(*user.phys)}"
            basis: tuple[str, ...] = ("maps", "smaps VmFlags (ar)", "pat_memtype_list")
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
        text = f"ioremap {area.owner} {span_text(area.start, area.end)}"
        basis = ("vmallocinfo", "pat_memtype_list")
        if gaps:
            text += " is covered by no reservation"
            yield Finding("uncovered-mapping", "error", "likely", text, basis, gaps[0])
        else:
            text += " has no reservation of exactly its range"
            where = (area.start, area.end)
            yield Finding("owner-without-reservation", "info", "likely", text, basis, where)


def _exits(exits: Forecast) -> Iterator[Finding]:
    for made in exits.processes:
        if made.ranges or made.log:
            pages = sum(end - start for start, end, _ in made.ranges) >> 12
            text = (
                f"if {made.comm}[{made.pid}] exits, {pages} pages stay reserved "
                f"and {len(made.log)} lines are logged"
            )
            basis = ("pat_memtype_list", "maps", "smaps VmFlags", "erase rule of this kernel")
            first = made.ranges[0] if made.ranges else None
            where = first[:2] if first else None
            kind = first[2].cattr if first else None
            yield Finding("exit-leaks", "warning", "likely", text, basis, where, kind, (made.pid,))


def _undecided(evidence: Evidence, people: Sequence[User], exits: Forecast) -> Iterator[str]:
    """Questions that the facts at hand cannot answer."""
    if evidence.pat_on is False:
        yield "PAT is off: nothing is tracked, so there is nothing to leak or to lose"
        return
    if not exits.decidable:
        yield "what exits leave behind: the list or the kernel release is missing"
    if evidence.contexts and people:
        yield "lost tracking and context counts: not visible in text files on this kernel"
    hidden = sum(user.phys is None and user.tracked is not False for user in people)
    if hidden:
        yield f"{hidden} mappings of other files: their physical address is not visible"
    if evidence.vm_pat and evidence.release is not None and evidence.release.name in _UNCOUNTED:
        private = sum(bool(user.tracked) and is_cow(user.vma) for user in people)
        if private:
            yield f"whether fork fails for {private} private mappings: 6.1 counts no copied pages"
    devmem = any(user.kind == "devmem" for user in people)
    if devmem:
        yield "whether /dev/mem was opened with O_SYNC, so uncached-minus may be what was asked"
    if people:
        yield "which pages are mapped and with which type: page tables are not in text files"


_UNCOUNTED = ("5.10", "6.1")
_LEAKS = (Standing.STALE, Standing.SUSPECTED, Standing.PIECES)
# Stands for a finding that is only counted: building a million of them takes seconds.
_UNLISTED = Finding("", "info", "possible", "", ())
