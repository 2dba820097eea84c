"""The audit as JSON, in the versioned form that `pfntrack schema audit` prints.

Written in pieces, one array element at a time, so that a machine with a
million reservations needs no second copy of itself in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from pfntrack import __version__
from pfntrack.audit.judged.checks import Audit
from pfntrack.audit.judged.checks_mapping import has_lost_tracking, holders
from pfntrack.audit.judged.finding import CODES, Finding
from pfntrack.audit.judged.owners import Holding
from pfntrack.audit.judged.predict import Left
from pfntrack.audit.read.users import User
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.state import Confidence, Entry, KernelMapping, Reservation

NAME = "pfntrack.audit/1"
Json = dict[str, Any]


def as_json(audit: Audit) -> Json:
    """The whole audit as one value; addresses are integers in bytes, ranges half-open."""
    loaded: Json = json.loads("".join(write(audit)))
    return loaded


def write(audit: Audit) -> Iterator[str]:
    """The same as text, piece by piece."""
    evidence = audit.evidence
    state = evidence.state
    head: Json = {
        "schema": NAME,
        "tool": {"name": "pfntrack", "version": __version__},
        "input": {
            "name": evidence.name,
            "readings": evidence.readings,
            "still": evidence.still,
            "types": evidence.sources.types or None,
        },
        "kernel": {
            "text": state.kernel,
            "modelled_as": evidence.release.name if evidence.release else None,
            "note": evidence.release.note if evidence.release else "",
            "tracking_model": state.tracking_model,
            "pat": evidence.pat_on,
        },
        "confidence": {group: known.value for group, known in sorted(state.confidence.items())},
        "missing": list(evidence.missing),
        "undecided": list(audit.undecided),
    }
    yield "{\n" + ",\n".join(f" {json.dumps(key)}: {json.dumps(head[key])}" for key in head)
    shared = evidence.contexts
    pairs = zip(state.reservations, audit.owners.holdings, strict=True)
    yield from _array("reservations", _reservations(pairs, shared=shared))
    varying = evidence.varying.items()
    yield from _array("unstable", (_encode(_varying(row, span)) for row, span in varying))
    yield from _array("mappings", (_encode(_mapping(audit, user)) for user in audit.users))
    contexts = (_encode(attrs.asdict(each, filter=_PLACELESS)) for each in state.contexts)
    yield from _array("contexts", contexts)
    seen = evidence.known("entries") is Confidence.READ
    areas = state.kernel_mappings if seen else ()
    yield from _array("kernel_mappings", (_encode(_area(area)) for area in areas))
    yield from _array("findings", (_encode(_finding(made)) for made in audit.findings))
    yield f',\n "findings_dropped": {audit.dropped},\n "predicted": {{\n'
    made = audit.forecast
    yield f'  "decidable": {json.dumps(made.decidable)},\n  "log": {json.dumps(list(made.log))}'
    yield from _array("all", map(_left_text, made.everyone), "  ")
    yield from _array(
        "processes",
        (
            _encode(
                {
                    "pid": one.pid,
                    "comm": one.comm,
                    "ranges": [_left(left) for left in one.ranges],
                    "log": list(one.log),
                    "frees": one.frees,
                    "undecidable_mappings": one.unknown,
                }
            )
            for one in made.processes
        ),
        "  ",
    )
    yield "\n }\n}\n"


_encode = json.JSONEncoder().encode
_PLACELESS = attrs.filters.exclude("place")


def _array(name: str, values: Iterable[str], margin: str = " ") -> Iterator[str]:
    yield f',\n{margin}"{name}": ['
    glue = f"\n{margin} "
    for value in values:
        yield glue + value
        glue = f",\n{margin} "
    yield "]"


def _reservations(pairs: Iterable[tuple[Reservation, Holding]], *, shared: bool) -> Iterator[str]:
    """One object each; what holders without a VMA have in common is encoded once."""
    tails: dict[tuple[str, str, str], str] = {}
    for row, held in pairs:
        if held.users:
            tail = _encode(_held(held, shared=shared))
        else:
            key = (held.standing.value, held.note, held.area.owner if held.area else "")
            tail = tails.get(key) or tails.setdefault(key, _encode(_held(held, shared=shared)))
        yield f'{{"start": {row.start}, "end": {row.end}, "type": "{row.type.cattr}", {tail[1:]}'


def _held(held: Holding, *, shared: bool) -> Json:
    owners: list[Json] = []
    if held.area is not None:
        owners.append({"kind": "ioremap", "caller": held.area.owner})
    owners += [_user(user) for user in held.users]
    return {
        "owner": holders(held, shared=shared),
        "state": held.standing.value,
        "sure": held.sure,
        "owners": owners,
        "note": held.note,
    }


def _user(user: User) -> Json:
    return {
        "kind": "vma",
        "pid": user.pid,
        "comm": user.comm,
        "start": user.vma.start << PAGE_SHIFT,
        "end": user.vma.end << PAGE_SHIFT,
        "file": user.vma.file,
    }


def _mapping(audit: Audit, user: User) -> Json:
    if has_lost_tracking(audit.evidence, user):
        tracked = "lost"
    elif user.tracked is None or (
        audit.evidence.contexts
        and user.tracked
        and audit.evidence.known("contexts") is not Confidence.READ
    ):
        tracked = "not visible" if user.tracked is None else "inferred"
    else:
        tracked = "yes" if user.tracked else "no"
    made = _user(user)
    del made["kind"]
    made["physical"] = list(user.phys) if user.phys else None
    made["asked"] = user.asked.cattr if user.asked is not None else None
    made["tracked"] = tracked
    made["context"] = user.vma.context
    seen = audit.evidence.known("entries") is Confidence.READ
    made["entries"] = [_entry(entry) for entry in user.vma.entries] if seen else None
    return made


def _entry(entry: Entry) -> Json:
    return {
        "start": entry.start << PAGE_SHIFT,
        "end": entry.end << PAGE_SHIFT,
        "physical": None if entry.pfn is None else entry.pfn << PAGE_SHIFT,
        "type": entry.type.cattr,
        "write": entry.write,
        "huge": entry.huge,
        "accessible": entry.accessible,
    }


def _area(area: KernelMapping) -> Json:
    return {
        "owner": area.owner,
        "start": area.start,
        "end": area.end,
        "type": area.type.cattr,
        "mapped": area.mapped,
    }


def _varying(row: tuple[int, int, str], span: tuple[int, int]) -> Json:
    return {"start": row[0], "end": row[1], "type": row[2], "fewest": span[0], "most": span[1]}


def _left(left: Left) -> Json:
    return {"start": left[0], "end": left[1], "type": left[2].cattr}


def _left_text(left: Left) -> str:
    return f'{{"start": {left[0]}, "end": {left[1]}, "type": "{left[2].cattr}"}}'


def _finding(made: Finding) -> Json:
    return {
        "code": made.code,
        "meaning": CODES[made.code].meaning,
        "harm": CODES[made.code].harm,
        "advice": CODES[made.code].advice,
        "severity": made.severity,
        "confidence": made.confidence,
        "summary": made.summary,
        "start": made.where[0] if made.where else None,
        "end": made.where[1] if made.where else None,
        "type": made.type,
        "pids": list(made.pids),
        "rests_on": list(made.rests_on),
    }
