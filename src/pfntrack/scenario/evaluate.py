"""Do the claims of a scenario hold? Pure functions over what was observed.

`Observation` says what a model run, a guest or a recorded trace must show
about one step; whoever has one of these adapts it to this form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import attrs

from pfntrack.mm.ops import Result
from pfntrack.pat.cachemode import CacheMode
from pfntrack.scenario.expect import (
    Entries,
    Expect,
    ExpectEntries,
    ExpectLeaks,
    ExpectLog,
    ExpectMappings,
    ExpectProperty,
    ExpectReservations,
    ExpectResult,
    ExpectStruck,
    ExpectTracked,
    Said,
)
from pfntrack.scenario.text import format_claim, format_said

Reservation = tuple[str, int, int, CacheMode]


@attrs.frozen
class Area:
    """A mapping (VMA) of pages `[at, at + pages)`, and the entries present in it."""

    at: int
    pages: int
    tracked: bool
    entries: tuple[Entries, ...] = ()

    @property
    def end(self) -> int:
        return self.at + self.pages


class Observation(Protocol):
    """What is seen after one step.

    `reservations`: those inside the windows in the kernel's order, boot-time
    entries left out. `log`: the lines of this step; lines that only `debugpat`
    prints and the one that follows a conflict are left out, and a WARN's text
    is its call chain, innermost first, separated by blanks. `processes`: the
    living ones. `broken`: names of the properties that this step breaks.
    """

    @property
    def result(self) -> Result: ...
    @property
    def reservations(self) -> Sequence[Reservation]: ...
    @property
    def log(self) -> Sequence[Said]: ...
    @property
    def processes(self) -> Mapping[str, Sequence[Area]]: ...
    @property
    def broken(self) -> Iterable[str]: ...


@attrs.frozen
class Verdict:
    """One claim judged; `found` says what was seen instead, empty if it holds."""

    expect: Expect
    found: str = ""

    @property
    def holds(self) -> bool:
        return not self.found

    def __str__(self) -> str:
        claim = format_claim(self.expect)
        return f"{claim}: holds" if self.holds else f"expected {claim}, found {self.found}"


def applies(expect: Expect, release: str = "", design: str = "") -> bool:
    """Is the claim made for this release or design?

    A release is matched by its own name (6.12 does not name 6.12.25) and by
    ranges of main releases; patch levels are meant by ends that have one.
    """
    return not expect.on or any(_names(target, release, design) for target in expect.on)


def judge(
    expects: Iterable[Expect], seen: Observation, release: str = "", design: str = ""
) -> tuple[Verdict, ...]:
    """All claims about a step that are made for this release or design.

    Claims over all schedules are not judged here.
    """
    return tuple(
        Verdict(expect, _difference(expect, seen))
        for expect in expects
        if applies(expect, release, design)
    )


def judge_end(
    expects: Iterable[Expect],
    leaked: Sequence[Reservation],
    broken: Iterable[str],
    release: str = "",
    design: str = "",
) -> tuple[Verdict, ...]:
    """The final claims; `broken` are the properties that any step broke."""
    verdicts = []
    for expect in expects:
        if not applies(expect, release, design):
            continue
        match expect:
            case ExpectLeaks(held=held):
                found = _unequal([str(one) for one in held], _shown(leaked))
            case ExpectProperty():
                found = _property(expect, broken)
            case _:
                found = "a claim about one step"
        verdicts.append(Verdict(expect, found))
    return tuple(verdicts)


def result_word(result: Result) -> str:
    """The word for a result: `ok`, the error's name or the signal's."""
    if result.signal:
        return f"SIG{result.signal.removeprefix('SIG')}"
    return result.err or ("ok" if result.ret >= 0 else "an error without name")


def _names(target: str, release: str, design: str) -> bool:
    low, dots, high = target.partition("..")
    if not re.match(r"\d", target):
        return target == design
    if not release:
        return False
    version = _version(release)
    if not dots:
        return release == low
    # A range means main releases: a window within one (6.12.25) or before one
    # (5.5-rc) is meant only by ends that are as precise.
    if "-" in release or len(version) > len(_version(low)):
        return False
    return _version(low) <= version and version[: len(_version(high))] <= _version(high)


def _version(release: str) -> tuple[int, ...]:
    numbers = re.match(r"\d+(\.\d+)*", release)
    return tuple(int(number) for number in numbers[0].split(".")) if numbers else ()


def _difference(expect: Expect, seen: Observation) -> str:
    """What was found instead of what the claim says; empty if it holds."""
    match expect:
        case ExpectResult(word=word, side=side):
            return _result(word, _of_side(seen, side))
        case ExpectStruck(times=times):
            return _unequal([str(times)], [str(seen.result.fired or 0)])
        case ExpectReservations(held=held):
            return _unequal([str(one) for one in held], _shown(seen.reservations))
        case ExpectLog(said=said):
            return _log(said, seen.log)
        case ExpectTracked():
            return _tracked(expect, seen)
        case ExpectMappings(p=p, areas=areas):
            found = [(area.at, area.end) for area in seen.processes.get(p, ())]
            return _unequal([_range(*area) for area in areas], [_range(*area) for area in found])
        case ExpectEntries(p=p, runs=runs):
            present = [run for area in seen.processes.get(p, ()) for run in area.entries]
            return _unequal([str(run) for run in runs], [str(run) for run in _joined(present)])
        case ExpectProperty():
            return _property(expect, seen.broken)
        case _:
            return "a claim about the end"


def _of_side(seen: Observation, side: str) -> Result:
    """The result that a claim means: that of one of two overlapping calls, if it names one."""
    sides: Sequence[Result] = getattr(seen, "sides", ())
    return sides[("left", "right").index(side)] if side and sides else seen.result


def _result(word: str, result: Result) -> str:
    if word == "NULL":
        return "" if result.ret or result.err else "a mapping"
    return _unequal([word], [result_word(result)])


def _unequal(wanted: Sequence[str], found: Sequence[str]) -> str:
    return "" if list(wanted) == list(found) else ", ".join(found) or "none"


def _shown(held: Iterable[Reservation]) -> list[str]:
    return [f"{window}[{first},{end}) {cache.short}" for window, first, end, cache in held]


def _range(at: int, end: int) -> str:
    return f"[{at},{end})"


def _log(wanted: Sequence[Said], found: Sequence[Said]) -> str:
    same = len(wanted) == len(found) and all(map(_says, wanted, found))
    return "" if same else ", ".join(map(format_said, found)) or "none"


def _says(wanted: Said, found: Said) -> bool:
    """A WARN or BUG is named by any function of its call chain."""
    if wanted.kind in ("warn", "bug"):
        return wanted.kind == found.kind and wanted.text in found.text.split()
    return wanted == found


def _tracked(expect: ExpectTracked, seen: Observation) -> str:
    end = expect.at + expect.pages
    areas = [a for a in seen.processes.get(expect.p, ()) if a.at < end and expect.at < a.end]
    if not areas:
        return "no mapping there"
    wrong = [area for area in areas if area.tracked is not expect.tracked]
    word = "untracked" if expect.tracked else "tracked"
    return ", ".join(f"{word} {expect.p}{_range(area.at, area.end)}" for area in wrong)


def _property(expect: ExpectProperty, broken: Iterable[str]) -> str:
    names = set(broken)
    wrong = [name for name in expect.names if (name in names) is not expect.broken]
    word = "keeps" if expect.broken else "breaks"
    return f"{word} {', '.join(wrong)}" if wrong else ""


def _joined(runs: Iterable[Entries]) -> list[Entries]:
    """Neighbouring runs that differ in nothing that a claim can say, as one."""
    joined: list[Entries] = []
    for run in sorted(runs, key=lambda run: run.at):
        last = joined[-1] if joined else None
        if last is None or not _continues(last, run):
            joined.append(run)
            continue
        to = attrs.evolve(last.to, end=run.to.end) if last.to and run.to else None
        joined[-1] = attrs.evolve(last, pages=last.pages + run.pages, to=to)
    return joined


def _continues(last: Entries, run: Entries) -> bool:
    if last.at + last.pages != run.at:
        return False
    if last.to is None or run.to is None:
        return last.to is run.to
    same = last.to.window == run.to.window and last.cache is run.cache
    return same and last.to.end == run.to.first
