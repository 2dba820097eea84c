"""States as two words.

A state is the number of its physical part and, one more than their numbers,
those of its address spaces, 0 for none. Two spaces fit into the first word.
"""

from __future__ import annotations

import numpy as np

from pfntrack.check.numbers.hashing import Words
from pfntrack.check.numbers.jit import compiled

# Bits of a state: 22 for the physical part, 21 for each space.
PHYS_BITS, SPACE_BITS = 22, 21
PHYS_MASK, SPACE_MASK = (1 << PHYS_BITS) - 1, (1 << SPACE_BITS) - 1
MOST_PROCESSES = 5


@compiled
def unpack(word0: int, word1: int, spaces: Words) -> int:
    """Numbers of the spaces of a state into `spaces`; how many there are."""
    living = 0
    rest = word0 >> PHYS_BITS
    for slot in range(MOST_PROCESSES):
        if slot == 2:
            rest = word1
        space = rest & SPACE_MASK
        if space == 0:
            break
        spaces[living] = space - 1
        living += 1
        rest >>= SPACE_BITS
    return living


@compiled
def pack0(phys: int, spaces: Words, living: int) -> int:
    """The first word of a state."""
    word = phys
    for slot in range(min(living, 2)):
        word |= (spaces[slot] + 1) << (PHYS_BITS + slot * SPACE_BITS)
    return word


@compiled
def pack1(spaces: Words, living: int) -> int:
    """The second word of a state."""
    word = np.int64(0)
    for slot in range(2, living):
        word |= (spaces[slot] + 1) << ((slot - 2) * SPACE_BITS)
    return word  # type: ignore[return-value]


@compiled
def sort(spaces: Words, living: int) -> None:
    """Put the first `living` numbers in order."""
    for end in range(1, living):
        at = end
        while at > 0 and spaces[at - 1] > spaces[at]:
            spaces[at - 1], spaces[at] = spaces[at], spaces[at - 1]
            at -= 1
