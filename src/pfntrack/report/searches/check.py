"""A search as JSON and as test results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.report import Found
from pfntrack.check.run import run_scenario
from pfntrack.check.search.bounds import Bounds
from pfntrack.check.search.setting import Setting
from pfntrack.report.runs.json_run import release_json, run_json
from pfntrack.report.searches.cases import Case
from pfntrack.scenario import Scenario, format_scenario, parse


def bounds_json(bounds: Bounds) -> dict[str, Any]:
    """Bounds as numbers, and as text."""
    numbers = attrs.asdict(bounds, filter=lambda field, _: not field.name.endswith("types"))
    return {
        "text": str(bounds),
        **numbers,
        "types": [kind.short for kind in bounds.types],
        "kernel_types": [kind.short for kind in bounds.kernel_types],
    }


def check_json(
    setting: Setting,
    found: Found,
    watched: frozenset[str],
    files: Mapping[str, str],
    examples: Mapping[str, Scenario],
) -> dict[str, Any]:
    """`pfntrack.check/1`; the examples are run, so that a reader can step through them."""
    texts = {name: format_scenario(example) for name, example in examples.items()}
    return {
        "schema": "pfntrack.check/1",
        **release_json(setting.release),
        "bounds": bounds_json(setting.bounds),
        "operations": list(setting.ordered),
        "complete": found.complete,
        "why": found.why or None,
        "missed_probability": found.missed,
        "states": found.states,
        "transitions": found.transitions,
        "cut": found.cut,
        "depth": found.depth,
        "coverage": {group: attrs.asdict(each) for group, each in found.coverage.items()},
        "idle": found.idle,
        "properties": {
            name: {
                "broken_after": found.verdicts.get(name),
                "exact": found.exact(name),
                "counterexample": files.get(name),
            }
            for name in PROPERTIES
            if name in watched
        },
        "cost": attrs.asdict(found.cost) if found.cost else None,
        "runs": {
            name: run_json(run_scenario(parse(texts[name]), setting.release))
            for name in PROPERTIES
            if name in texts
        },
    }


def cases(setting: Setting, found: Found, watched: frozenset[str]) -> list[Case]:
    """Each property as a test; what the search cannot tell is skipped."""
    unknown = ""
    if not found.complete:
        unknown = found.why
    elif found.idle:
        unknown = f"never changed anything: {', '.join(found.idle)}"
    return [
        Case(
            name,
            name not in found.verdicts,
            (f"{PROPERTIES[name]}: broken after {found.verdicts[name]} steps",)
            if name in found.verdicts
            else (f"holds for {setting.bounds}",),
            "" if name in found.verdicts else unknown,
        )
        for name in PROPERTIES
        if name in watched
    ]
