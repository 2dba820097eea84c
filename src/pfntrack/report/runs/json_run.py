"""Runs, comparisons and conformance reports as JSON of versioned schemas."""

from __future__ import annotations

import enum
from typing import Any

import attrs

from pfntrack.check.judged.asked import ASKED, Conversion
from pfntrack.check.judged.properties import PROPERTIES, Violation
from pfntrack.check.race.rows import Row, rows
from pfntrack.check.run import Run, StepRun
from pfntrack.mm.ops import Op
from pfntrack.mm.overlap import Overlap
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.events import Call, Event, Note, Task, Warn, WrongOwner
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases import Release
from pfntrack.report.runs.facts import compared, result_word
from pfntrack.scenario.evaluate import Verdict
from pfntrack.scenario.text import format_claim, format_op, format_scenario
from pfntrack.state.schema import to_json
from pfntrack.traces.conform import LIMITS, KernelReport

Json = dict[str, Any]

RUN = "pfntrack.run/1"
COMPARISON = "pfntrack.comparison/1"
CONFORMANCE = "pfntrack.conformance/1"


def run_json(run: Run, source: str = "model") -> Json:
    """One scenario under one release; `source` is model, or kernel for a run that was observed."""
    return {
        "schema": RUN,
        "scenario": {
            "name": run.scenario.name,
            "about": run.scenario.about,
            "tags": list(run.scenario.tags),
            "text": format_scenario(run.scenario),
        },
        "source": source,
        **release_json(run.release),
        "properties": PROPERTIES,
        "start": to_json(run.start),
        "steps": [_step(run, step) for step in run.steps],
        "end": {
            "state": to_json(run.leaked),
            "leaks": [_violation(v) for v in run.leaks],
            "expectations": [_verdict(v) for v in run.verdicts],
        },
        "broken": sorted(run.broken),
    }


def release_json(release: Release) -> Json:
    """Which release was modelled, and for which kernel that was asked for."""
    return {
        "release": release.name,
        "design": release.design.name,
        "asked": release.asked or release.name,
        "note": release.note,
    }


def _step(run: Run, step: StepRun) -> Json:
    course: Json = {}
    if step.course is not None and isinstance(step.op, Overlap):
        course["sides"] = [format_op(each) for each in (step.op.left, step.op.right)]
        course["parts"] = [row_json(row) for row in rows(run.kernel(), step.course)]
    return {
        **course,
        "number": step.number,
        "line": step.line,
        "text": step.text,
        "op": op_json(step.op),
        "result": attrs.asdict(step.result),
        "events": [_event(e) for e in step.events if not isinstance(e, Call | Note | WrongOwner)],
        "calls": [_call(e) for e in step.events if isinstance(e, Call)],
        "why": [
            {"function": e.function, "rule": e.rule} for e in step.events if isinstance(e, Note)
        ],
        "state": to_json(step.state),
        "broken": [_violation(v) | {"new": v in step.fresh} for v in step.broken],
        "notes": [_conversion(c) for c in step.converted],
        "expectations": [_verdict(v) for v in step.verdicts],
    }


def op_json(op: Op) -> Json:
    """An operation: its kind and its fields."""
    fields = {key: plain(value) for key, value in attrs.asdict(op, recurse=False).items()}
    return {"kind": type(op).__name__.lower(), **fields}


def plain(value: object) -> Any:
    """A value as JSON has it; types by the kernel's names."""
    if isinstance(value, CacheMode):
        return value.cattr
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Task):
        return {"comm": value.comm, "pid": value.pid}
    if isinstance(value, Op):
        return op_json(value)
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value


def row_json(row: Row) -> Json:
    """One part of one of two overlapping calls."""
    sides = ("left", "right")
    return {
        "call": sides[row.call],
        "function": row.function,
        "what": row.what,
        "held": [{"call": sides[call], "lock": what} for call, what in row.held],
        "stale": row.stale,
        "log": list(row.log),
        "broken": [{"property": each.property, "reason": each.reason} for each in row.broken],
        "result": result_word(row.result) if row.result is not None else None,
    }


def _event(event: Event) -> Json:
    fields = {key: plain(value) for key, value in attrs.asdict(event, recurse=False).items()}
    if isinstance(event, Warn):
        fields["chain"] = list(event.chain)
    return {"kind": event.kind, "level": event.level, "text": event.text(), **fields}


def _call(call: Call) -> Json:
    fields = {key: plain(value) for key, value in call.fields}
    return {"function": call.function, "task": plain(call.task), **fields}


def _violation(violation: Violation) -> Json:
    return {
        "property": violation.property,
        "start": violation.first << PAGE_SHIFT,
        "end": violation.end << PAGE_SHIFT,
        "reason": violation.reason,
    }


def _conversion(found: Conversion) -> Json:
    return {
        "kind": ASKED,
        "start": found.first << PAGE_SHIFT,
        "end": found.end << PAGE_SHIFT,
        "asked": found.asked.cattr,
        "got": found.got.cattr,
        "text": found.text,
    }


def _verdict(verdict: Verdict) -> Json:
    claim = format_claim(verdict.expect)
    return {"claim": claim, "holds": verdict.holds, "found": verdict.found or None}


def comparison_json(runs: list[Run]) -> Json:
    """One scenario under several releases: what was compared, and where they differ."""
    made = [run_json(run) for run in runs]
    return {
        "schema": COMPARISON,
        "scenario": runs[0].scenario.name,
        **compared(made).as_json(),
        "runs": made,
    }


def conformance_json(reports: list[KernelReport]) -> Json:
    """What agrees with recorded traces, and what does not."""
    return {
        "schema": CONFORMANCE,
        "kernels": {report.series: _kernel(report) for report in reports},
        "limits": list(LIMITS),
    }


def _kernel(report: KernelReport) -> Json:
    return {
        "modelled_as": report.release,
        "note": report.note,
        "scenarios": len(report.scenarios),
        "scenarios_agree": sum(scenario.agrees for scenario in report.scenarios),
        "steps": len(report.steps),
        "steps_agree": sum(step.agrees for step in report.steps),
        "disagreements": [
            {
                "scenario": scenario.name,
                "path": scenario.path,
                "step": step.number,
                "op": step.op,
                "fields": [
                    {"field": d.field, "model": d.model, "recorded": d.recorded}
                    for d in step.differences
                ],
            }
            for scenario in report.scenarios
            for step in scenario.steps
            if step.differences
        ],
        "not_comparable": [
            {
                "scenario": scenario.name,
                "path": scenario.path,
                "step": step.number,
                "op": step.op,
                "reason": step.not_comparable,
            }
            for scenario in report.scenarios
            for step in scenario.steps
            if step.not_comparable
        ],
    }
