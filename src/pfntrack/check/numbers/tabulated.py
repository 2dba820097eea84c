"""What compiled code sees of the tables: outcomes of operations by numbers."""

from __future__ import annotations

from typing import NamedTuple

from pfntrack.check.numbers.hashing import Numbers, Words, look
from pfntrack.check.numbers.jit import compiled
from pfntrack.check.numbers.words import PHYS_BITS, SPACE_BITS

# What can be missing from the tables.
PAIR, RENAMED, VERDICT, REQUEST = 0, 1, 2, 3

# Columns of the table of outcomes.
ACTION, PHYS, SPACE, CHILD, NAMES, BROKEN, FLAGS, ZAP, ANSWER = range(9)
COLUMNS = 9

# Columns of the heads of pairs: where their entries begin, how many there are, their profile.
FIRST, LENGTH, PROFILE = range(3)

# A packed entry: the physical part, one more than the actor's space (0 if there
# is none after it), the action, one more than the renaming of all others (0 if
# there is none). One that does not fit is the complement of its row's number.
ACTION_AT = PHYS_BITS + SPACE_BITS
ACTION_BITS, NAMES_BITS = 10, 10
ACTION_MASK, MOST_NAMES = (1 << ACTION_BITS) - 1, (1 << NAMES_BITS) - 2
NAMES_AT = ACTION_AT + ACTION_BITS


class Arrays(NamedTuple):
    """The tables. Maps are open-addressing tables of words to a number.

    `pairs` and `names` map a packed key to the number of a pair and of a
    renamed space. `heads` say where in `entries` those of a pair are, `facts`
    are three words, `zapped` the outcome of each zap at each place of the file
    (-1 for none), `alone` the space that each zap makes of the pair's whatever
    the physical part and the others (-1 if they have a say). `questions` holds
    for each action the facts that an answer depends on.
    """

    pairs: Words
    names: Words
    verdict_keys: Words
    verdict_values: Words
    request_keys: Words
    request_values: Words
    heads: Numbers
    entries: Words
    facts: Words
    zapped: Numbers
    alone: Numbers
    outcomes: Numbers
    questions: Words
    places: int


@compiled
def packed_key(number: int, space: int) -> int:
    """A pair of numbers as one; `space` may be -1."""
    return number << SPACE_BITS | space + 1


@compiled
def report(missing: Words, count: int, kind: int, a: int, b: int, c: int, d: int) -> int:
    """Note that something is missing, unless there is no room to say so."""
    if count < missing.shape[0]:
        missing[count, 0], missing[count, 1] = kind, a
        missing[count, 2], missing[count, 3], missing[count, 4] = b, c, d
        return count + 1
    return count


@compiled
def rename_others(
    t: Arrays, names: int, spaces: Words, living: int, but: int, missing: Words, lacks: int
) -> int:
    """Rename all spaces but one; how much is missing by now."""
    if names < 0:
        return lacks
    for slot in range(living):
        if slot != but:
            found = look(t.names, packed_key(names, spaces[slot]))
            if found < 0:
                lacks = report(missing, lacks, RENAMED, names, spaces[slot], 0, 0)
            else:
                spaces[slot] = found
    return lacks
