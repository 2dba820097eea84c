"""Growing arrays and hash tables around the search kernel."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from pfntrack.check.facts import TooManyError
from pfntrack.check.hashing import Numbers, Words, find, put, rehash
from pfntrack.check.tabulated import COLUMNS, Arrays
from pfntrack.check.visited import PARTS, Visited, refill

A = TypeVar("A", bound=NDArray[Any])


def grown(array: A, size: int) -> A:
    """`array` with room for at least `size` rows."""
    if size <= len(array):
        return array
    room = np.zeros((max(size, len(array) * 3 // 2), *array.shape[1:]), array.dtype)
    room[: len(array)] = array
    return cast("A", room)


class Map:
    """Keys of three words to numbers, at most half full."""

    def __init__(self) -> None:
        self.keys: Words = np.zeros((1 << 10, 3), np.int64)
        self.values: Words = np.full(1 << 10, -1, np.int64)
        self.count = 0

    def __contains__(self, key: tuple[int, int, int]) -> bool:
        return find(self.keys, self.values, *key) >= 0

    def put(self, key: tuple[int, int, int], value: int) -> None:
        """Add a key that is not there."""
        if 2 * self.count >= self.values.size:
            keys = np.zeros((2 * len(self.keys), 3), np.int64)
            values = np.full(2 * self.values.size, -1, np.int64)
            rehash(self.keys, self.values, keys, values)
            self.keys, self.values = keys, values
        put(self.keys, self.values, *key, value)
        self.count += 1


class Store:
    """The tables of the kernel, filled from outside."""

    def __init__(self, zaps: int, places: int, questions: list[int]) -> None:
        self.pairs, self.names, self.verdicts, self.requests = Map(), Map(), Map(), Map()
        self.first = np.zeros(1 << 10, np.int32)
        self.count = np.zeros(1 << 10, np.int32)
        self.facts = np.zeros((1 << 10, 3), np.int64)
        self.zapped = np.full((1 << 10, max(1, zaps * places)), -1, np.int32)
        self.outcomes = np.zeros((1 << 12, COLUMNS), np.int32)
        self.questions = np.array(questions, np.int64)
        self.places = places
        self.used = 0

    def arrays(self) -> Arrays:
        """The tables as the kernel takes them."""
        return Arrays(
            self.pairs.keys,
            self.pairs.values,
            self.names.keys,
            self.names.values,
            self.verdicts.keys,
            self.verdicts.values,
            self.requests.keys,
            self.requests.values,
            self.first,
            self.count,
            self.facts,
            self.zapped,
            self.outcomes,
            self.questions,
            self.places,
        )

    def add_outcomes(self, rows: Numbers) -> int:
        """Keep rows of the table of outcomes; the number of the first."""
        first = self.used
        self.used += len(rows)
        self.outcomes = grown(self.outcomes, self.used)
        self.outcomes[first : self.used] = rows
        return first

    def add_pair(
        self, key: tuple[int, int], facts: tuple[int, int, int], rows: Numbers, columns: list[int]
    ) -> None:
        """Tabulate a pair: facts, outcomes, and last the rows of zaps in these columns."""
        pair, zaps = self.pairs.count, len(columns)
        self.first = grown(self.first, pair + 1)
        self.count = grown(self.count, pair + 1)
        self.facts = grown(self.facts, pair + 1)
        self.zapped = grown(self.zapped, pair + 1)
        first, count = self.add_outcomes(rows), len(rows) - zaps
        self.first[pair], self.count[pair], self.facts[pair] = first, count, facts
        self.zapped[pair] = -1
        self.zapped[pair, columns] = np.arange(first + count, first + count + zaps)
        self.pairs.put((*key, 0), pair)

    @property
    def bytes(self) -> int:
        """Memory of the tables."""
        return sum(array.nbytes for array in self.arrays() if not isinstance(array, int))


class States:
    """All states found so far, in the order in which they were found.

    The words of those from number `first` on are kept. Of the others it is
    known that they were found, and how: by a table of the states themselves
    (`wide` if they need two words) or, `hashed`, of their fingerprints.
    """

    def __init__(self, *, wide: bool = True, hashed: bool = False) -> None:
        self.hashed = hashed
        self.word0: Words = np.zeros(1 << 12, np.int64)
        self.word1: Words = np.zeros(1 << 12, np.int64)
        self.parent: Numbers = np.zeros(1 << 12, np.int32)
        self.move: Numbers = np.zeros(1 << 12, np.int32)
        self.keys: Words = np.zeros((1 << 14, 2 if wide and not hashed else 1), np.int64)
        self.first = 0
        self.count = 0

    def visited(self) -> Visited:
        """The states as compiled code takes them."""
        return Visited(self.keys, self.hashed, self.word0, self.word1, self.first)

    def reserve(self, more: int) -> None:
        """Make room for `more` states."""
        size = self.count + more
        if size >= 1 << 31:
            raise TooManyError("more than two billion states")
        kept = size - self.first
        self.word0, self.word1 = grown(self.word0, kept), grown(self.word1, kept)
        self.parent, self.move = grown(self.parent, size), grown(self.move, size)

    def reserve_keys(self, more: int, pool: Executor | None = None) -> None:
        """Make room in the table for `more` states, which makes it seven tenths full at most."""
        slots = len(self.keys)
        while self.count + more > slots * 0.7:
            slots *= 2
        if slots != len(self.keys):
            keys = np.zeros((slots, self.keys.shape[1]), np.int64)
            old, span = self.keys, len(self.keys) // PARTS

            def move(part: int) -> None:
                refill(old, keys, self.hashed, part * span, (part + 1) * span)

            # What is in one part of the table stays in it.
            for _ in (pool.map if pool else map)(move, range(PARTS)):
                pass
            self.keys = keys

    def forget(self, before: int) -> None:
        """The states before number `before` are not expanded any more."""
        kept = slice(before - self.first, self.count - self.first)
        self.word0, self.word1 = self.word0[kept].copy(), self.word1[kept].copy()
        self.first = before

    def words(self, state: int) -> tuple[int, int]:
        """The two words of a state that is still known."""
        at = state - self.first
        return int(self.word0[at]), int(self.word1[at])

    @property
    def bytes(self) -> int:
        """Memory of the states and their table."""
        arrays = (self.word0, self.word1, self.parent, self.move, self.keys)
        return sum(array.nbytes for array in arrays)

    @property
    def missed(self) -> float:
        """A bound on the probability that some state was taken for another one."""
        return min(1.0, self.count * (self.count - 1) / 2**64) if self.hashed else 0.0

    def path(self, state: int) -> list[int]:
        """The moves that lead to a state."""
        moves: list[int] = []
        while state:
            moves.append(int(self.move[state]))
            state = int(self.parent[state])
        return moves[::-1]
