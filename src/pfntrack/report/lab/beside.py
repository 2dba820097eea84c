"""A run of the model beside one that was observed, as the lab has compared them.

The lab compares more closely than two runs as documents allow (contexts, offsets,
calls, call chains), so its verdict on each step is what the page shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pfntrack.check.run import run_scenario
from pfntrack.lab.play.programs import Plan
from pfntrack.releases import Release
from pfntrack.report.lab.run import run_of
from pfntrack.report.runs.facts import Comparison
from pfntrack.report.runs.json_run import COMPARISON, run_json
from pfntrack.traces.conform import ScenarioReport, StepReport

FIELDS = ("result", "reservations", "mappings", "entries", "tracking", "calls", "log")
_BY_PATH = {
    "result": "result",
    "memtype": "reservations",
    "baseline_missing": "reservations",
    "end": "reservations",
    "calls": "calls",
    "events": "log",
    "dmesg": "log",
}
_BY_KEY = {"ptes": "entries", "tracked": "tracking", "ctx": "tracking"}


def beside(
    plan: Plan, trace: Mapping[str, Any], release: Release, report: ScenarioReport
) -> dict[str, Any]:
    """`pfntrack.comparison/1` of the model and a kernel; `report` judged the recording."""
    observed = run_of(plan, trace, release)
    runs = [run_json(run_scenario(plan.scenario, release)), run_json(observed, "kernel")]
    differs = [_fields(step) for step in report.steps]
    # A guest that was lost has shown fewer steps.
    differs += [("result",)] * (len(runs[0]["steps"]) - len(differs))
    groups = tuple((0, 1) if names else (0, 0) for names in differs)
    return {
        "schema": COMPARISON,
        "scenario": plan.scenario.name,
        **Comparison(FIELDS, groups, tuple(differs)).as_json(),
        "runs": runs,
    }


def _fields(step: StepReport) -> tuple[str, ...]:
    """What differs in a step, in the words of comparisons."""
    if step.not_comparable:
        return ("not comparable",)
    return tuple(dict.fromkeys(_field(each.field) for each in step.differences))


def _field(path: str) -> str:
    """The field of a difference such as `procs.A.vmas[0].ptes`."""
    head, _, rest = path.partition(".")
    word = _BY_PATH.get(head.partition("[")[0])
    return word or _BY_KEY.get(rest.rpartition(".")[2].partition("[")[0], "mappings")
