"""A recording shown as a run says of leaks what the model's run says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pfntrack.check.run import Run, run_scenario
from pfntrack.lab.play.programs import plan
from pfntrack.releases import RELEASES, release_for
from pfntrack.report.lab.run import run_of
from pfntrack.scenario import find, library

TRACES = Path(__file__).parents[1] / "conform" / "traces"
RECORDED = [
    (release, path.stem)
    for release in RELEASES
    for path in sorted((TRACES / release).glob("*.json"))
    if path.stem in library()
]


def _left(run: Run) -> list[str]:
    """The leaks by window."""
    spans = [(each.first << 12, each.end << 12) for each in run.leaks]
    return sorted(
        str(each.place) for each in run.leaked.reservations if (each.start, each.end) in spans
    )


@pytest.mark.parametrize(("release", "name"), RECORDED)
def test_leaks_are_those_of_the_model(release: str, name: str) -> None:
    """I1 at the end: what live kernel mappings hold is no leak, whoever looks."""
    trace = json.loads((TRACES / release / f"{name}.json").read_text(encoding="utf-8"))
    scenario = find(name)
    model = run_scenario(scenario, release_for(release))
    assert _left(run_of(plan(scenario), trace, release_for(release))) == _left(model)


def test_a_live_ioremap_is_among_them() -> None:
    """At least one recording ends with an entry that the kernel's own code holds."""
    held = [
        name
        for release, name in RECORDED
        if json.loads((TRACES / release / f"{name}.json").read_text(encoding="utf-8"))["end"][
            "leaked"
        ]
        and not run_scenario(find(name), release_for(release)).leaks
    ]
    assert held
