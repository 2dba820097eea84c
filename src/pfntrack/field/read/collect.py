"""From lines to the facts of a log: wrapped lines joined, traces followed, repeats counted."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator

import attrs

from pfntrack.field.read import evidence, traces
from pfntrack.field.read.facts import Fact
from pfntrack.field.read.kernelrelease import KernelRelease, parse_release, release_in_line
from pfntrack.field.read.lines import Line, split_records
from pfntrack.field.read.parse import parse_line, parse_partial
from pfntrack.field.read.unwrap import cut_short, unwrapped

# A log that repeats a few messages for hours stays small; one made to differ is cut off.
MAX_FACTS = 5_000
MAX_EVENTS = 20_000
MAX_NEAR, MAX_SHOWN = 40, 240
_REPLAYED = ("debug_added", "debug_overlap", "debug_free", "free_invalid", "conflict")
_BARE_RELEASE = re.compile(r"uname -r\s*$")


@attrs.frozen(slots=True)
class Log:
    """Everything a log says: distinct facts in order, circumstances, the kernel it came from."""

    facts: tuple[Fact, ...]
    signs: dict[str, int]
    release: KernelRelease | None
    events: tuple[Fact, ...]
    lines: int
    dropped: int = 0
    replay_cut: bool = False
    near: tuple[tuple[int, str], ...] = ()
    boots: tuple[int, ...] = ()
    _by_kind: dict[str, list[Fact]] = attrs.field(init=False, repr=False)

    @_by_kind.default
    def _index(self) -> dict[str, list[Fact]]:
        index: dict[str, list[Fact]] = {}
        for fact in self.facts:
            index.setdefault(fact.kind, []).append(fact)
        return index

    def of(self, *kinds: str) -> list[Fact]:
        """The facts of these kinds; of one kind in order, of several by line."""
        if len(kinds) == 1:
            return list(self._by_kind.get(kinds[0], ()))
        found = [fact for kind in kinds for fact in self._by_kind.get(kind, ())]
        return sorted(found, key=lambda fact: fact.line)

    def has(self, sign: str) -> bool:
        return sign in self.signs


class _Collector:
    def __init__(self) -> None:
        self.facts: dict[tuple[object, ...], Fact] = {}
        self.signs: dict[str, int] = {}
        self.events: list[Fact] = []
        self.release: tuple[int, KernelRelease] | None = None
        self.trace: traces.Trace | None = None
        self.driver_ranges: dict[str, tuple[int, int]] = {}
        self.lines = 0
        self.dropped = 0
        self.expect_release = False
        self.near: dict[str, int] = {}
        self.boots: list[int] = []

    def look(self, line: Line) -> None:
        """Remember lines with words of this area, in case nothing else is found."""
        if len(self.near) < MAX_NEAR and evidence.of_this_area(line):
            self.near.setdefault(line.text.strip(), line.number)

    def add(self, fact: Fact) -> None:
        known = self.facts.get(fact.key)
        if known is None:
            if len(self.facts) >= MAX_FACTS:
                self.dropped += 1
                return
            self.facts[fact.key] = fact
        else:
            self.facts[fact.key] = attrs.evolve(
                known, count=known.count + 1, last_line=fact.line, last_time=fact.time
            )
        if fact.kind in _REPLAYED and len(self.events) < MAX_EVENTS:
            self.events.append(fact)

    def end_trace(self) -> None:
        if self.trace is not None:
            self.add(self.trace.fact())
            self.trace = None

    def note_release(self, line: Line) -> None:
        found = None
        if self.expect_release:
            self.expect_release = False
            found = parse_release(line.body) if line.body[:1].isdigit() else None
        if _BARE_RELEASE.search(line.body):
            self.expect_release = True
        found = found or release_in_line(line.body)
        if found is None:
            return
        # A boot banner is the strongest statement, and the last boot is the one in question.
        rank = 2 if "Linux version" in line.body else 1
        if rank == 2:
            self.boots.append(line.number)
        if self.release is None or rank > self.release[0] or rank == 2:
            self.release = (rank, found)

    def surroundings(self, line: Line) -> None:
        for name in evidence.circumstances(line):
            self.signs.setdefault(name, line.number)
        for read in (
            evidence.consequence,
            evidence.mmap_error,
            evidence.bar,
            evidence.asked_address,
        ):
            fact = read(line)
            if fact is not None:
                self.add(fact)
        fact = evidence.driver_error(line, self.driver_ranges)
        if fact is not None:
            self.add(fact)

    def follow_trace(self, line: Line) -> None:
        begun = traces.begin(line)
        if begun is not None and self.trace is not None and traces.continues(self.trace, begun):
            return
        if begun is not None:
            # Inlined callees repeat the warning line; the last one names the function.
            if self.trace and not self.trace.frames and line.number - self.trace.line.number <= 3:
                begun = traces.Trace(self.trace.line, begun.values, [], line.number)
                self.trace = begun
                return
            self.end_trace()
            self.trace = begun
        elif self.trace is not None:
            if not traces.feed(self.trace, line):
                self.end_trace()
        else:
            self.trace = traces.begin_bare(line)


def collect(numbered: Iterable[tuple[int, str]]) -> Log:
    """Read numbered lines (with gaps allowed) into a `Log`."""
    state = _Collector()
    for line, following in _with_lookahead(split_records(numbered)):
        line, used = unwrapped(line, following)
        for _ in range(used):
            following.popleft()
        state.lines = max(state.lines, line.number + used)
        state.note_release(line)
        state.follow_trace(line)
        fact = _message(line)
        if fact is not None:
            state.add(fact)
        state.look(line)
        state.surroundings(line)
    state.end_trace()
    return Log(
        tuple(state.facts.values()),
        state.signs,
        state.release[1] if state.release else None,
        tuple(state.events),
        state.lines,
        state.dropped,
        len(state.events) >= MAX_EVENTS,
        tuple((number, text[:MAX_SHOWN]) for text, number in state.near.items()),
        tuple(state.boots),
    )


def _message(line: Line) -> Fact | None:
    """The message on this line, whole or with its numbers cut away."""
    fact = parse_line(line)
    if fact is None:
        return parse_partial(line)
    if cut_short(line, fact):
        if fact.kind in ("list_entry", "bar") or fact.kind.startswith("debug"):
            return None
        values = {**fact.values, "elided": True}
        return attrs.evolve(fact, values=values, start=None, end_excl=None)
    if fact.kind == "list_entry" and line.body[:1] in "+-":
        return attrs.evolve(fact, values={**fact.values, "diff": line.body[:1]})
    return fact


def _with_lookahead(lines: Iterator[Line]) -> Iterator[tuple[Line, deque[Line]]]:
    """Each line with the lines after it; taking from the deque consumes them."""
    ahead: deque[Line] = deque()
    while True:
        while len(ahead) < 4:
            line = next(lines, None)
            if line is None:
                break
            ahead.append(line)
        if not ahead:
            return
        current = ahead.popleft()
        yield current, ahead
