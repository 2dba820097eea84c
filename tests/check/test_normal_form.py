"""Normal forms lose nothing that matters."""

from __future__ import annotations

import random

import attrs
import pytest

from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.search import normal as form
from pfntrack.check.search.bounds import GROUPS, Bounds
from pfntrack.check.search.explore import Search
from pfntrack.check.search.normal import normal
from pfntrack.check.search.plain import judge
from pfntrack.check.search.setting import Setting
from pfntrack.designs import DESIGNS
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.mm.step import TrackContext
from pfntrack.releases import World, release_with

ALL = frozenset(PROPERTIES)


@pytest.mark.parametrize("design", DESIGNS)
def test_names_do_not_matter(design: str) -> None:
    """A world and its normal form behave alike: same moves, same verdicts, same normal form."""
    setting = Setting(release_with(design), Bounds(3, 3, 3, 3, 4), tuple(GROUPS))
    chance = random.Random(7)
    for _ in range(12):
        world = setting.start
        for _ in range(12):
            plain = normal(world, setting.release.design)
            assert judge(setting, plain, ALL) == judge(setting, world, ALL)
            moves = list(setting.moves(plain))
            assert moves == list(setting.moves(world))
            number, slot = chance.choice(moves)
            action, living = setting.actions[number], len(world.processes)
            one = setting.perform(plain, action.by(slot, living), ALL)
            # The world itself keeps the names that its processes were born with.
            here = setting.perform(world, _named(setting, world, number, slot), ALL)
            assert one.broken == here.broken
            design_of = setting.release.design
            assert normal(one.world, design_of) == normal(here.world, design_of)
            if not setting.inside(one.world):
                break
            world = here.world


def _named(setting: Setting, world: World, number: int, slot: int) -> tuple[Op, ...]:
    """The action by the process in place `slot` under its own name."""
    name = world.processes[slot].name if world.processes else ""
    program = []
    for op in setting.actions[number].by(slot, len(world.processes)):
        if isinstance(op, ops.Fork):
            op = attrs.evolve(op, child=f"P{world.next_pid}")
        program.append(attrs.evolve(op, p=name) if hasattr(op, "p") else op)  # type: ignore[call-arg]
    return tuple(program)


def test_rows_of_a_side_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are called by their reservation change neither verdicts nor depths."""
    groups = ("map", "munmap", "protect", "fork", "zap")
    setting = Setting(release_with("side-table"), Bounds(2, 2, 1, 2, 2), groups)
    one = Search(setting).run(until=frozenset())
    monkeypatch.setattr(form, "_RENAMED", (TrackContext,))
    other = Search(setting).run(until=frozenset())
    assert one.complete
    assert other.complete
    assert one.verdicts == other.verdicts
    assert one.states < other.states
