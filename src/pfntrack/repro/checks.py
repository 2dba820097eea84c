"""What a reproducer asserts after a step: each check holds or fails on a run of the model.

A check speaks of what can be seen from outside (the reservation list, the
kernel log, results, page tables through the lab's module). The same check is
judged on the model, to know on which kernels it fails, and written as a call
of a helper in C. Pages of windows are half-open ranges.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from pfntrack.check.judged.asked import ASKED, LAW
from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.run import Run, StepRun
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.events import FreeInvalid, Oops, Warn
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.repro.files import used_pages
from pfntrack.state import Entry, Place, State

# What checks stand for: a property, or that a mapping has the type it asked for.
LAWS = PROPERTIES | {ASKED: LAW}
FREEING, WARNING, BUG = "freeing invalid memtype", "WARNING: ", "kernel BUG at"
_LINES = {FREEING: FreeInvalid, WARNING: Warn, BUG: Oops}


@attrs.frozen
class Check:
    """An assertion about step `step` (counted from 1), made because property `law` breaks there."""

    step: int
    law: str

    # Whether page tables have to be read, which takes the module.
    reads_tables = False

    def holds(self, run: Run) -> bool:
        """Does it hold in this run?"""
        raise NotImplementedError

    @property
    def claim(self) -> str:
        """What is asserted, in a few words."""
        raise NotImplementedError

    def call(self, what: str) -> tuple[str, ...]:
        """The helper and its arguments, the text of the result line last."""
        raise NotImplementedError

    @property
    def prepare(self) -> str:
        """A statement that has to come before the step, or nothing."""
        return ""

    def _state(self, run: Run) -> State:
        return run.steps[self.step - 1].state


@attrs.frozen
class NoLeak(Check):
    """No reservation lies wholly inside pages that nothing maps."""

    place: Place

    def holds(self, run: Run) -> bool:
        low, high = bytes_of(run, self.place)
        return not any(
            low <= each.start and each.end <= high for each in self._state(run).reservations
        )

    @property
    def claim(self) -> str:
        return f"nothing reserved inside {self.place}, which nothing maps"

    def call(self, what: str) -> tuple[str, ...]:
        return ("expect_no_leak", *_pages(self.place), what)


@attrs.frozen
class Unreserved(Check):
    """No reservation reaches into pages that nothing maps."""

    place: Place

    def holds(self, run: Run) -> bool:
        low, high = bytes_of(run, self.place)
        return not any(
            each.start < high and low < each.end for each in self._state(run).reservations
        )

    @property
    def claim(self) -> str:
        return f"no reservation of {self.place}, which no VMA maps"

    def call(self, what: str) -> tuple[str, ...]:
        return ("expect_unreserved", *_pages(self.place), what)


@attrs.frozen
class Reserved(Check):
    """Every page has a reservation of this type."""

    place: Place
    type: CacheMode

    def holds(self, run: Run) -> bool:
        low, high = bytes_of(run, self.place)
        held = [each for each in self._state(run).reservations if each.type is self.type]
        return all(
            any(each.start <= at < each.end for each in held)
            for at in range(low, high, 1 << PAGE_SHIFT)
        )

    @property
    def claim(self) -> str:
        return f"{self.place} reserved as {self.type.short}"

    def call(self, what: str) -> tuple[str, ...]:
        return ("expect_reserved", *_pages(self.place), f'"{self.type.cattr}"', what)


@attrs.frozen
class OwnEntry(Check):
    """There is a reservation of exactly these pages, which the kernel made for itself."""

    place: Place
    type: CacheMode

    def holds(self, run: Run) -> bool:
        span = bytes_of(run, self.place)
        return any(
            (each.start, each.end) == span and each.type is self.type
            for each in self._state(run).reservations
        )

    @property
    def claim(self) -> str:
        return f"the kernel's own reservation {self.place} {self.type.short} is still there"

    def call(self, what: str) -> tuple[str, ...]:
        return ("expect_entry", *_pages(self.place), f'"{self.type.cattr}"', what)


@attrs.frozen
class Quiet(Check):
    """The kernel does not say such a line during the step."""

    line: str

    def holds(self, run: Run) -> bool:
        kind = _LINES[self.line]
        return not any(isinstance(each, kind) for each in run.steps[self.step - 1].events)

    @property
    def claim(self) -> str:
        return f"no '{self.line.strip(' :')}' in the log"

    def call(self, what: str) -> tuple[str, ...]:
        return ("expect_quiet", f'"{self.line}"', what)

    @property
    def prepare(self) -> str:
        return "log_start();"


@attrs.frozen
class Succeeds(Check):
    """The call succeeds."""

    def holds(self, run: Run) -> bool:
        result = run.steps[self.step - 1].result
        return not result.err and not result.signal

    @property
    def claim(self) -> str:
        return "succeeds"

    def call(self, what: str) -> tuple[str, ...]:
        return ("expect_success", what)


@attrs.frozen
class AsBefore(Check):
    """The reservations inside the windows are those before the step."""

    def holds(self, run: Run) -> bool:
        before = run.start if self.step == 1 else run.steps[self.step - 2].state
        return _held(before) == _held(self._state(run))

    @property
    def claim(self) -> str:
        return "reservations as before the failed call"

    def call(self, what: str) -> tuple[str, ...]:
        return ("expect_as_before", what)

    @property
    def prepare(self) -> str:
        return "remember();"


@attrs.frozen
class MappedAs(Check):
    """A process maps pages `[at, at + pages)` with this type."""

    process: str
    at: int
    pages: int
    type: CacheMode
    reads_tables = True

    def holds(self, run: Run) -> bool:
        found = {
            page: entry.type
            for name, entry in _entries(self._state(run))
            if name == self.process
            for page in range(entry.start, entry.end)
        }
        wanted = range(self.at, self.at + self.pages)
        return all(found.get(page) is self.type for page in wanted)

    @property
    def claim(self) -> str:
        return f"{self.process} maps [{self.at},{self.at + self.pages}) as {self.type.short}"

    def call(self, what: str) -> tuple[str, ...]:
        return (
            "expect_type",
            self.process,
            str(self.at),
            str(self.pages),
            f'"{self.type.cattr}"',
            what,
        )


@attrs.frozen
class OneType(Check):
    """All entries for these pages have one type; with `reserved`, reservations as well."""

    place: Place
    reserved: bool
    reads_tables = True

    def holds(self, run: Run) -> bool:
        low, high = bytes_of(run, self.place)
        state = self._state(run)
        types = {
            _family(entry.type)
            for _, entry in _entries(state)
            if entry.pfn is not None
            and entry.pfn << PAGE_SHIFT < high
            and low < (entry.pfn + entry.end - entry.start) << PAGE_SHIFT
        }
        if self.reserved and types:
            types |= {
                _family(each.type)
                for each in state.reservations
                if each.start < high and low < each.end
            }
        return len(types) <= 1

    @property
    def claim(self) -> str:
        return f"{self.place} mapped with one type"

    def call(self, what: str) -> tuple[str, ...]:
        with_list = "true" if self.reserved else "false"
        return ("expect_one_type", *_pages(self.place), with_list, what)


def _family(kind: CacheMode) -> CacheMode:
    return CacheMode.UC_MINUS if kind is CacheMode.UC else kind


def _entries(state: State) -> Iterator[tuple[str, Entry]]:
    """Present entries with the names of their processes."""
    for process in state.processes:
        for vma in process.vmas:
            for entry in vma.entries:
                yield process.name, entry


def _pages(place: Place) -> tuple[str, str, str]:
    return place.window, str(place.first), str(place.end)


def bytes_of(run: Run, place: Place) -> tuple[int, int]:
    """Physical addresses of pages of a window."""
    start = next((w.start for w in run.leaked.windows if w.name == place.window), 0)
    return start + (place.first << PAGE_SHIFT), start + (place.end << PAGE_SHIFT)


def _held(state: State) -> list[tuple[int, int, CacheMode]]:
    return [(each.start, each.end, each.type) for each in state.reservations]


def place_of(run: Run, first: int, end: int) -> Place | None:
    """Pages `[first, end)` (pfns) by the name of their window.

    Of windows at one place it is one that the program uses.
    """
    used = used_pages(run.scenario)
    for window in sorted(run.leaked.windows, key=lambda each: each.name not in used):
        low, high = window.start >> PAGE_SHIFT, window.end >> PAGE_SHIFT
        if low <= first and end <= high:
            return Place(window.name, first - low, end - low)
    return None


def shown(run: Run) -> frozenset[str]:
    """The laws that a run breaks."""
    return run.broken | ({ASKED} if run.converted else set())


def step_of(run: Run, number: int) -> StepRun:
    """Step `number`, counted from 1."""
    return run.steps[number - 1]
