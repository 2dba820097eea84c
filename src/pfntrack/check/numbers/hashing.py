"""Hash tables of words to a number, for compiled code."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pfntrack.check.numbers.jit import compiled

Words = NDArray[np.int64]
Numbers = NDArray[np.int32]
Flags = NDArray[np.uint8]


@compiled
def mix(a: int, b: int, c: int) -> int:
    """Three words well stirred, as 63 bits."""
    x = np.uint64(a) * np.uint64(0x9E3779B97F4A7C15)
    x ^= np.uint64(b) + np.uint64(0x7F4A7C159E3779B9) + (x << np.uint64(6)) + (x >> np.uint64(2))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x ^= np.uint64(c) + np.uint64(0x94D049BB133111EB) + (x << np.uint64(6)) + (x >> np.uint64(2))
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((x ^ (x >> np.uint64(31))) >> np.uint64(1))  # type: ignore[return-value]


@compiled
def stir(a: int, b: int) -> int:
    """Two words well stirred, as 63 bits."""
    x = np.uint64(a) * np.uint64(0x9E3779B97F4A7C15)
    x = ((x ^ (x >> np.uint64(32))) + np.uint64(b)) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(29))) * np.uint64(0x94D049BB133111EB)
    return np.int64((x ^ (x >> np.uint64(32))) >> np.uint64(1))  # type: ignore[return-value]


@compiled
def find(keys: Words, values: Words, a: int, b: int, c: int) -> int:
    """The value of a key, -1 if there is none."""
    last = values.size - 1
    at = mix(a, b, c) & last
    while values[at] >= 0:
        if keys[at, 0] == a and keys[at, 1] == b and keys[at, 2] == c:
            return values[at]  # type: ignore[no-any-return]
        at = (at + 1) & last
    return -1


@compiled
def put(keys: Words, values: Words, a: int, b: int, c: int, value: int) -> None:
    """Add a key that is not there; the table must have room."""
    last = values.size - 1
    at = mix(a, b, c) & last
    while values[at] >= 0:
        at = (at + 1) & last
    keys[at, 0], keys[at, 1], keys[at, 2] = a, b, c
    values[at] = value


@compiled
def rehash(keys: Words, values: Words, new_keys: Words, new_values: Words) -> None:
    """Copy a table into a larger one."""
    for at in range(values.size):
        if values[at] >= 0:
            put(new_keys, new_values, keys[at, 0], keys[at, 1], keys[at, 2], values[at])


@compiled
def _home(key: int, last: int) -> int:
    """Where an index of `last + 1` rows has a key, unless it is taken."""
    return np.int64(np.uint64(key) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32)) & last  # type: ignore[return-value]


@compiled
def look(index: Words, key: int) -> int:
    """The value of a key from 0 on in an index, -1 if there is none.

    An index has rows of a key plus one and its value, so that both are read at once.
    """
    last = index.shape[0] - 1
    at = _home(key, last)
    while index[at, 0] != 0:
        if index[at, 0] == key + 1:
            return index[at, 1]  # type: ignore[no-any-return]
        at = (at + 1) & last
    return -1


@compiled
def enlist(index: Words, key: int, value: int) -> None:
    """Add a key that is not there; the index must have room."""
    last = index.shape[0] - 1
    at = _home(key, last)
    while index[at, 0] != 0:
        at = (at + 1) & last
    index[at, 0], index[at, 1] = key + 1, value


@compiled
def relist(index: Words, other: Words) -> None:
    """Copy an index into a larger one."""
    for at in range(index.shape[0]):
        if index[at, 0] != 0:
            enlist(other, index[at, 0] - 1, index[at, 1])
