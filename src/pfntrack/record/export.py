"""A replay as a scenario: what was recovered, for `run`, `compare` and `repro`."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from pfntrack.check.run import run_scenario
from pfntrack.errors import InputFormatError, ScenarioError
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.pat.cachemode import BY_CATTR, CacheMode
from pfntrack.pat.physical import Window
from pfntrack.record.calls import Act
from pfntrack.record.replay import Replay, Told
from pfntrack.scenario import MachineSpec, Scenario, Step, format_scenario, parse
from pfntrack.scenario.model import STANDARD_WINDOWS

_PAGE = 12
_LETTERS = 26


def scenario_of(result: Replay, name: str) -> Scenario:
    """The explained steps as a scenario; it has the findings of the replay.

    Raises InputFormatError: the language cannot say it.
    """
    if len({*result.recovered.processes}) > _LETTERS:
        count = len(result.recovered.processes)
        raise InputFormatError(f"{count} processes: expected at most {_LETTERS} in a scenario")
    used = _used([op for told in result.told for op in told.program])
    windows = [w for w in (*STANDARD_WINDOWS, *result.recovered.windows) if w.name in used]
    program: list[Op] = list(_before(result, windows))
    others = _Others(windows, program)
    for told in result.told:
        if told.step.kind == "other":
            program += others.ops(told.step.acts[0])
        else:
            program += told.program
    machine = MachineSpec(windows=tuple(w for w in result.recovered.windows if w.name in used))
    about = f"Recovered from a recording of {result.recording.release}."
    steps = tuple(Step(op) for op in (*_started(program), *program))
    return Scenario(name, about, ("recovered",), machine, steps)


def minimised(scenario: Scenario, result: Replay, broken: Told) -> Scenario:
    """The scenario with steps dropped as long as `run` shows the finding of `broken`."""
    wanted = {each.property for each in broken.fresh}
    if not _shows(scenario, result, wanted):
        return scenario
    at = len(scenario.steps)
    while at:
        at -= 1
        fewer = attrs.evolve(scenario, steps=scenario.steps[:at] + scenario.steps[at + 1 :])
        if _shows(fewer, result, wanted):
            scenario = fewer
    return scenario


def shows(scenario: Scenario, result: Replay, broken: Told) -> bool:
    """Does `run` show what `broken` broke?"""
    return _shows(scenario, result, {each.property for each in broken.fresh})


def _shows(scenario: Scenario, result: Replay, wanted: set[str]) -> bool:
    try:
        parse(format_scenario(scenario))
        return wanted <= run_scenario(scenario, result.release).broken
    except ScenarioError:
        return False


def _before(result: Replay, windows: list[Window]) -> Iterator[ops.Ioremap]:
    """What was reserved in the windows when the recording began, as mappings of the kernel."""
    number = 0
    for window in windows:
        # The registers of a bound driver are there without being asked for.
        for entry in () if window.registers else result.recording.before:
            if window.start <= entry.start and entry.end <= window.end:
                number += 1
                kind = BY_CATTR.get(entry.type, CacheMode.UC_MINUS)
                place = _pages(window, entry.start, entry.end)
                yield ops.Ioremap(f"b{number}", window.name, *place, kind)


def _pages(window: Window, start: int, end: int) -> tuple[int, int]:
    """First page in the window, and how many, of bytes `[start, end)`."""
    return (start - window.start) >> _PAGE, (end - start) >> _PAGE


def _started(program: list[Op]) -> list[Op]:
    """Forks of A, at the beginning, for processes that were there without a fork of ours."""
    known, found = {"A"}, []
    for op in program:
        if isinstance(op, ops.Fork):
            known.add(op.child)
        name = getattr(op, "p", None)
        if name is not None and name not in known:
            known.add(name)
            found.append(ops.Fork("A", name))
    return list(found)


def _used(program: list[Op]) -> set[str]:
    return {getattr(op, "window", "") for op in program}


class _Others:
    """What others reserve in the windows, as mappings of the kernel."""

    def __init__(self, windows: list[Window], before: list[Op]) -> None:
        self._windows = windows
        self._count = 0
        self._held: dict[tuple[str, int, int], list[str]] = {}
        for op in before:
            if isinstance(op, ops.Ioremap):
                self._held.setdefault((op.window, op.off, op.pages), []).append(op.id)

    def ops(self, act: Act) -> list[Op]:
        """The operations for one change; none where it lies in no window or failed."""
        for window in self._windows if not act.ret else ():
            if window.start <= act.start and act.end <= window.end:
                first, pages = _pages(window, act.start, act.end)
                names = self._held.setdefault((window.name, first, pages), [])
                if act.kind == "erase":
                    return [ops.Iounmap(names.pop())] if names else []
                self._count += 1
                names.append(f"k{self._count}")
                kind = next((mode for mode in CacheMode if mode == act.type), CacheMode.UC_MINUS)
                return [ops.Ioremap(names[-1], window.name, first, pages, kind)]
        return []
