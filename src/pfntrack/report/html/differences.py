"""Where runs of one scenario differ, as an observer sees them.

Judged on the published JSON, so that runs saved at different times, or of the
model and of a real kernel, can be put side by side. Compared are the result,
reservations that were not there from the start, tracking, entries, the log
(without the lines of ``debugpat``, and without the numbers of processes) and,
among runs of the model, the properties that broke.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pfntrack.report.text import DEBUGPAT

Json = dict[str, Any]
_DEBUG = frozenset(cls.kind for cls in DEBUGPAT)
_PID = re.compile(r"(?<=:)[0-9]+(?= )")
_LOST = "the run ends before"


def differences(runs: Sequence[Json]) -> tuple[list[list[int]], list[list[str]]]:
    """For each step: the group of equals that each run is in, and the names of what differs."""
    steps = max(len(run["steps"]) for run in runs)
    judged = all(source(run) == "model" for run in runs)
    groups, differs = [], []
    for at in range(steps):
        views = [_view(run, at, judged=judged) for run in runs]
        keys = [json.dumps(view, sort_keys=True) for view in views]
        order = list(dict.fromkeys(keys))
        groups.append([order.index(key) for key in keys])
        names = list(dict.fromkeys(name for view in views for name in view))
        differs.append(
            [n for n in names if len({json.dumps(view.get(n)) for view in views}) > 1]
            if len(order) > 1
            else []
        )
    return groups, differs


def first_difference(runs: Sequence[Json]) -> int | None:
    """Number of the first step after which an observer can tell the runs apart."""
    _, differs = differences(runs)
    return next((at for at, names in enumerate(differs, 1) if names), None)


def source(run: Json) -> str:
    """`model` or `kernel`; older documents show it by what they do not know."""
    if "source" in run:
        return str(run["source"])
    known = run["start"]["confidence"]
    return "kernel" if known.get("kernel_mappings") == "unknown" else "model"


def _view(run: Json, at: int, *, judged: bool) -> dict[str, Any]:
    if at >= len(run["steps"]):
        return {_LOST: True}
    step = run["steps"][at]
    state, result = step["state"], step["result"]
    before = Counter(map(_span, run["start"]["reservations"]))
    now = Counter(map(_span, state["reservations"]))
    vmas = [(p["name"], vma) for p in state["processes"] for vma in p["vmas"]]
    view: dict[str, Any] = {
        "result": [result["ret"] < 0, result["err"], result["signal"], result["value"]],
        "reservations": sorted((now - before).elements()) + sorted((before - now).elements()),
        "tracking": [[name, vma["start"], vma["end"]] for name, vma in vmas if vma["tracked"]],
        "entries": [
            [name, entry["start"], entry["end"], entry["type"], entry["write"], _target(entry)]
            for name, vma in vmas
            for entry in vma["entries"]
        ],
        "log": [
            _PID.sub("N", event["text"])
            for event in step["events"]
            if event["text"] and event["kind"] not in _DEBUG
        ],
    }
    if judged:
        view["properties"] = [
            [broken["property"], broken["start"], broken["end"]]
            for broken in step["broken"]
            if broken.get("new")
        ]
    return view


def _span(held: Json) -> str:
    """A reservation by window if it has one: two machines put a window at different places."""
    place = held["place"]
    where = [held["start"], held["end"]]
    if place is not None:
        where = [place["window"], place["first"], place["end"]]
    return json.dumps([*where, held["type"]])


def _target(entry: Json) -> Any:
    place = entry["place"]
    return entry["pfn"] if place is None else [place["window"], place["first"]]
