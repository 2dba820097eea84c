"""Counterexamples as scenarios that anybody can run."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.numbers.tables import Tables
from pfntrack.check.report import Counterexample, Move
from pfntrack.check.run import StepRun, run_scenario
from pfntrack.check.search.normal import normal
from pfntrack.check.search.setting import Setting
from pfntrack.errors import ModelError, PfntrackError
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.releases import Release
from pfntrack.scenario import ExpectProperty, Scenario, Step, format_scenario, parse
from pfntrack.state import State

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def program(setting: Setting, moves: tuple[Move, ...], tables: Tables | None = None) -> list[Op]:
    """The operations of `moves`, by processes that keep their names for life.

    With `tables` the moves are those of a search that sorts processes by the
    numbers of their address spaces.
    """
    world, steps = setting.start, list[Op]()
    names, born = [LETTERS[0]], 1
    for number, place in moves:
        slot = place
        if tables is not None:
            order = [tables.spaces.number(each.space) for each in world.processes]
            slot = sorted(range(len(order)), key=order.__getitem__)[place] if order else 0
        child = LETTERS[min(born, len(LETTERS) - 1)]
        action, living = setting.actions[number], len(names)
        steps += [_called(op, names[slot] if names else "", child) for op in action.ops]
        after = setting.perform(world, action.by(slot, living), frozenset()).world
        if any(isinstance(op, ops.Fork) for op in action.ops):
            born += 1
            names += [child] * (len(after.processes) - living)
        elif isinstance(action.op, ops.Exit):
            del names[slot]
        world = normal(after, setting.release.design)
    return steps


def _called(op: Op, name: str, child: str) -> Op:
    """The operation by the process of this name."""
    if isinstance(op, ops.Fork):
        return attrs.evolve(op, p=name, child=child)
    return attrs.evolve(op, p=name) if hasattr(op, "p") else op  # type: ignore[call-arg]


def scenario(setting: Setting, example: Counterexample, tables: Tables | None = None) -> Scenario:
    """The shortest scenario in which the property breaks, with the claim that it does.

    Raises ModelError if a run of it does not show that, which would be a
    mistake of the search.
    """
    release, name = setting.release, example.broken
    replaces = "over" in setting.groups
    steps = [*setting.opens, *program(setting, example.moves, tables)]
    if not breaks(_scenario(release, name, steps), release, name):
        raise ModelError(f"the counterexample for {name} cannot be repeated")
    steps = shrunk(
        steps,
        lambda fewer: breaks(_scenario(release, name, fewer), release, name, replaces=replaces),
    )
    return _scenario(release, name, renumbered(steps))


def shrunk(steps: list[Op], holds: Callable[[list[Op]], bool]) -> list[Op]:
    """`steps` without those that can be left out, one after the other."""
    at = 0
    while at < len(steps):
        fewer = steps[:at] + steps[at + 1 :]
        if fewer and holds(fewer):
            steps = fewer
        else:
            at += 1
    return steps


def breaks(tried: Scenario, release: Release, name: str, *, replaces: bool = True) -> bool:
    """Does the property break at a step of this scenario, read back from its text?

    Unless it `replaces`, a scenario that maps over a mapping does not count.
    """
    try:
        run = run_scenario(parse(format_scenario(tried)), release)
    except PfntrackError:
        return False
    if not replaces and any(map(_replacing, (run.start, *(s.state for s in run.steps)), run.steps)):
        return False
    return any(each.property == name for step in run.steps for each in step.broken)


def _replacing(before: State, step: StepRun) -> bool:
    """Does the step map over a mapping?"""
    op = step.op
    return isinstance(op, ops.Mmap) and any(
        vma.start < op.at + op.pages and op.at < vma.end
        for process in before.processes
        if process.name == op.p
        for vma in process.vmas
    )


def renumbered(steps: list[Op]) -> list[Op]:
    """Descriptors counted from 0 in the order in which they are opened."""
    opened = [op.fd for op in steps if isinstance(op, ops.Open)]
    return [
        attrs.evolve(op, fd=opened.index(op.fd))
        if isinstance(op, ops.Open | ops.Mmap | ops.Zap)
        else op
        for op in steps
    ]


def _scenario(release: Release, name: str, steps: list[Op]) -> Scenario:
    return Scenario(
        name=f"{release.name}-breaks-{name}".replace("+", "-"),
        about=f"Breaks {name} ({PROPERTIES[name]}) under {release.design.name}.",
        tags=("counterexample",),
        steps=tuple(Step(op) for op in steps),
        final=(ExpectProperty((name,), broken=True, on=(spoken(release),)),),
    )


def spoken(release: Release) -> str:
    """How scenarios speak of the release: by its version, else by its design."""
    version = release.name.replace(".", "").isdecimal()
    return release.name if version else release.design.name
