"""The audit for people: forecast and findings first, then who holds what."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from pfntrack.audit.judged.checks import Audit
from pfntrack.audit.judged.checks_mapping import holders
from pfntrack.audit.judged.finding import CODES, SEVERITIES, Finding, many, span_text
from pfntrack.audit.judged.owners import Standing

WIDTH, MAIL_WIDTH = 100, 75
MAX_ROWS = 200


def as_text(audit: Audit, width: int = WIDTH) -> str:
    """The report; no line is longer than `width` unless a single word is."""
    lines: list[str] = []
    for line in _lines(audit):
        indent = len(line) - len(line.lstrip())
        lines += textwrap.wrap(
            line,
            width,
            subsequent_indent=" " * (indent + 4),
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return "\n".join(lines) + "\n"


def as_mail(audit: Audit) -> str:
    """The same in at most 75 columns."""
    return as_text(audit, MAIL_WIDTH)


def _lines(audit: Audit) -> Iterator[str]:
    evidence = audit.evidence
    yield f"Audit of {evidence.name}"
    yield f"kernel: {evidence.state.kernel}; tracking: {evidence.state.tracking_model}"
    if evidence.release is not None and evidence.release.note:
        yield f"model: {evidence.release.note}"
    pat = {True: "on", False: "off", None: "unknown"}[evidence.pat_on]
    rows = len(evidence.state.reservations)
    seen = (
        "read from a memory dump" if evidence.still else f"in {many(evidence.readings, 'reading')}"
    )
    yield f"PAT: {pat}; {many(rows, 'reservation')} {seen}"
    if evidence.sources.types:
        yield f"types: {evidence.sources.types}"
    yield from _summary(audit)
    yield ""
    yield from _forecast(audit)
    yield ""
    yield from _findings(audit)
    yield ""
    yield from _holdings(audit)
    if evidence.varying:
        yield ""
        yield f"Unstable between readings: {len(evidence.varying)} ranges; no finding rests on them"
        for (start, end, kind), (low, high) in list(evidence.varying.items())[:20]:
            yield f"  {span_text(start, end)} {kind}: {low} to {high} times"
    for title, texts in (("Not decidable", audit.undecided), ("Missing", evidence.missing)):
        if texts:
            yield ""
            yield f"{title}:"
            yield from (f"  {text}" for text in texts)
    if audit.undecided:
        yield "  to see who makes and releases what: pfntrack record, then pfntrack replay"


def _summary(audit: Audit) -> Iterator[str]:
    """One line that can be quoted."""
    counts = Counter(made.severity for made in audit.findings)
    parts = [
        many(counts[severity], severity) for severity in ("error", "warning") if counts[severity]
    ]
    if audit.code == 3:
        yield "Result: inconclusive: see what is missing and not decidable below"
    elif not parts:
        yield "Result: healthy, as far as these facts show"
    else:
        first = _causes(audit.findings)[0]
        yield f"Result: {' and '.join(parts)}; first: {CODES[first.code].meaning}"


def _forecast(audit: Audit) -> Iterator[str]:
    made = audit.forecast
    if not made.decidable:
        yield "If every process exits: not decidable from these facts"
        return
    if made.everyone:
        yield "If every process exits, these stay reserved without owner:"
        for start, end, kind in made.everyone[:MAX_ROWS]:
            yield f"  {span_text(start, end)} {kind.cattr}"
    else:
        yield "If every process exits, nothing stays reserved without owner."
    if made.log:
        yield "  and the log will say, in this order of processes:"
    for line in made.log[:MAX_ROWS]:
        yield f"    {line}"
    for one in made.processes[:MAX_ROWS]:
        if one.ranges or one.log:
            spans = ", ".join(span_text(start, end) for start, end, _ in one.ranges) or "nothing"
            logged = f", and logs {many(len(one.log), 'line')}" if one.log else ""
            yield f"  {one.comm}[{one.pid}] alone leaves {spans}{logged}"


def _findings(audit: Audit) -> Iterator[str]:
    if not audit.findings:
        yield "Findings: none"
        return
    shown = _causes(audit.findings)
    yield f"Findings: {len(audit.findings) + audit.dropped}"
    advised = set()
    for made in shown[:MAX_ROWS]:
        yield f"  {made.severity}: {made.code} ({made.confidence})"
        yield f"    {made.summary}"
        if made.code not in advised:
            advised.add(made.code)
            yield f"    harm: {CODES[made.code].harm}"
            yield f"    do: {CODES[made.code].advice}"
        yield f"    rests on: {', '.join(made.rests_on)}"
    if len(shown) > MAX_ROWS:
        yield f"  ... the first {MAX_ROWS}; --json lists up to {len(audit.findings)}"
    folded = len(audit.findings) - len(shown)
    if folded:
        yield f"  ({many(folded, 'owner-without-reservation')} inside the pieces above: see --json)"


def _causes(findings: Sequence[Finding]) -> list[Finding]:
    """Causes before consequences, without the pieces of what is already told in one."""
    cut: dict[int, list[Finding]] = defaultdict(list)
    for made in findings:
        if made.code == "pieces-mismatch":
            for pid in made.pids:
                cut[pid].append(made)

    def inside(made: Finding) -> bool:
        if made.code != "owner-without-reservation" or made.where is None:
            return False
        start, end = made.where
        return any(
            whole.where is not None and whole.where[0] <= start and end <= whole.where[1]
            for pid in made.pids
            for whole in cut[pid]
        )

    kept = [made for made in findings if not inside(made)]
    return sorted(kept, key=lambda made: (-SEVERITIES.index(made.severity), _ORDER[made.code]))


_ORDER = {code: number for number, code in enumerate(CODES)}


def _holdings(audit: Audit) -> Iterator[str]:
    pairs = list(zip(audit.evidence.state.reservations, audit.owners.holdings, strict=True))
    yield "Reservations and their holders (the end of a range is exclusive):"
    odd = [pair for pair in pairs if pair[1].standing is not Standing.OWNED]
    chosen = pairs if len(pairs) <= MAX_ROWS else odd[:MAX_ROWS]
    for row, held in chosen:
        who = holders(held, shared=audit.evidence.contexts) or held.note or "nobody"
        mark = "" if held.standing is Standing.OWNED else f" [{held.standing.value}]"
        sure = "" if held.sure == "certain" else f" ({held.sure})"
        yield f"  {row.start:#x}-{row.end:#x} {row.type.cattr}: {who}{mark}{sure}"
    if len(chosen) < len(pairs):
        yield f"  ... {len(pairs) - len(chosen)} more; --json lists all"
    if not pairs:
        yield "  none"
