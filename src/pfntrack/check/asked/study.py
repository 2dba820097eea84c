"""The decision table: what each design keeps, refuses, stores and does.

Verdicts come from exhaustive searches up to bounds (several `Field`s, which
between them use every operation), the rest from running programs and counting.
Nothing is typed in but the sizes of a design's own structures.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import active_children, get_context

import attrs

from pfntrack.check.asked.programs import PROGRAMS, served
from pfntrack.check.asked.work import Count, System, measured
from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.search.bounds import BASIC, Bounds
from pfntrack.check.search.explore import Limits, Search
from pfntrack.check.search.setting import Setting
from pfntrack.check.search.trace import scenario
from pfntrack.designs import DESIGNS, Design
from pfntrack.edges.workers import quiet
from pfntrack.releases import release_with
from pfntrack.scenario import format_scenario


@attrs.frozen
class Field:
    """One search: bounds and operations."""

    name: str
    bounds: Bounds
    groups: tuple[str, ...]


FIELDS = (
    Field("basic", Bounds(2, 2, 2, 1, 2), BASIC),
    Field(
        "address spaces",
        Bounds(1, 2, 2, 2, 2),
        ("map", "over", "munmap", "protect", "shrink", "move", "exit"),
    ),
    Field(
        "fork and failure",
        Bounds(2, 1, 1, 1, 2),
        ("private", "mapfail", "munmap", "write", "zap", "fork", "forkfail", "exit"),
    ),
    Field(
        "drivers",
        Bounds(1, 2, 2, 1, 2),
        ("narrow", "fault", "munmap", "zapvma", "remap", "insert"),
    ),
    Field(
        "faults",
        Bounds(1, 2, 2, 1, 2),
        ("part", "fault", "munmap", "zapvma", "insert", "ioremap"),
    ),
    Field(
        "kernel users",
        Bounds(1, 1, 2, 1, 2),
        ("sysfs", "munmap", "ioremap", "reserve", "claim", "insert"),
    ),
)


@attrs.frozen
class Broken:
    """A property that a design breaks: the shortest program and where it was found."""

    steps: int
    field: str
    exact: bool
    program: str


@attrs.frozen
class Row:
    """A design's line of the table.

    `incomplete` names the searches that a limit ended, with the reason:
    properties that are not broken hold only in the others.
    """

    design: str
    broken: dict[str, Broken]
    incomplete: dict[str, str]
    states: int
    programs: dict[str, str]
    bytes: int
    work: dict[str, Count]
    seconds: float

    @property
    def model(self) -> Design:
        return DESIGNS[self.design]


def judge(
    design: str,
    properties: frozenset[str] = frozenset(PROPERTIES),
    fields: Sequence[Field] = FIELDS,
    seconds: float | None = None,
    workers: int = 1,
) -> Row:
    """Search, run and count for one design; `seconds` for all of its searches together."""
    began = time.perf_counter()
    release = release_with(design)
    broken: dict[str, Broken] = {}
    incomplete: dict[str, str] = {}
    states = 0
    for field in fields:
        spent = time.perf_counter() - began
        left = None if seconds is None else max(0.0, seconds - spent)
        setting = Setting(release, field.bounds, field.groups)
        search = Search(setting, properties, workers=workers)
        found = search.run(Limits(seconds=left))
        states += found.states
        if not found.complete and found.counterexamples.keys() != properties:
            incomplete[field.name] = found.why
        for name, example in found.counterexamples.items():
            if name in broken and broken[name].steps <= example.depth:
                continue
            text = format_scenario(scenario(setting, example))
            broken[name] = Broken(example.depth, field.name, found.exact(name), text)
    return Row(
        design,
        {name: broken[name] for name in PROPERTIES if name in broken},
        incomplete,
        states,
        {program.name: served(program, release) for program in PROGRAMS},
        System().bytes(release.design.cost),
        measured(release),
        time.perf_counter() - began,
    )


def study(
    designs: Sequence[str],
    properties: frozenset[str] = frozenset(PROPERTIES),
    fields: Sequence[Field] = FIELDS,
    seconds: float | None = None,
    jobs: int = 1,
) -> Iterator[Row]:
    """Rows in the order of the designs, `jobs` of them at a time."""
    if jobs <= 1:
        for design in designs:
            yield judge(design, properties, fields, seconds)
        return
    with ExitStack() as stack:
        context = get_context("spawn")
        pool = stack.enter_context(ProcessPoolExecutor(jobs, context, quiet, (os.getpid(),)))
        futures = [pool.submit(judge, each, properties, fields, seconds) for each in designs]
        stack.callback(lambda: [each.cancel() for each in futures])
        try:
            for future in futures:
                yield future.result()
        except BaseException:
            # Nobody waits for a search whose result nobody wants.
            for child in active_children():
                child.terminate()
            raise
