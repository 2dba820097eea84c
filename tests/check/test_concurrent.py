"""Pairs of operations behind small programs: exact counts, and what is found."""

from __future__ import annotations

import json

import attrs
import jsonschema
import pytest

from pfntrack.check.race.schedules import every_schedule
from pfntrack.check.race.search import Coverage, interfere, pairs, search, states
from pfntrack.check.run import run_scenario
from pfntrack.check.search.bounds import PRESETS, parse_bounds, parse_groups
from pfntrack.check.search.plain import explore
from pfntrack.check.search.setting import Setting
from pfntrack.cli import main
from pfntrack.mm.overlap import Overlap
from pfntrack.releases import release_or_design
from pfntrack.releases.together import begin
from pfntrack.report.concurrent import example_scenario
from pfntrack.report.schemas import schema


def setting(release: str, ops: str = "map,fork,zap,munmap") -> Setting:
    bounds = parse_bounds("2,1,1,1,2", PRESETS["quick"].bounds)
    return Setting(release_or_design(release), bounds, parse_groups(ops))


@pytest.mark.parametrize(
    ("release", "broken", "coverage"),
    [
        ("7.3", set(), Coverage(4, 37, 33, 484)),
        (
            "6.12",
            {"I1", "I10", "I2", "I4", "I5-tlb", "I6", "I8", "tight"},
            Coverage(4, 37, 33, 38_230),
        ),
        ("ours", {"I5-tlb", "I10", "tight"}, Coverage(4, 37, 33, 482)),
    ],
)
def test_counts(release: str, broken: set[str], coverage: Coverage) -> None:
    """What is tried is known to the last schedule, and contexts break nothing.

    How many moments stand for them depends on what the model's code reads, so it is bounded.
    """
    found = search(setting(release), 1)
    assert not found.why
    assert set(found.examples) == broken
    assert attrs.evolve(found.coverage, moments=0) == coverage
    assert found.coverage.moments < 3_000


def test_states_are_those_of_the_plain_search() -> None:
    """Programs of up to two operations lead to as many states as the plain search says."""
    for release in ("6.12", "7.3"):
        where = setting(release, "map,fork,zap,munmap,exit")
        assert explore(where, deepest=2).states == len(list(states(where, 2)))


@pytest.mark.parametrize(("release", "schedules"), [("7.3", 484), ("ours", 482)])
def test_schedules_are_all(release: str, schedules: int) -> None:
    """The number of schedules is that of an enumeration without any reduction."""
    where, number = setting(release), 0
    for state in states(where, 1):
        for pair in pairs(where, state.world):
            overlap = Overlap(*pair)
            if interfere(where, state.world, overlap):
                start = begin(where.kernel, state.world, overlap)
                number += sum(1 for _ in every_schedule(where.kernel, start))
    assert number == schedules


def test_examples_run() -> None:
    """Each finding is a scenario that breaks what it says."""
    where = setting("6.12")
    for name, example in search(where, 1).examples.items():
        run = run_scenario(example_scenario(where, name, example), where.release)
        if name not in ("I6", "I10", "tight"):
            assert name in run.broken


def test_what_does_not_interfere() -> None:
    """Two mappings of one process interfere by its lock and its VMAs; two faults of two do not."""
    where = setting("7.3", "map,fork,munmap")
    state = next(each for each in states(where, 1) if len(each.world.processes) == 2)
    found = {
        (
            type(left).__name__,
            type(right).__name__,
            interfere(where, state.world, Overlap(left, right)),
        )
        for left, right in pairs(where, state.world)
    }
    assert ("Mmap", "Mmap", True) in found


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Bounds are printed, JSON follows its schema, and a pass exits with 0."""
    line = "check --concurrent --release 7.3 --bounds 2,1,1,1,2 --ops map,fork,zap --no-output"
    assert main(line.split()) == 0
    out = capsys.readouterr().out
    assert "<= 2 processes" in out
    assert "within these bounds" in out
    assert main([*line.replace("7.3", "6.12").split(), "--json"]) == 1
    jsonschema.validate(json.loads(capsys.readouterr().out), schema("concurrent"))
    assert main([*line.split(), "--symmetry"]) == 2
