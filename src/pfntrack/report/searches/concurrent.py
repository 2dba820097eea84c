"""What `pfntrack check --concurrent` found, as text, JSON and scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from pfntrack.check.race.found import Finding
from pfntrack.check.race.scenarios import shortened
from pfntrack.check.race.search import Concurrent, Example
from pfntrack.check.search.setting import Setting
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.report.runs.json_run import release_json
from pfntrack.report.runs.text import notes
from pfntrack.report.searches.race import MEANINGS
from pfntrack.scenario import Scenario, Step, format_scenario

Json = dict[str, Any]
CONCURRENT = "pfntrack.concurrent/1"


def example_scenario(setting: Setting, name: str, example: Example) -> Scenario:
    """A finding as a scenario: the files, the program, and the overlap with its schedule."""
    overlap = attrs.evolve(example.race.overlap, schedule=shortened(example.finding))
    operations = (*setting.opens, *example.program, overlap)
    release = setting.release
    return Scenario(
        name=f"race-{release.name}-{name}".lower(),
        about=f"{name} on {release.title}: {example.finding.violation.reason}",
        tags=("race",),
        machine=setting.spec,
        steps=tuple(Step(op) for op in operations),
    )


def concurrent_text(
    setting: Setting, depth: int, found: Concurrent, files: Mapping[str, str]
) -> str:
    """The result with its bounds; a pass is one within them."""
    release, done = setting.release, found.coverage
    lines = [
        *notes([release]),
        f"overlapping operations on {release.title} ({release.design.name})",
        f"within {setting.bounds}",
        f"operations: {', '.join(setting.ordered)}; programs of up to {depth} before the overlap",
        f"{done.states:,} states, {done.pairs:,} pairs of operations, "
        f"{done.interfering:,} of which interfere: {done.schedules:,} schedules, "
        f"{done.moments:,} distinct moments",
    ]
    if found.why:
        lines.append(f"not complete: {found.why}")
    for name, example in sorted(found.examples.items()):
        lines += ["", *_example(setting, name, example)]
        if name in files:
            lines.append(f"     written to {files[name]}")
    kept = [name for name in MEANINGS if name not in found.examples and name not in ("I7", "I9")]
    end = "so far" if found.why else "within these bounds"
    lines += ["", f"no schedule alone breaks {', '.join(kept)} {end}"]
    return "\n".join(lines) + "\n"


def _example(setting: Setting, name: str, example: Example) -> list[str]:
    text = format_scenario(example_scenario(setting, name, example)).splitlines()
    begin = next((at for at, line in enumerate(text) if " opens " in line), 0)
    return [
        f"BROKEN {name}: {example.finding.violation.reason}",
        f"     ({MEANINGS[name]})",
        *(f"     {line}" for line in text[begin:] if line),
    ]


def concurrent_json(setting: Setting, depth: int, found: Concurrent) -> Json:
    """The document."""
    done = found.coverage
    return {
        "schema": CONCURRENT,
        **release_json(setting.release),
        "bounds": str(setting.bounds),
        "operations": list(setting.ordered),
        "depth": depth,
        "complete": not found.why,
        "why": found.why,
        **attrs.asdict(done),
        "findings": [
            _finding(setting, name, example) for name, example in sorted(found.examples.items())
        ],
    }


def _finding(setting: Setting, name: str, example: Example) -> Json:
    finding: Finding = example.finding
    return {
        "property": name,
        "reason": finding.violation.reason,
        "start": finding.violation.first << PAGE_SHIFT,
        "end": finding.violation.end << PAGE_SHIFT,
        "when": finding.when,
        "steps_before": len(example.program),
        "parts": len(finding.schedule),
        "scenario": format_scenario(example_scenario(setting, name, example)),
    }
