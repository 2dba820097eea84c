"""Growing arrays and hash tables around the search kernel."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from pfntrack.check import kernels
from pfntrack.check.judge import TooManyError
from pfntrack.check.kernels import Arrays, Numbers, Words

# The table of states has this many parts, whatever the number of workers.
PART_BITS = 4


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
        return kernels.find(self.keys, self.values, *key) >= 0

    def put(self, key: tuple[int, int, int], value: int) -> None:
        """Add a key that is not there."""
        if 2 * self.count >= self.values.size:
            keys = np.zeros((2 * len(self.keys), 3), np.int64)
            values = np.full(2 * self.values.size, -1, np.int64)
            kernels.rehash(self.keys, self.values, keys, values)
            self.keys, self.values = keys, values
        kernels.put(self.keys, self.values, *key, value)
        self.count += 1


class Store:
    """The tables of the kernel, filled from outside."""

    def __init__(self, zaps: int, places: int, questions: list[int]) -> None:
        self.pairs, self.names, self.verdicts, self.requests = Map(), Map(), Map(), Map()
        self.first = np.zeros(1 << 10, np.int32)
        self.count = np.zeros(1 << 10, np.int32)
        self.facts = np.zeros((1 << 10, 3), np.int64)
        self.zapped = np.full((1 << 10, max(1, zaps * places)), -1, np.int32)
        self.outcomes = np.zeros((1 << 12, 9), np.int32)
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

    def add_outcomes(self, rows: list[tuple[int, ...]]) -> int:
        """Keep rows of the table of outcomes; the number of the first."""
        first = self.used
        self.used += len(rows)
        self.outcomes = grown(self.outcomes, self.used)
        if rows:
            self.outcomes[first : self.used] = rows
        return first

    def add_pair(
        self,
        key: tuple[int, int],
        facts: tuple[int, int, int],
        rows: list[tuple[int, ...]],
        zapped: dict[int, tuple[int, ...]],
    ) -> None:
        """Tabulate a pair: facts, outcomes, and the rows of zaps by their column."""
        pair = self.pairs.count
        self.first = grown(self.first, pair + 1)
        self.count = grown(self.count, pair + 1)
        self.facts = grown(self.facts, pair + 1)
        self.zapped = grown(self.zapped, pair + 1)
        self.zapped[pair] = -1
        self.first[pair], self.count[pair] = self.add_outcomes(rows), len(rows)
        self.facts[pair] = facts
        first = self.add_outcomes(list(zapped.values()))
        for row, column in enumerate(zapped):
            self.zapped[pair, column] = first + row
        self.pairs.put((*key, 0), pair)

    @property
    def bytes(self) -> int:
        """Memory of the tables."""
        return sum(array.nbytes for array in self.arrays() if not isinstance(array, int))


class States:
    """All states found so far, in the order in which they were found."""

    # Two words, a parent, a move.
    BYTES = 8 + 8 + 4 + 4

    def __init__(self) -> None:
        self.word0: Words = np.zeros(1 << 12, np.int64)
        self.word1: Words = np.zeros(1 << 12, np.int64)
        self.parent: Numbers = np.zeros(1 << 12, np.int32)
        self.move: Numbers = np.zeros(1 << 12, np.int32)
        self.table: Numbers = np.zeros(1 << 14, np.int32)
        self.count = 0

    def reserve(self, more: int) -> None:
        """Make room for `more` states."""
        size = self.count + more
        if size >= 1 << 31:
            raise TooManyError("more than two billion states")
        self.word0, self.word1 = grown(self.word0, size), grown(self.word1, size)
        self.parent, self.move = grown(self.parent, size), grown(self.move, size)

    def reserve_slots(self, more: int) -> None:
        """Make room in the table for `more` states, which makes it seven tenths full at most."""
        slots = self.table.size
        while self.count + more > slots * 0.7:
            slots *= 2
        if slots != self.table.size:
            self.rebuild(slots)

    def rebuild(self, slots: int) -> None:
        """Enter all states into a table of `slots` places."""
        self.table = np.zeros(slots, np.int32)
        kernels.refill(self.word0, self.word1, self.count, self.table, PART_BITS)

    @property
    def bytes(self) -> int:
        """Memory of the states and their table."""
        arrays = (self.word0, self.word1, self.parent, self.move, self.table)
        return sum(array.nbytes for array in arrays)

    def path(self, state: int) -> list[int]:
        """The moves that lead to a state."""
        moves: list[int] = []
        while state:
            moves.append(int(self.move[state]))
            state = int(self.parent[state])
        return moves[::-1]
