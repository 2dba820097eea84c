"""Two questions about a place: is this BAR write-combining, and what would a request get."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import attrs

from pfntrack.audit.judged import checks_memory as memory
from pfntrack.audit.judged.checks import Audit
from pfntrack.audit.judged.checks_mapping import holders
from pfntrack.audit.judged.effective import effective, mtrr_type
from pfntrack.audit.judged.finding import span_text
from pfntrack.audit.judged.owners import Holding
from pfntrack.audit.read.evidence import Bar, PciDevice
from pfntrack.audit.read.users import Untracked
from pfntrack.errors import InputFormatError
from pfntrack.pat.cachemode import BY_CATTR, BY_SHORT, CacheMode
from pfntrack.pat.intervals import Disjoint
from pfntrack.pat.memtype import is_new_memtype_allowed, is_untracked_pat_range
from pfntrack.pat.memtype_interval import Conflict, Memtype, memtype_check_insert
from pfntrack.pat.mtrr import WB, WC
from pfntrack.state import Confidence, Reservation

_BAR = re.compile(r"^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])(?:/([0-6]))?$")
_NAMED = 4
_RANGE = re.compile(
    r"""^(?:.*?[ ]@[ ]|[^\[]*?:[ ]*(?=\[))?(?P<open>\[)?(?P<mem>mem[ ])?\s*
    (?:0x)?(?P<start>[0-9a-f]{1,16})
    (?: \s*(?:-|,)\s*(?:0x)?(?P<end>[0-9a-f]{1,16})
      | \s*\+\s*(?P<size>0x[0-9a-f]{1,16}|[0-9]{1,16})\s*(?P<unit>[KMG]?)(?:i?B)? )
    [\])]?(?P<iomem>[ ]:[ ].*)?$""",
    re.VERBOSE | re.IGNORECASE,
)


@attrs.frozen
class Answer:
    """Lines for people and the same as data."""

    lines: tuple[str, ...]
    data: dict[str, object]


def parse_range(text: str) -> tuple[int, int]:
    """The half-open range that is meant, in any notation of this tool or of the kernel.

    `[mem A-B]` of the log and of the reservation list, and lines of /proc/iomem, end at their
    last byte; `[A, B)` and the older `TYPE @ A-B` end behind it, and so does a bare `A-B`
    unless B ends in fff. `A+SIZE` has a size in bytes, or with K, M or G. Numbers are
    hexadecimal. Raises InputFormatError.
    """
    expected = "expected START-END in hex, [mem START-LAST], [START, END) or START+SIZE"
    match = _RANGE.search(text.strip())
    if match is None:
        raise InputFormatError(f"--range {text!r}: {expected}")
    start, end = int(match["start"], 16), int(match["end"], 16) if match["end"] else 0
    if match["size"]:
        unit = {"": 0, "K": 10, "M": 20, "G": 30}[match["unit"].upper()]
        end = start + (int(match["size"], 0 if match["size"].startswith("0x") else 10) << unit)
    elif match["mem"] or match["iomem"] or (not match["open"] and end & 0xFFF == 0xFFF):
        end += 1
    if not start < end <= 1 << 64:
        raise InputFormatError(f"--range {text!r}: {expected}, and START below END")
    return start, end


def parse_type(text: str) -> CacheMode:
    """A type by the kernel's name or by its short name."""
    found = BY_CATTR.get(text, BY_SHORT.get(text.upper()))
    if found is None:
        raise InputFormatError(f"--type {text!r}: expected one of {', '.join(BY_CATTR)}")
    return found


def ask_bar(audit: Audit, text: str) -> Answer:
    """Is the BAR write-combining, in which part, and who decided it."""
    match = _BAR.match(text.lower())
    if match is None:
        raise InputFormatError(f"--bar {text!r}: expected DOMAIN:BUS:DEV.FN or the same with /N")
    name = f"{match[1] or '0000'}:{match[2]}"
    device = next((d for d in audit.evidence.devices if d.name == name), None)
    if device is None:
        raise InputFormatError(f"--bar {text!r}: no such device in {audit.evidence.name}/pci")
    bars = [bar for bar in device.bars if match[3] is None or bar.number == int(match[3])]
    if not bars:
        raise InputFormatError(f"--bar {text!r}: {name} has no such memory window")
    lines: list[str] = []
    parts = []
    for bar in bars:
        made = _bar(audit, device, bar)
        lines += made.lines
        parts.append(made.data)
    return Answer(tuple(lines), {"device": name, "driver": device.driver, "bars": parts})


def _bar(audit: Audit, device: PciDevice, bar: Bar) -> Answer:
    hits = _hits(audit, bar.start, bar.end)
    combining = Disjoint(_combining(audit, bar, hits))
    wc = list(zip(combining.starts, combining.ends, strict=True))
    size = bar.end - bar.start
    covered = sum(end - start for start, end in wc)
    if audit.evidence.pat_on is False and covered == size:
        verdict, reason = "yes", "PAT is off, but an MTRR makes all of it write-combining"
    elif audit.evidence.pat_on is False:
        verdict = "no"
        reason = "PAT is off: write-combining cannot be asked for through page tables"
    elif not audit.evidence.readings:
        verdict, reason = "unknown", "the reservation list is not known"
    elif covered == size:
        verdict, reason = "yes", "all of it is reserved write-combining"
    elif wc:
        verdict, reason = "partly", f"{covered} of {size} bytes are reserved write-combining"
    elif hits:
        types = ", ".join(sorted({row.type.cattr for row, _ in hits}))
        verdict = "no"
        reason = f"it is reserved {types}, and later requests inherit that, resourceN_wc included"
    else:
        verdict = "no"
        reason = "nothing is reserved: nobody maps it, or the driver maps it without tracking"
    decided = _decided(audit, hits)
    how = _how(audit, bar, verdict, hits)
    lines = [
        f"{device.name} BAR {bar.number} {span_text(bar.start, bar.end)}, "
        f"{'prefetchable' if bar.prefetchable else 'not prefetchable (no resourceN_wc file)'}, "
        f"driver {device.driver or 'none'}",
        f"  write-combining: {verdict}; {reason}",
        *(f"  write-combining part: {span_text(*part)}" for part in wc),
        *([f"  decided by {decided}"] if decided else []),
        *([f"  {how}"] if how else []),
        *_told(audit, hits),
        *_mapped(audit, bar.start, bar.end),
    ]
    data: dict[str, object] = {
        "number": bar.number,
        "start": bar.start,
        "end": bar.end,
        "prefetchable": bar.prefetchable,
        "write_combining": verdict,
        "parts": [{"start": start, "end": end} for start, end in wc],
        "decided_by": decided,
        "reason": reason,
        "reservations": _data(audit, hits),
    }
    return Answer(tuple(lines), data)


def _combining(
    audit: Audit, bar: Bar, hits: list[tuple[Reservation, Holding]]
) -> Iterator[tuple[int, int]]:
    """Parts that are write-combining, by their own type or by that of an MTRR."""
    if audit.evidence.pat_on is False and mtrr_type(audit.evidence, bar.start, bar.end) == WC:
        yield bar.start, bar.end
    for row, _ in hits:
        start, end = max(row.start, bar.start), min(row.end, bar.end)
        if effective(row.type, mtrr_type(audit.evidence, start, end)) is CacheMode.WC:
            yield start, end


def _how(audit: Audit, bar: Bar, verdict: str, hits: list[tuple[Reservation, Holding]]) -> str:
    """What it would take to make all of the BAR write-combining."""
    if verdict in ("yes", "unknown") or audit.evidence.pat_on is False:
        return ""
    if any(row.type is not CacheMode.WC for row, _ in hits):
        return "to change it: every holder below must release it; then the first request decides"
    file = f"mmap resource{bar.number}_wc, or " if bar.prefetchable else ""
    return f"to get it: {file}ioremap_wc() in the driver, for all of it and before other requests"


def _decided(audit: Audit, hits: list[tuple[Reservation, Holding]]) -> str | None:
    """Who made the type what it is: the first holder, but the list keeps no order of time."""
    shared = audit.evidence.contexts
    known = dict.fromkeys(
        holders(held, shared=shared) or held.note or "nobody that is left" for _, held in hits
    )
    edges = [(row.start, row.end) for row, _ in hits]
    if len(known) > 1 and all(one[1] <= two[0] for one, two in itertools.pairwise(edges)):
        return "the holder of each part, below"
    words = list(known)[:_NAMED]
    if len(known) > _NAMED:
        words.append(f"{len(known) - _NAMED} more")
    if len(words) == 1:
        return words[0]
    return "whichever came first of: " + "; ".join(words) if words else None


def ask_range(audit: Audit, start: int, end: int, kind: CacheMode | None) -> Answer:
    """Who holds the range, and what a request of `kind` for all of it would get."""
    hits = _hits(audit, start, end)
    lines = [f"{span_text(start, end)}", *_told(audit, hits), *_mapped(audit, start, end)]
    if not hits:
        lines.append("  no reservation (neighbours that only touch the range do not count)")
    data: dict[str, object] = {"start": start, "end": end, "reservations": _data(audit, hits)}
    if kind is not None:
        granted, why = _request(audit, start, end, kind, hits)
        lines.append(f"  a request for {kind.cattr}: {granted}; {why}")
        data["request"] = {"type": kind.cattr, "result": granted, "why": why}
    return Answer(tuple(lines), data)


def _hits(audit: Audit, start: int, end: int) -> list[tuple[Reservation, Holding]]:
    pairs = zip(audit.evidence.state.reservations, audit.owners.holdings, strict=True)
    return [(r, h) for r, h in pairs if r.start < end and start < r.end]


def _mapped(audit: Audit, start: int, end: int) -> Iterator[str]:
    """What is really mapped there, where page tables were read."""
    if audit.evidence.known("entries") is Confidence.READ:
        for use in memory.uses(audit.evidence, audit.users):
            if use.start < end and start < use.end:
                yield f"  page tables: {span_text(use.start, use.end)} {use.words}"


def _told(audit: Audit, hits: list[tuple[Reservation, Holding]]) -> Iterator[str]:
    for row, held in hits:
        who = holders(held, shared=audit.evidence.contexts) or held.note or "nobody"
        mtrr = mtrr_type(audit.evidence, row.start, row.end)
        real = effective(row.type, mtrr)
        also = f", with the MTRRs {real.cattr}" if real is not row.type else ""
        yield f"  {row.start:#x}-{row.end:#x} {row.type.cattr}{also}: {who} [{held.standing.value}]"
    if hits:
        yield "  The first reservation of a range decides its type; later ones inherit it."


def _data(audit: Audit, hits: list[tuple[Reservation, Holding]]) -> list[dict[str, object]]:
    return [
        {
            "start": row.start,
            "end": row.end,
            "type": row.type.cattr,
            "effective": _effective(audit, row),
            "owner": holders(held, shared=audit.evidence.contexts),
            "state": held.standing.value,
        }
        for row, held in hits
    ]


def _effective(audit: Audit, row: Reservation) -> str | None:
    """The type under the MTRRs, None if these are not known."""
    mtrr = mtrr_type(audit.evidence, row.start, row.end)
    return None if mtrr is None else effective(row.type, mtrr).cattr


def _request(
    audit: Audit, start: int, end: int, kind: CacheMode, hits: list[tuple[Reservation, Holding]]
) -> tuple[str, str]:
    """`memtype_reserve()` and the mapper's own check, on the list as it is."""
    if audit.evidence.pat_on is False:
        return kind.cattr, "PAT is off: every request is granted and nothing is kept"
    if not audit.evidence.readings:
        return "unknown", "the reservation list is not known"
    if is_untracked_pat_range(start, end):
        return CacheMode.WB.cattr, "the ISA hole is never tracked"
    if Untracked(audit.evidence)(start, end):
        return "unknown", "the range contains RAM, whose types are not in the list"
    actual = kind
    if kind is CacheMode.WB:
        mtrr = mtrr_type(audit.evidence, start, end)
        if mtrr is None and audit.evidence.mtrr is None:
            return "unknown", "the MTRRs decide a write-back request, and they are not known"
        actual = CacheMode.WB if mtrr == WB else CacheMode.UC_MINUS
    tree = tuple(Memtype(r.start, r.end, r.type) for r, _ in hits)
    made = memtype_check_insert(tree, start, end, actual, has_ret=True)
    if isinstance(made, Conflict):
        words = f"{made.found.cattr}<->{made.other.cattr}"
        return "refused (EBUSY)", f"the range overlaps entries of two types: {words}"
    if made.entry.type is kind:
        return kind.cattr, "nothing stands against it"
    if not is_new_memtype_allowed(start, end, kind, made.entry.type):
        return "refused (EINVAL)", f"it would get {made.entry.type.cattr}, which mappers refuse"
    if made.overlap is None:
        return made.entry.type.cattr, "the MTRRs do not say write-back there"
    return made.entry.type.cattr, "silently: the type of the entry that is already there"
