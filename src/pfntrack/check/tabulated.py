"""What compiled code sees of the tables: outcomes of operations by numbers."""

from __future__ import annotations

from typing import NamedTuple

from pfntrack.check.hashing import Numbers, Words, find
from pfntrack.check.jit import compiled

# What can be missing from the tables.
PAIR, RENAMED, VERDICT, REQUEST = 0, 1, 2, 3

# Columns of the table of outcomes.
ACTION, PHYS, SPACE, CHILD, NAMES, BROKEN, FLAGS, ZAP, ANSWER = range(9)
COLUMNS = 9


class Arrays(NamedTuple):
    """The tables. Maps are open-addressing tables of three words to a number.

    `first` and `length` give the outcomes of a pair, `facts` three words,
    `zapped` the outcome of each zap at each place of the file, -1 for none.
    `questions` holds for each action the facts that an answer depends on.
    """

    pair_keys: Words
    pair_values: Words
    name_keys: Words
    name_values: Words
    verdict_keys: Words
    verdict_values: Words
    request_keys: Words
    request_values: Words
    first: Numbers
    length: Numbers
    facts: Words
    zapped: Numbers
    outcomes: Numbers
    questions: Words
    places: int


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
            found = find(t.name_keys, t.name_values, names, spaces[slot], 0)
            if found < 0:
                lacks = report(missing, lacks, RENAMED, names, spaces[slot], 0, 0)
            else:
                spaces[slot] = found
    return lacks
