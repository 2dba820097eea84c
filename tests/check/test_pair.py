"""`pfntrack compare --explore`: the shortest program on which two kernels differ."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest

from pfntrack.check.asked.pair import FIELDS, compare, first_difference, scenario
from pfntrack.check.report import Move
from pfntrack.check.search.bounds import Bounds
from pfntrack.check.search.explore import Limits
from pfntrack.check.search.normal import normal
from pfntrack.check.search.setting import Setting
from pfntrack.check.search.trace import program
from pfntrack.cli.main import main
from pfntrack.designs import DESIGNS
from pfntrack.releases import World, release_for, release_with
from pfntrack.report.schemas import schema

ALL = frozenset(FIELDS)
GROUPS = ("map", "munmap", "zap", "fork", "forkfail", "exit")


def _settings(a: str, b: str, bounds: Bounds, groups: tuple[str, ...]) -> tuple[Setting, Setting]:
    both = [release_for(name) if name[0].isdigit() else release_with(name) for name in (a, b)]
    symbols = both[0].design.symbols | both[1].design.symbols
    one, other = (Setting(each, bounds, groups, symbols=symbols) for each in both)
    return one, other


@pytest.mark.parametrize(
    ("a", "b", "fields", "steps", "field"),
    [
        ("6.12", "7.3", ALL, 2, "reservations"),
        ("6.12", "7.3", {"log"}, 2, "log"),
        ("6.14", "6.12", {"result", "log"}, 2, "log"),
        ("track-context", "ours", {"reservations"}, 2, "reservations"),
        ("vm-pat", "untrack-at-unmap", {"log"}, 3, "log"),
    ],
)
def test_known_differences(a: str, b: str, fields: set[str], steps: int, field: str) -> None:
    """Kernels known to differ do so after so many steps, and the scenario shows it last."""
    one, other = _settings(a, b, Bounds(2, 2, 2, 2, 2), GROUPS)
    found = compare(one, other, fields=frozenset(fields)).difference
    assert found is not None
    assert (len(found.moves), found.field) == (steps, field)
    ops = [step.op for step in scenario(one, other, found, frozenset(fields)).steps]
    assert first_difference(one, other, ops, frozenset(fields)) == (len(ops) - 1, field)


@pytest.mark.parametrize("design", DESIGNS)
def test_nothing_differs_from_itself(design: str) -> None:
    """A kernel behaves like itself, on as many pairs as it has states."""
    one, other = _settings(design, design, Bounds(2, 2, 1, 1, 2), ("map", "munmap", "fork"))
    found = compare(one, other, Limits(depth=4))
    assert found.difference is None
    assert found.pairs > 10


@pytest.mark.parametrize(("a", "b"), [*pairwise(DESIGNS)][1::4])
def test_as_a_plain_search_finds_it(a: str, b: str) -> None:
    """Trying all programs of two steps on whole worlds finds the same first difference."""
    one, other = _settings(a, b, Bounds(2, 2, 2, 1, 2), ("map", "zap", "munmap", "fork"))
    found = compare(one, other, Limits(depth=2)).difference
    told = None if found is None else (len(found.moves), found.field)
    assert _plainly(one, other) == told


def _plainly(one: Setting, other: Setting) -> tuple[int, str] | None:
    """Length and field of the first difference within two steps, without any table."""
    level: list[tuple[World, tuple[Move, ...]]] = [(one.start, ())]
    for length in (1, 2):
        following = []
        for world, moves in level:
            for move in one.moves(world):
                longer = (*moves, move)
                opens = [*one.opens]
                seen = first_difference(one, other, [*opens, *program(one, longer)], ALL)
                if seen is not None and seen[0] >= len(opens):
                    return length, seen[1]
                action = one.actions[move[0]].by(move[1], len(world.processes))
                after = one.perform(world, action, frozenset()).world
                after = normal(after, one.release.design)
                if one.inside(after):
                    following.append((after, longer))
        level = following
    return None


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON fits its schema, the file runs, and alike kernels are alike within bounds only."""
    file = tmp_path / "difference.pfn"
    args = ["compare", "--explore", "6.12", "7.3", "--ops", "map,munmap"]
    assert main([*args, "--json", "--output", str(file)]) == 1
    told = json.loads(capsys.readouterr().out)
    jsonschema.validate(told, schema("difference"))
    assert told["difference"]["steps"] == 2
    assert main(["compare", str(file), "--with", "6.12,7.3"]) == 1
    assert "<-- the first difference" in capsys.readouterr().out
    args = ["compare", "--explore", "6.1", "6.12", "--ops", "map,munmap", "--bounds", "1,2,1,1"]
    assert main(args) == 0
    assert "no difference within <= 1 process" in capsys.readouterr().out
    assert main([*args, "--depth", "1"]) == 3
    assert "incomplete: programs of more than 1 steps" in capsys.readouterr().out
    assert main(["compare"]) == 2
    assert main([*args, "--fields", "nonsense"]) == 2
