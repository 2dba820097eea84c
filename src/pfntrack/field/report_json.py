"""Findings as JSON, in the versioned form that `pfntrack schema triage` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pfntrack import __version__
from pfntrack.field.answers import answer, warnings
from pfntrack.field.catalogue.diagnoses.codes import Citation
from pfntrack.field.finding import Finding
from pfntrack.field.read.collect import Log
from pfntrack.field.read.facts import Fact
from pfntrack.field.read.replay import Replay
from pfntrack.field.triage import Result

NAME = "pfntrack.triage/1"
MAX_FACTS, MAX_LINES = 200, 50

Json = dict[str, Any]


def as_json(result: Result) -> Json:
    """The whole result; addresses are integers in bytes, ranges half-open."""
    release = result.context.release or result.log.release
    return {
        "schema": NAME,
        "tool": {"name": "pfntrack", "version": __version__},
        "input": {
            "name": result.name,
            "lines": result.log.lines,
            "facts": len(result.log.facts),
            "facts_dropped": result.log.dropped,
        },
        "kernel": None
        if release is None
        else {"release": str(release), "text": release.text, "vendor": release.vendor},
        "context": list(result.context.sources),
        "diagnosis": result.diagnosis,
        "verdict": result.verdict,
        "near": [{"number": number, "text": text} for number, text in result.near],
        "findings": [_finding(made, result.log) for made in result.findings],
        "replay": None if result.replay is None else _replay(result.replay),
    }


def _finding(made: Finding, log: Log) -> Json:
    entry = made.entry
    facts = [
        *(_fact(fact, "cause") for fact in made.facts[:MAX_FACTS]),
        *(_fact(fact, "followup") for fact in made.followups[:MAX_FACTS]),
    ]
    lines = sorted({(f.line, f.text) for f in (*made.facts, *made.followups)})[:MAX_LINES]
    return {
        "code": made.code,
        "answer": answer(made),
        "title": entry.title,
        "severity": made.level,
        "harm": made.impact,
        "confidence": made.confidence,
        "basis": list(made.basis),
        "what": entry.what,
        "rule": entry.rule,
        "notes": list(made.notes),
        "count": made.count,
        "rate_per_second": made.rate,
        "facts": facts,
        "lines": [{"number": number, "text": text} for number, text in lines],
        "candidates": [list(pair) for pair in made.candidates],
        "owners": list(made.owners),
        "affected_kernels": str(entry.window) if entry.window is not None else None,
        "kernel_affected": made.affected,
        "fixed_by": [_citation(c) for c in entry.fixed_by],
        "do": list(entry.do),
        "dont": list(warnings(made, log)),
        "followups_expected": list(entry.followups),
        "missing": list(made.missing),
        "commands": list(entry.commands) if made.missing or made.confidence != "high" else [],
        "alternatives": list(made.alternatives),
        "citations": [_citation(c) for c in (*entry.fixed_by, *entry.see)],
    }


def _citation(citation: Citation) -> Json:
    return {"ref": citation.ref, "title": citation.title}


def _fact(fact: Fact, role: str) -> Json:
    data: Json = {"kind": fact.kind, "role": role, "at": fact.line, "count": fact.count}
    if fact.has_range:
        data["start"], data["end_excl"] = fact.span
    elif fact.start is not None:
        data["start"] = fact.start
    if fact.time is not None:
        data["time"] = fact.time
    if fact.frames:
        data["frames"] = list(fact.frames)
    values: Mapping[str, Any] = fact.values
    for name, value in values.items():
        data[name] = value
    return data


def _replay(played: Replay) -> Json:
    return {
        "complete": played.complete,
        "steps": [
            {"line": s.line, "action": s.action, "note": s.note, "wrong_owner": s.wrong_owner}
            for s in played.steps[:1000]
        ],
        "first_wrong": None if played.first_wrong is None else played.first_wrong.line,
        "residue": [
            {"start": e.start, "end_excl": e.end, "type": e.type.cattr}
            for e in played.residue[:1000]
        ],
    }
