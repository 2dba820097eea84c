"""The set of states that have been found, for compiled code.

A table with a fixed number of parts, so that several threads can search and
fill it without locks. An exact table holds the states themselves: their first
words plus one, and in a second column, if it is wide, their second words. A
hashed one holds 63-bit hashes plus one, and equal hashes count as equal states.
"""

from __future__ import annotations

from typing import NamedTuple

from pfntrack.check.numbers.hashing import Flags, Numbers, Words, stir
from pfntrack.check.numbers.jit import compiled

# The table has this many parts, whatever the number of workers.
PART_BITS = 4
PARTS = 1 << PART_BITS
# So many looks at it come together.
TOGETHER = 512


class Visited(NamedTuple):
    """The table, and the words of the states from number `first` on."""

    keys: Words
    hashed: bool
    word0: Words
    word1: Words
    first: int


class Candidates(NamedTuple):
    """Successors that are not in the table: two words, parent, move."""

    word0: Words
    word1: Words
    parent: Numbers
    move: Numbers


@compiled
def home(key: int, span: int) -> int:
    """Where a hash belongs in a table with parts of `span` rows, unless that is taken."""
    return (key & (PARTS - 1)) * span + (key >> PART_BITS & span - 1)


@compiled
def place(keys: Words, key: int, key0: int, key1: int) -> int:
    """Where a state with hash `key` is in the table, or -1 less where it belongs."""
    span = keys.shape[0] >> PART_BITS
    base, last = (key & (PARTS - 1)) * span, span - 1
    step = key >> PART_BITS
    at: int = base + (step & last)
    while keys[at, 0] != 0:
        if keys[at, 0] == key0 and (keys.shape[1] == 1 or keys[at, 1] == key1):
            return at
        step += 1
        at = base + (step & last)
    return -1 - at


@compiled
def sift(batch: Candidates, low: int, high: int, v: Visited, looks: Words) -> int:
    """Of the candidates `[low, high)` keep those that are not in the table; where they end.

    The table is larger than any cache. So the first looks at it come before any
    decision, one right after the other, that the processor may wait for many at once.
    """
    span = v.keys.shape[0] >> PART_BITS
    exact = not v.hashed
    for i in range(low, high):
        key = stir(batch.word0[i], batch.word1[i])
        looks[0, i - low] = key
        looks[1, i - low] = home(key, span)
    for i in range(high - low):
        looks[2, i] = v.keys[looks[1, i], 0]
    end = low
    for i in range(low, high):
        word0, word1 = batch.word0[i], batch.word1[i]
        key, first = looks[0, i - low], looks[2, i - low]
        key0 = word0 + 1 if exact else key + 1
        if first == key0 and (v.keys.shape[1] == 1 or v.keys[looks[1, i - low], 1] == word1):
            continue
        if first != 0 and place(v.keys, key, key0, word1) >= 0:
            continue
        batch.word0[end], batch.word1[end] = word0, word1
        batch.parent[end], batch.move[end] = batch.parent[i], batch.move[i]
        end += 1
    return end


@compiled
def hash_all(batch: Candidates, size: int, hashes: Words) -> None:
    """Hashes of all candidates."""
    for i in range(size):
        hashes[i] = stir(batch.word0[i], batch.word1[i])


@compiled
def claim(
    batch: Candidates,
    hashes: Words,
    size: int,
    v: Visited,
    low: int,
    high: int,
    new: Flags,
    mine: Words,
) -> int:
    """Put the new ones among the candidates that belong to parts `[low, high)` into the table.

    Of equal ones the first is new. Marks them in `new`; how many there are.
    Here, too, first looks come together; their results are not needed. `mine`
    is room to work in.
    """
    count, span = 0, v.keys.shape[0] >> PART_BITS
    for begin in range(0, size, TOGETHER):
        number = 0
        for i in range(begin, min(begin + TOGETHER, size)):
            part = hashes[i] & (PARTS - 1)
            # No branch: whose a candidate is cannot be foreseen.
            mine[number] = i
            number += (low <= part) & (part < high)
        for each in range(number):
            key = hashes[mine[each]]
            new[mine[each]] = v.keys[home(key, span), 0] != 0
        for each in range(number):
            i = mine[each]
            key = hashes[i]
            key0 = key + 1 if v.hashed else batch.word0[i] + 1
            at = place(v.keys, key, key0, batch.word1[i])
            new[i] = at < 0
            if at < 0:
                v.keys[-1 - at, 0] = key0
                if v.keys.shape[1] == 2:
                    v.keys[-1 - at, 1] = batch.word1[i]
                count += 1
    return count


@compiled
def enter(
    batch: Candidates, size: int, new: Flags, v: Visited, parent: Numbers, move: Numbers, count: int
) -> int:
    """Number the new states in the order of the batch; how many states there are then."""
    for i in range(size):
        if new[i]:
            v.word0[count - v.first], v.word1[count - v.first] = batch.word0[i], batch.word1[i]
            parent[count], move[count] = batch.parent[i], batch.move[i]
            count += 1
    return count


@compiled
def refill(old: Words, keys: Words, hashed: bool, low: int, high: int) -> None:
    """Enter the states in rows `[low, high)` of a table into another one, which has room."""
    for i in range(low, high):
        key0, key1 = old[i, 0], old[i, 0]
        if key0 == 0:
            continue
        if old.shape[1] == 2:
            key1 = old[i, 1]
        key = key0 - 1 if hashed else stir(key0 - 1, key1 if old.shape[1] == 2 else 0)
        at = place(keys, key, key0, key1)
        if at < 0:
            keys[-1 - at, 0] = key0
            if old.shape[1] == 2:
                keys[-1 - at, 1] = key1
