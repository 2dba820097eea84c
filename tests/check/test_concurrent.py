"""Pairs of operations behind small programs: exact counts, and what is found."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import jsonschema
import pytest

from pfntrack.check.race import checkpoint
from pfntrack.check.race import search as searching
from pfntrack.check.race.found import Race, Racer
from pfntrack.check.race.schedules import every_schedule
from pfntrack.check.race.search import (
    Concurrent,
    Coverage,
    Search,
    interfere,
    pairs,
    search,
    states,
)
from pfntrack.check.run import run_scenario
from pfntrack.check.search.bounds import PRESETS, parse_bounds, parse_groups
from pfntrack.check.search.plain import explore
from pfntrack.check.search.setting import Setting
from pfntrack.cli import main
from pfntrack.errors import InputFormatError
from pfntrack.mm.overlap import Overlap
from pfntrack.releases import release_or_design
from pfntrack.releases.together import begin
from pfntrack.report.schemas import schema
from pfntrack.report.searches.concurrent import example_scenario


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
        ("context-ram", set(), Coverage(4, 37, 33, 484)),
        ("context-list", set(), Coverage(4, 37, 33, 484)),
        ("context-list-early", set(), Coverage(4, 37, 33, 484)),
        ("pfn-per-vma", {"I2", "I5-tlb"}, Coverage(4, 37, 33, 688)),
        ("side-table", {"I2", "I5-tlb"}, Coverage(4, 37, 33, 502)),
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


def stopped(where: Setting, pairs_before: int, path: Path) -> Concurrent:
    """A search that is interrupted behind some pair, with its checkpoint."""

    def tick(search: Search) -> None:
        if search.progress.coverage.pairs == pairs_before:
            raise KeyboardInterrupt

    first = Search(where, 1)
    found = first.run(tick=tick)
    checkpoint.save(first, path)
    return found


@pytest.mark.parametrize(
    ("release", "at"), [("7.3", 1), ("7.3", 20), ("7.3", 37), ("ours", 5), ("pfn-per-vma", 30)]
)
def test_stopped_and_resumed(release: str, at: int, tmp_path: Path) -> None:
    """A search that goes on from a checkpoint ends like one that was never stopped."""
    where, path = setting(release), tmp_path / "half"
    half = stopped(where, at, path)
    assert half.why == "interrupted"
    assert half.coverage.pairs == at
    later = Search(where, 1)
    checkpoint.resume(later, path)
    found, whole = later.run(), search(where, 1)
    assert found.coverage == whole.coverage
    assert not found.why
    assert {name: (e.program, e.race.overlap, e.finding) for name, e in found.examples.items()} == {
        name: (e.program, e.race.overlap, e.finding) for name, e in whole.examples.items()
    }


def test_foreign_checkpoints(tmp_path: Path) -> None:
    """A checkpoint of other bounds, another design, or of nothing is refused in one line."""
    path = tmp_path / "half"
    stopped(setting("7.3"), 3, path)
    for other in (Search(setting("7.3"), 2), Search(setting("ours"), 1)):
        with pytest.raises(InputFormatError, match="of another search"):
            checkpoint.resume(other, path)
    text = path.read_text()
    for damaged in ("", "[]", text[:40], text.replace('"pairs": 3', '"pairs": -3')):
        path.write_text(damaged)
        with pytest.raises(InputFormatError, match="not a checkpoint"):
            checkpoint.resume(Search(setting("7.3"), 1), path)
    path.write_text(text.replace('"shown": {}', '"shown": {"I1": 2}'))
    wrong = Search(setting("7.3"), 1)
    checkpoint.resume(wrong, path)
    with pytest.raises(InputFormatError, match="says that I1 breaks"):
        wrong.run()


def test_too_many_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not all schedules of a pair were tried, nothing is said to hold within the bounds."""

    def short(kernel: object, world: object, overlap: object) -> Race:
        return Racer(kernel, world, overlap, limit=20).run()  # type: ignore[arg-type]

    monkeypatch.setattr(searching, "race", short)
    found = search(setting("7.3"), 1)
    assert found.coverage.cut > 0
    assert found.why == f"{found.coverage.cut} pairs have too many schedules to try all"


def test_command_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--checkpoint and --resume belong together, and limits are said."""
    path = tmp_path / "save"
    line = "check --concurrent --release 7.3 --bounds 2,1,1,1,2 --ops map,fork,zap --no-output"
    assert main([*line.split(), "--checkpoint", str(path), "--memory", "1"]) == 3
    assert "not complete: the memory is used up" in capsys.readouterr().out
    assert main([*line.split(), "--resume", str(path)]) == 0
    assert main([*line.split(), "--ops", "map", "--resume", str(path)]) == 2
    assert main([*line.split(), "--property", "I1"]) == 2
