"""Hunting known defects: the shortest program of each, and proof that it is mended.

The search is given bounds, operations and a property. What it finds is a
program that anybody can run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import attrs

from pfntrack.check.asked.bugs import FOUND, ROWS, BooksRow, Row
from pfntrack.check.judged import books
from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.report import Found
from pfntrack.check.search.explore import Limits, Search
from pfntrack.check.search.setting import Setting
from pfntrack.check.search.trace import scenario, spoken
from pfntrack.designs import DESIGNS
from pfntrack.errors import InputFormatError
from pfntrack.releases import Release, release_or_design
from pfntrack.scenario import ExpectProperty, Scenario, format_op

# A search of a row takes seconds; one that takes this long is not conclusive.
MOST_SECONDS = 120.0


@attrs.frozen
class Passed:
    """A design or release within the same bounds: does it keep the property?"""

    name: str
    states: int
    steps: int | None
    why: str = ""

    @property
    def holds(self) -> bool:
        """Seen whole, and not broken."""
        return self.steps is None and not self.why


@attrs.frozen
class Hunted:
    """What became of one row: the shortest program, and how others fare.

    `free` are our designs that keep the property within the bounds, worked
    out for findings on 7.3 only.
    """

    row: Row | BooksRow
    bounds: str
    operations: tuple[str, ...]
    program: Scenario | None
    steps: int | None
    states: int
    mended: tuple[Passed, ...]
    free: tuple[str, ...] | None
    seconds: float

    @property
    def lines(self) -> tuple[str, ...]:
        """The program, with what opens its files; that does not count as steps."""
        if self.program is None:
            return ()
        return tuple(format_op(step.op, self.program.machine) for step in self.program.steps)

    @property
    def as_expected(self) -> bool:
        """Found at the known length, and mended where it should be."""
        return self.steps == self.row.steps and all(each.holds for each in self.mended)

    @property
    def complaint(self) -> str:
        """Why it is not as expected, else nothing."""
        if self.steps is None:
            return f"{self.row.had} keeps {self.row.broken}"
        if self.steps != self.row.steps:
            return f"{self.steps} steps, but {self.row.steps} are known to do"
        bad = [each for each in self.mended if not each.holds]
        return "; ".join(
            each.why or f"{each.name} breaks {self.row.broken} as well" for each in bad
        )


def named(name: str) -> Release:
    """A release by its version, or the one that a design runs on."""
    return release_or_design(name)


def chosen(ids: Sequence[str]) -> list[Row | BooksRow]:
    """Rows by bug id (all rows of `B32` for `B32`) or by group; all without ids.

    Raises InputFormatError for an unknown one.
    """
    found = []
    for each in ids:
        rows = [row for row in ROWS if each in (row.bug, row.bug.split()[0], row.group)]
        if not rows:
            known = ", ".join(dict.fromkeys(row.bug.split()[0] for row in ROWS))
            raise InputFormatError(
                f"bug {each!r} is not known; there are {known}, and 7.3 for all "
                "that 7.3 was seen to do"
            )
        found += rows
    return [row for row in ROWS if row in found] if ids else list(ROWS)


def hunt(
    rows: Sequence[Row | BooksRow],
    *,
    workers: int = 2,
    tell: Callable[[str], None] | None = None,
) -> Iterator[Hunted]:
    """One row after the other; `tell` is told what is being searched."""
    for number, row in enumerate(rows, 1):
        where = f"{number} of {len(rows)}: {row.bug}"

        def say(name: str, where: str = where) -> None:
            if tell is not None:
                tell(f"{where}, {name}")

        if isinstance(row, BooksRow):
            yield _hunt_books(row, say)
        else:
            yield _hunt(row, workers, say)


def _hunt(row: Row, workers: int, say: Callable[[str], None]) -> Hunted:
    began = time.perf_counter()
    say(row.had)
    search, found = _search(row, row.had, workers)
    example = found.counterexamples.get(row.broken)
    program = None
    if example is not None:
        made = scenario(search.setting, example)
        program = attrs.evolve(made, name=_name(row), about=f"{row.bug}: {row.about}.")
    mended = []
    for name in row.mended:
        say(name)
        mended.append(_passed(row, name, workers))
    free = None
    if row.group == FOUND:
        free = _free(row, workers, say)
    setting = search.setting
    return Hunted(
        row,
        str(row.bounds),
        setting.ordered,
        program,
        None if example is None else example.depth,
        found.states,
        tuple(mended),
        free,
        time.perf_counter() - began,
    )


def _search(row: Row, name: str, workers: int) -> tuple[Search, Found]:
    setting = Setting(named(name), row.bounds, row.groups)
    search = Search(setting, frozenset({row.broken}), workers=workers)
    return search, search.run(Limits(seconds=MOST_SECONDS))


def _passed(row: Row, name: str, workers: int) -> Passed:
    _, found = _search(row, name, workers)
    steps = found.verdicts.get(row.broken)
    why = ""
    if steps is None and not found.complete:
        why = f"{name}: {found.why}"
    elif steps is None and found.idle:
        why = f"{name}: {', '.join(found.idle)} never had an effect"
    return Passed(name, found.states, steps, why)


def _free(row: Row, workers: int, say: Callable[[str], None]) -> tuple[str, ...]:
    """Designs that keep the property within the row's bounds."""
    kept = []
    for name in DESIGNS:
        say(name)
        if _passed(row, name, workers).holds:
            kept.append(name)
    return tuple(kept)


def _hunt_books(row: BooksRow, say: Callable[[str], None]) -> Hunted:
    began = time.perf_counter()
    watched = frozenset({row.broken})
    say(row.had)
    found = books.explore(row.setting, watched)
    calls = found.programs.get(row.broken)
    program = None
    if calls is not None:
        made = books.scenario(row.setting, calls, _name(row), f"{row.bug}: {row.about}.")
        final = (ExpectProperty((row.broken,), broken=True, on=(spoken(named(row.had)),)),)
        program = attrs.evolve(made, final=final)
    mended = []
    for name, quirks in row.mended:
        say(name)
        other = books.explore(attrs.evolve(row.setting, quirks=quirks), watched)
        broken = other.programs.get(row.broken)
        mended.append(Passed(name, other.states, None if broken is None else len(broken)))
    return Hunted(
        row,
        str(row.setting),
        ("reserve", "free"),
        program,
        None if calls is None else len(calls),
        found.states,
        tuple(mended),
        None,
        time.perf_counter() - began,
    )


def _name(row: Row | BooksRow) -> str:
    """The scenario's name: bug, release and property."""
    return f"{row.bug} {row.had} breaks {row.broken}".replace(" ", "-").replace("+", "-")


def meaning(row: Row | BooksRow) -> str:
    """What the property that the row breaks says."""
    return PROPERTIES[row.broken]
