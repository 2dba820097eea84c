"""Growing arrays and hash tables around the search kernel."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from pfntrack.check.judged.facts import TooManyError
from pfntrack.check.numbers.hashing import Numbers, Words, enlist, find, look, put, rehash, relist
from pfntrack.check.numbers.intern import Interned
from pfntrack.check.numbers.packing import Profile, packed_steps
from pfntrack.check.numbers.tabulated import COLUMNS, SPACE, Arrays, packed_key
from pfntrack.check.numbers.visited import PARTS, Visited, refill
from pfntrack.check.search.evaluation import Pair

# A row, a column, and what is there.
Cell = tuple[int, int, int]
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


class Index:
    """Packed keys from 0 on to numbers, at most half full."""

    def __init__(self) -> None:
        self.rows: Words = np.zeros((1 << 10, 2), np.int64)
        self.count = 0

    def __contains__(self, key: tuple[int, int]) -> bool:
        return look(self.rows, packed_key(*key)) >= 0

    def put(self, key: tuple[int, int], value: int) -> None:
        """Add a key that is not there."""
        if 2 * self.count >= len(self.rows):
            rows = np.zeros((2 * len(self.rows), 2), np.int64)
            relist(self.rows, rows)
            self.rows = rows
        enlist(self.rows, packed_key(*key), value)
        self.count += 1


class Store:
    """The tables of the kernel, filled from outside.

    `profiles` are the sets of moves that pairs have in common and that need no
    closer look at a state: for each action, whether it changes anything.
    """

    def __init__(self, zaps: int, places: int, questions: list[int]) -> None:
        self.pairs, self.names = Index(), Index()
        self.verdicts, self.requests = Map(), Map()
        self.heads = np.zeros((1 << 10, 3), np.int32)
        self.entries: Words = np.zeros(1 << 12, np.int64)
        self.facts = np.zeros((1 << 10, 3), np.int64)
        self.zapped = np.full((1 << 10, max(1, zaps * places)), -1, np.int32)
        self.alone = np.full((1 << 10, max(1, zaps)), -1, np.int32)
        self.outcomes = np.zeros((1 << 12, COLUMNS), np.int32)
        self.questions = np.array(questions, np.int64)
        self.places = places
        self.used = 0
        self.profiles: Interned[Profile] = Interned()
        # By profile: moves of each action, those that change anything, those cut off.
        self._moves: Words = np.zeros((1 << 8, 2 * len(questions) + 1), np.int64)
        self._filled = 0
        self._pending: dict[tuple[int, int], Pair] = {}

    def arrays(self) -> Arrays:
        """The tables as the kernel takes them."""
        self.tabulate()
        return Arrays(
            self.pairs.rows,
            self.names.rows,
            self.verdicts.keys,
            self.verdicts.values,
            self.requests.keys,
            self.requests.values,
            self.heads,
            self.entries,
            self.facts,
            self.zapped,
            self.alone,
            self.outcomes,
            self.questions,
            self.places,
        )

    def add_pair(self, phys: int, space: int, pair: Pair) -> None:
        """Keep what is known of a pair, to be tabulated with the next ones."""
        self._pending[phys, space] = pair

    def has_pair(self, phys: int, space: int) -> bool:
        """Is the pair known?"""
        return (phys, space) in self._pending or (phys, space) in self.pairs

    def tabulate(self) -> None:
        """Enter the pairs that wait: facts, outcomes, rows of zaps."""
        if not self._pending:
            return
        low, first = self.pairs.count, self.used
        high = low + len(self._pending)
        rows, entries = list[Sequence[int]](), list[int]()
        heads, zapped, alone = list[tuple[int, int, int]](), list[Cell](), list[Cell]()
        for number, ((phys, space), pair) in enumerate(self._pending.items(), low):
            at = first + len(rows)
            steps = packed_steps(pair.rows[: pair.outcomes], phys, space, at)
            begin = self._filled + len(entries)
            heads.append((begin, len(steps.entries), self._profile(steps.profile)))
            entries += steps.entries
            rows += pair.rows
            after = at + pair.outcomes
            zapped += [(number, column, after + n) for n, column in enumerate(pair.columns)]
            whole = pair.rows[pair.outcomes + len(pair.columns) :]
            alone += [(number, zap, row[SPACE]) for zap, row in enumerate(whole)]
        self.used, self._filled = first + len(rows), self._filled + len(entries)
        self.outcomes = grown(self.outcomes, self.used)
        self.outcomes[first : self.used] = np.array(rows, np.int32).reshape(-1, COLUMNS)
        self.entries = grown(self.entries, self._filled)
        self.entries[self._filled - len(entries) : self._filled] = entries
        self.heads, self.facts = grown(self.heads, high), grown(self.facts, high)
        self.heads[low:high] = heads
        self.facts[low:high] = [pair.facts for pair in self._pending.values()]
        self.zapped, self.alone = grown(self.zapped, high), grown(self.alone, high)
        for table, cells in ((self.zapped, zapped), (self.alone, alone)):
            table[low:high] = -1
            if cells:
                numbers, columns, values = np.array(cells).T
                table[numbers, columns] = values
        for key in self._pending:
            self.pairs.put(key, self.pairs.count)
        self._pending.clear()

    def counted(self, visits: Words) -> tuple[Words, Words, int]:
        """What visits of profiles amount to: moves and changes by action, moves cut off."""
        total = visits @ self._moves[: len(visits)]
        tried, effective = total[:-1].reshape(2, -1)
        return tried, effective, int(total[-1])

    def _profile(self, profile: Profile) -> int:
        number = self.profiles.number(profile)
        if number >= len(self._moves):
            self._moves = grown(self._moves, number + 1)
        if not self._moves[number].any():
            tried, effective = self._moves[number, :-1].reshape(2, -1)
            for action, changes in profile.moves:
                tried[action] += 1
                effective[action] += changes
            self._moves[number, -1] = profile.cut
        return number

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
        if size > len(self.parent):
            # They are the longest: where that can be done, they grow where they are.
            room = max(size, len(self.parent) * 3 // 2)
            self.parent.resize(room, refcheck=False)
            self.move.resize(room, refcheck=False)

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
        size = self.count - before
        if 4 * size < len(self.word0):
            self.word0, self.word1 = self.word0[kept].copy(), self.word1[kept].copy()
        else:
            # The room is needed again for the next level.
            self.word0[:size], self.word1[:size] = self.word0[kept], self.word1[kept]
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
