"""Names that C has not taken: windows and processes become enumerators of the program.

Scenarios may call a window NULL, EOF or PROT_READ. No header's name ends in one underscore,
so whatever could be taken gets one, in the program and in all that is said about it.
"""

from __future__ import annotations

import re

import attrs

from pfntrack.mm import ops
from pfntrack.mm.overlap import Overlap
from pfntrack.scenario.model import STANDARD_WINDOWS, Scenario

# A letter, perhaps with a number; what our own scenarios use; the RAM of drivers.
_FREE = re.compile(r"[A-Z]\d*|ram\w+|LOW|ROM|TOP|BIG|EDGE|END")


def nameable(scenario: Scenario) -> Scenario:
    """The same program, with names that a C compiler takes for its own."""
    forked = [each.child for step in scenario.steps for each in _forks(step.op)]
    people = _names(["A", *forked], taken=set())
    windows = [window.name for window in (*STANDARD_WINDOWS, *scenario.machine.windows)]
    # The standard windows keep their names, and a process of such a name gives way.
    standing = {window.name for window in STANDARD_WINDOWS}
    people = {name: f"{name}_" if name in standing else made for name, made in people.items()}
    places = _names([name for name in windows if name not in standing], taken=set(people.values()))
    if all(old == new for old, new in (*people.items(), *places.items())):
        return scenario
    machine = attrs.evolve(
        scenario.machine,
        windows=tuple(attrs.evolve(w, name=places[w.name]) for w in scenario.machine.windows),
    )
    steps = tuple(
        attrs.evolve(step, op=_renamed(step.op, people, places)) for step in scenario.steps
    )
    return attrs.evolve(scenario, machine=machine, steps=steps)


def _forks(op: ops.Op) -> list[ops.Fork]:
    if isinstance(op, Overlap):
        return _forks(op.left) + _forks(op.right)
    return [op] if isinstance(op, ops.Fork) else []


def _names(names: list[str], taken: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        made = name if _FREE.fullmatch(name) else f"{name}_"
        while made in taken or made in found.values():
            made += "_"
        found[name] = made
    return found


def _renamed(op: ops.Op, people: dict[str, str], places: dict[str, str]) -> ops.Op:
    changed: dict[str, object] = {}
    for field in attrs.fields(type(op)):
        value = getattr(op, field.name)
        if field.name in ("p", "child"):
            changed[field.name] = people.get(value, value)
        elif field.name == "window":
            changed[field.name] = places.get(value, value)
        elif isinstance(value, ops.Op):
            changed[field.name] = _renamed(value, people, places)
    return attrs.evolve(op, **changed)
