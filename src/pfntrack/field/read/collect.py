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
MAX_BOOTS = 200
_REPLAYED = ("debug_added", "debug_overlap", "debug_free", "free_invalid", "conflict")
_BARE_RELEASE = re.compile(r"uname -r\s*$")


@attrs.frozen(slots=True)
class Log:
    """Everything a log says: distinct facts in order, circumstances, the kernel it came from.

    `boots` are the lines of the boot banners. Where the text holds more than one boot, `parts` are
    their logs, so that nothing seen in one is taken for evidence about another.
    """

    facts: tuple[Fact, ...]
    signs: dict[str, int]
    release: KernelRelease | None
    events: tuple[Fact, ...]
    lines: int
    dropped: int = 0
    replay_cut: bool = False
    near: tuple[tuple[int, str], ...] = ()
    boots: tuple[int, ...] = ()
    parts: tuple[Log, ...] = ()
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
    def __init__(self, room: int = MAX_FACTS) -> None:
        self.room = room
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
        self.latest: float | None = None

    def look(self, line: Line) -> None:
        """Remember lines with words of this area, in case nothing else is found."""
        if len(self.near) < MAX_NEAR and evidence.of_this_area(line):
            self.near.setdefault(line.text.strip(), line.number)

    def add(self, fact: Fact) -> None:
        known = self.facts.get(fact.key)
        if known is None:
            if len(self.facts) >= self.room:
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

    def begins_boot(self, line: Line) -> bool:
        """Whether the line is the banner of a further boot.

        The first banner is one if later times stand before it: the end of an older boot. What
        people write about their kernel has no time, and is one only if it names another kernel.
        """
        if "Linux version" not in line.body:
            return False
        named, now = release_in_line(line.body), line.time
        if named is None:
            return False
        if now is None:
            return bool(self.boots) and self.release is not None and self.release[1] != named
        return self.latest is not None and (bool(self.boots) or self.latest > now)

    def log(self) -> Log:
        """What was read, as a value."""
        self.end_trace()
        return Log(
            tuple(self.facts.values()),
            self.signs,
            self.release[1] if self.release else None,
            tuple(self.events),
            self.lines,
            self.dropped,
            len(self.events) >= MAX_EVENTS,
            tuple((number, text[:MAX_SHOWN]) for text, number in self.near.items()),
            tuple(self.boots),
        )

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
    parts: list[Log] = []
    for line, following in _with_lookahead(split_records(numbered)):
        line, used = unwrapped(line, following)
        for _ in range(used):
            following.popleft()
        if len(parts) < MAX_BOOTS and state.begins_boot(line):
            parts.append(state.log())
            state = _Collector(max(1, state.room - len(state.facts)))
        state.lines = max(state.lines, line.number + used)
        if line.time is not None:
            state.latest = max(state.latest or 0.0, line.time)
        state.note_release(line)
        state.follow_trace(line)
        fact = _message(line)
        if fact is not None:
            state.add(fact)
        state.look(line)
        state.surroundings(line)
    parts.append(state.log())
    # What stands before the first banner may be a quotation from the log that follows.
    known = {fact.key for part in parts[1:] for fact in part.facts}
    if len(parts) > 1 and not parts[0].boots and {f.key for f in parts[0].facts} <= known:
        parts = parts[1:]
    return _joined(tuple(parts)) if len(parts) > 1 else parts[0]


def _joined(parts: tuple[Log, ...]) -> Log:
    """The logs of several boots as one; events are left to the parts, whose lists begin empty."""
    signs: dict[str, int] = {}
    near: dict[str, int] = {}
    for part in parts:
        for name, line in part.signs.items():
            signs.setdefault(name, line)
        for line, text in part.near:
            near.setdefault(text, line)
    shown = [(line, text) for text, line in near.items()]
    return Log(
        tuple(fact for part in parts for fact in part.facts),
        signs,
        next((part.release for part in reversed(parts) if part.release), None),
        (),
        parts[-1].lines,
        sum(part.dropped for part in parts),
        any(part.replay_cut for part in parts),
        tuple(shown[:MAX_NEAR]),
        tuple(line for part in parts for line in part.boots),
        parts,
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
