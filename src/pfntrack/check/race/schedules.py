"""All schedules of overlapping calls, each distinct moment looked at once.

A call is deterministic: what it will do follows from what its parts have read so far. So two
schedules that lead to the same shared state, and in which each call has read the same in each
of its parts, can be told apart by nobody, and are one from there on. Parts that do not
touch each other's values commute in this sense, which makes it a partial-order
reduction; unlike one by declared dependence it needs no declarations. The search goes by
levels (number of parts), so the first way to a moment is a shortest one; of
several as short, the one with the fewest switches between calls stays.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import cast

import attrs

from pfntrack.mm.shared import Key
from pfntrack.mm.vma import Vma
from pfntrack.releases.kernel import Kernel
from pfntrack.releases.together import Moment, Part, advance


@attrs.define(eq=False)
class Node:
    """A moment and the shortest way to it; `ways` counts the schedules that lead here."""

    moment: Moment
    key: tuple[int, ...]
    seen: tuple[int, ...]
    before: Node | None = None
    part: Part | None = None
    switches: int = 0
    ways: int = 1

    def schedule(self) -> list[int]:
        """Numbers of the calls, part by part."""
        return [part.call for part in self.parts()]

    def parts(self) -> list[Part]:
        """The parts that lead here, first to last."""
        found: list[Part] = []
        node: Node | None = self
        while node is not None and node.part is not None:
            found.append(node.part)
            node = node.before
        return found[::-1]


@attrs.frozen
class Size:
    """How large a search was: moments, parts performed, schedules that these stand for."""

    moments: int
    parts: int
    schedules: int
    complete: bool


class Schedules:
    """A search through the schedules that begin in one moment.

    `arrived(node)` is called for each new moment, `went(node, part, after)` for each part;
    at most `limit` moments are looked at.
    """

    def __init__(self, kernel: Kernel, start: Moment, *, limit: int = 100_000) -> None:
        self.kernel = kernel
        self.limit = limit
        self._numbers: dict[tuple[object, Hashable], int] = {}
        self._keys: list[Key] = sorted(start.values)
        seen = tuple(self._number("calls", (number,)) for number in range(len(start.calls)))
        self.start = Node(start, self._key(start, seen), seen)
        self.ends: list[Node] = []

    def run(
        self,
        arrived: Callable[[Node], None],
        went: Callable[[Node, Part, Moment], None],
    ) -> Size:
        """Go through all of them."""
        level, moments, parts, complete = [self.start], 1, 0, True
        arrived(self.start)
        while level:
            following: dict[tuple[int, ...], Node] = {}
            for node in level:
                for after in self._steps(node):
                    parts += 1
                    assert after.part is not None  # noqa: S101 - it has just been made
                    went(node, after.part, after.moment)
                    known = following.get(after.key)
                    if known is None:
                        following[after.key] = after
                    else:
                        _join(known, after)
            for node in following.values():
                arrived(node)
                if not node.moment.ready():
                    self.ends.append(node)
            moments += len(following)
            level = list(following.values())
            if moments > self.limit:
                complete = False
                break
        return Size(moments, parts, sum(node.ways for node in self.ends), complete)

    def _steps(self, node: Node) -> Iterator[Node]:
        for number in node.moment.ready():
            moment, part = advance(self.kernel, node.moment, number)
            read = frozenset(
                (key, self._number(key, _value(key, value))) for key, value in part.read.items()
            )
            now = self._number("seen", (node.seen[number], read))
            seen = tuple(now if at == number else old for at, old in enumerate(node.seen))
            switched = node.part is not None and node.part.call != number
            yield Node(
                moment,
                self._key(moment, seen),
                seen,
                node,
                part,
                node.switches + switched,
                node.ways,
            )

    def _key(self, moment: Moment, seen: tuple[int, ...]) -> tuple[int, ...]:
        return (
            *(self._number(key, _value(key, moment.values[key])) for key in self._keys),
            *seen,
        )

    def _number(self, kind: object, value: Hashable) -> int:
        return self._numbers.setdefault((kind, value), len(self._numbers))


def _join(known: Node, other: Node) -> None:
    """Two ways to one moment: the one with fewer switches is kept."""
    known.ways += other.ways
    if other.switches < known.switches:
        known.before, known.part, known.switches = other.before, other.part, other.switches
        known.moment = other.moment


def _value(key: Key, value: Hashable) -> Hashable:
    """A value with what its equality leaves out and a walk of an index sees: ranks."""
    if key[0] == "vmas":
        vmas = cast("tuple[Vma, ...]", value)
        return vmas, tuple(vma.rank for vma in vmas)
    return value


def every_schedule(kernel: Kernel, start: Moment) -> Iterator[tuple[list[Part], list[Moment]]]:
    """Each schedule by itself, without any reduction: for comparison on small cases."""
    stack: list[tuple[list[Part], list[Moment]]] = [([], [start])]
    while stack:
        parts, moments = stack.pop()
        ready = moments[-1].ready()
        if not ready:
            yield parts, moments
        for number in reversed(ready):
            moment, part = advance(kernel, moments[-1], number)
            stack.append(([*parts, part], [*moments, moment]))
