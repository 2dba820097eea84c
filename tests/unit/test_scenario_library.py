"""The library: complete, tidy, and true of the modelled releases."""

from __future__ import annotations

import attrs
import pytest

from pfntrack.check.run import run_scenario
from pfntrack.releases import RELEASES, Release
from pfntrack.scenario import ExpectProperty, Scenario, find, format_scenario, library, load
from pfntrack.scenario.evaluate import judge, judge_end
from pfntrack.scenario.seen import reservations, seen

SCENARIOS = {name: load(path) for name, path in library().items()}
GROUPS = (
    "conflict end-match fail fault fork kernel madvise map mprotect mremap munmap partial-remap "
    "private ram race revoke twice two-remaps vfio zap bug thread"
).split()
# Tables of measured semantics: rows that the language can say.
ROWS = (
    "S1 S2 S2b S3 S4 S5 S6 S7 S8 S9 S10 S11 S12 S12b S13 S14 S15 S16 S17 S17b S17c S17d S18 S18b "
    "S20 S20b S22 S22c S22d S34 S34b S34c S34d S35 S36 S36b S37 H1 H2 H4 H6 I1 I2 I4 I5 I6 I7 I8 "
    "I10 M1 N1 N2 P2 P3 P5 P6 T1 T2 T3 T3b T4 T5 T6 T7 T8 T8b T9 T10 T10b T10d T10e T10g T10h "
    "T10i T11 T12 T13 T14 T15b T15c T16 T16b T16c T16d T17 T18 T19 T21 T22 T22b T22c T23 T23b "
    "T23c T29 V1 V2 R1 R2"
).split()
BUGS = (
    "B14 B15 B20 B22 B22b B23 B26 B27 B28 B29 B30 B31 B32 B33 B35 B36 B37 B38 B43 B48 B49 B51"
).split()


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_tidy(scenario: Scenario) -> None:
    """A file is in canonical form, named like its scenario, and says what it is about and for."""
    path = library()[scenario.name]
    assert path.read_bytes().decode() == format_scenario(scenario)
    assert scenario.about.endswith((".", "?"))
    assert scenario.tags
    assert any(step.expects for step in scenario.steps) or scenario.final


def test_complete() -> None:
    """Every group, measured row and known defect that can be said has its scenario."""
    tags = {tag for scenario in SCENARIOS.values() for tag in scenario.tags}
    assert not {*GROUPS, *BUGS, *(f"row-{row}" for row in ROWS)} - tags


def test_find() -> None:
    """A name leads to the scenario of that name."""
    assert find("split-head-first") == SCENARIOS["split-head-first"]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES)
def test_true(scenario: Scenario, release: Release) -> None:
    """What is claimed of a release is what its model does; properties are judged elsewhere."""
    run = run_scenario(scenario, release)
    names = release.name, release.design.name
    wrong = []
    for step, claimed in zip(run.steps, scenario.steps, strict=True):
        if step.course is not None:  # about all schedules, properties too
            wrong += [f"{step.text}: {v}" for v in step.verdicts if not v.holds]
            continue
        view = seen(run.start, step.state, step.result, step.events)
        expects = [claim for claim in claimed.expects if not isinstance(claim, ExpectProperty)]
        wrong += [f"{step.text}: {v}" for v in judge(expects, view, *names) if not v.holds]
    final = [claim for claim in scenario.final if not isinstance(claim, ExpectProperty)]
    left = reservations(run.start, run.leaked)
    wrong += [f"finally: {v}" for v in judge_end(final, left, (), *names) if not v.holds]
    assert not wrong


def test_a_wrong_claim_is_noticed() -> None:
    """The test above can fail: a claim turned round does not hold."""
    scenario = SCENARIOS["split-head-first"]
    release = RELEASES["6.12"]
    run = run_scenario(scenario, release)
    claims = [attrs.evolve(claim, on=()) for claim in scenario.final if claim.on == ("6.16..7.3",)]
    left = reservations(run.start, run.leaked)
    assert not judge_end(claims, left, run.broken)[0].holds
