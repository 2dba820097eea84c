"""The search kernel: breadth-first steps on integer tables.

Plain loops over arrays, compiled by Numba. A state is two words: the number of
the physical part and, one more than their numbers, those of the address
spaces, 0 for none. What is not tabulated yet is reported, and the caller tries
again when it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pfntrack.check.jit import compiled

Words = NDArray[np.int64]
Numbers = NDArray[np.int32]
Flags = NDArray[np.uint8]

# Bits of a state: 22 for the physical part, 21 for each space.
PHYS_BITS, SPACE_BITS = 22, 21
PHYS_MASK, SPACE_MASK = (1 << PHYS_BITS) - 1, (1 << SPACE_BITS) - 1
MOST_PROCESSES = 5

# What is missing from the tables.
PAIR, RENAMED, VERDICT, REQUEST = 0, 1, 2, 3

# Flags of an outcome. What replaces the actor's own mappings asks for what the others map.
INSIDE, FORKS, NEEDS_SOMEBODY, REPLACES = 1, 2, 4, 8

# Columns of the table of outcomes.
ACTION, PHYS, SPACE, CHILD, NAMES, BROKEN, FLAGS, ZAP, ANSWER = range(9)


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


class Batch(NamedTuple):
    """The successors of a block of states, and what is missing to know them."""

    word0: Words
    word1: Words
    parent: Numbers
    move: Numbers
    broken: Numbers
    verdict: Numbers
    missing: Words
    tried: Words
    effective: Words


@compiled
def mix(a: int, b: int, c: int) -> int:
    """Three words well stirred."""
    x = np.uint64(a) * np.uint64(0x9E3779B97F4A7C15)
    x ^= np.uint64(b) + np.uint64(0x7F4A7C159E3779B9) + (x << np.uint64(6)) + (x >> np.uint64(2))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x ^= np.uint64(c) + np.uint64(0x94D049BB133111EB) + (x << np.uint64(6)) + (x >> np.uint64(2))
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((x ^ (x >> np.uint64(31))) >> np.uint64(1))  # type: ignore[return-value]


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


@compiled
def expand(
    t: Arrays,
    states0: Words,
    states1: Words,
    low: int,
    high: int,
    processes: int,
    symmetric: bool,
    judge_only: bool,
    out: Batch,
) -> tuple[int, int, int, int]:
    """Successors of the states `[low, high)`.

    Returns how many there are, how many lie outside the bounds, how much is
    missing from the tables, and how many zaps depended on the order of the
    processes (counted if `symmetric`). If anything is missing the rest means
    nothing. With `judge_only` successors are left out.
    """
    made, cut, lacks, unequal = 0, 0, 0, 0
    spaces = np.empty(MOST_PROCESSES + 1, np.int64)
    after = np.empty(MOST_PROCESSES + 1, np.int64)
    pairs = np.empty(MOST_PROCESSES + 1, np.int64)
    turned = np.empty(MOST_PROCESSES + 1, np.int64)
    renamed = np.empty(MOST_PROCESSES + 1, np.int64)
    for state in range(low, high):
        word0, word1 = states0[state], states1[state]
        phys = word0 & PHYS_MASK
        living = unpack(word0, word1, spaces)
        before = lacks
        seen, contexts, claims = 0, 0, 0
        for slot in range(living + 1):
            space = spaces[slot] if slot < living else -1
            pair = find(t.pair_keys, t.pair_values, phys, space, 0)
            if pair < 0:
                lacks = report(out.missing, lacks, PAIR, phys, space, 0, 0)
                continue
            pairs[slot] = pair
            if slot < living:
                seen |= t.facts[pair, 0]
                contexts |= t.facts[pair, 1]
                claims += t.facts[pair, 2]
        if lacks > before:
            continue
        verdict = find(
            t.verdict_keys, t.verdict_values, phys | (contexts << PHYS_BITS), seen, claims
        )
        if verdict < 0:
            lacks = report(
                out.missing, lacks, VERDICT, state, phys | (contexts << PHYS_BITS), seen, claims
            )
            continue
        out.verdict[state - low] = verdict
        if judge_only:
            continue
        for slot in range(living + 1):
            pair = pairs[slot]
            for o in range(t.first[pair], t.first[pair] + t.length[pair]):
                flags = t.outcomes[o, FLAGS]
                if flags & FORKS and living >= processes:
                    continue
                if flags & NEEDS_SOMEBODY and living == 0:
                    continue
                if not flags & INSIDE:
                    cut += 1
                    continue
                broken = t.outcomes[o, BROKEN]
                action = t.outcomes[o, ACTION]
                if t.outcomes[o, ANSWER] >= 0:
                    facts = seen
                    if flags & REPLACES:
                        facts = 0
                        for each in range(living):
                            if each != slot:
                                facts |= t.facts[pairs[each], 0]
                    facts &= t.questions[action]
                    asked = find(t.request_keys, t.request_values, o, facts, 0)
                    if asked < 0:
                        lacks = report(out.missing, lacks, REQUEST, state, slot, o, facts)
                        continue
                    broken |= asked
                new_phys, new_living = t.outcomes[o, PHYS], living
                for each in range(living):
                    after[each] = spaces[each]
                lacks = rename_others(
                    t, t.outcomes[o, NAMES], after, living, slot, out.missing, lacks
                )
                if slot < living:
                    if t.outcomes[o, SPACE] < 0:
                        for each in range(slot, living - 1):
                            after[each] = after[each + 1]
                        new_living -= 1
                    else:
                        after[slot] = t.outcomes[o, SPACE]
                    if t.outcomes[o, CHILD] >= 0:
                        after[new_living] = t.outcomes[o, CHILD]
                        new_living += 1
                elif t.outcomes[o, ZAP] >= 0 and living:
                    start, which = new_phys, t.outcomes[o, ZAP]
                    renamed[:] = after
                    turned[:] = -1
                    if start == phys and t.outcomes[o, NAMES] < 0:
                        turned[:living] = pairs[:living]
                    new_phys, found, lacks = zap(
                        t, which, start, after, turned, living, 0, out.missing, lacks
                    )
                    if new_phys < 0:
                        continue
                    broken |= found
                    if symmetric and living > 1:
                        other, lacks = differs(
                            t,
                            which,
                            start,
                            renamed,
                            living,
                            after,
                            new_phys,
                            found,
                            out.missing,
                            lacks,
                        )
                        unequal += other
                if symmetric:
                    sort(after, new_living)
                move = action * 8 + (slot if slot < living else 0)
                out.word0[made] = pack0(new_phys, after, new_living)
                out.word1[made] = pack1(after, new_living)
                out.parent[made] = state
                out.move[made] = move
                out.broken[made] = broken
                out.tried[action] += 1
                if out.word0[made] != word0 or out.word1[made] != word1:
                    out.effective[action] += 1
                made += 1
    return made, cut, lacks, unequal


@compiled
def zap(
    t: Arrays,
    number: int,
    phys: int,
    spaces: Words,
    pairs: Words,
    living: int,
    order: int,
    missing: Words,
    lacks: int,
) -> tuple[int, int, int]:
    """A zap through the file: by place in the file, then by process.

    Half of `order` is the first process, odd ones go backwards. `pairs` are
    those of the spaces, -1 where they must be looked up. Changes both. Returns
    the physical part (-1 if something is missing), what broke, and how much is
    missing.
    """
    broken = 0
    for place in range(t.places):
        for step in range(living):
            slot = (step + order // 2) % living
            if order % 2:
                slot = living - 1 - slot
            pair = pairs[slot]
            if pair < 0:
                pair = find(t.pair_keys, t.pair_values, phys, spaces[slot], 0)
                if pair < 0:
                    return -1, 0, report(missing, lacks, PAIR, phys, spaces[slot], 0, 0)
                pairs[slot] = pair
            o = t.zapped[pair, number * t.places + place]
            if o < 0:
                continue
            had = lacks
            names = t.outcomes[o, NAMES]
            lacks = rename_others(t, names, spaces, living, slot, missing, lacks)
            if lacks > had:
                return -1, 0, lacks
            if names >= 0 or phys != t.outcomes[o, PHYS]:
                pairs[:] = -1
            pairs[slot] = -1
            phys = t.outcomes[o, PHYS]
            spaces[slot] = t.outcomes[o, SPACE]
            broken |= t.outcomes[o, BROKEN]
    return phys, broken, lacks


@compiled
def differs(
    t: Arrays,
    number: int,
    phys: int,
    spaces: Words,
    living: int,
    after: Words,
    new_phys: int,
    broken: int,
    missing: Words,
    lacks: int,
) -> tuple[int, int]:
    """Would another order of the processes have led elsewhere? (1 or 0, what is missing).

    Rotations in both directions are all orders of up to three processes.
    """
    other = np.empty(MOST_PROCESSES + 1, np.int64)
    pairs = np.empty(MOST_PROCESSES + 1, np.int64)
    for order in range(1, 2 * living):
        other[:] = spaces
        pairs[:] = -1
        other_phys, found, lacks = zap(t, number, phys, other, pairs, living, order, missing, lacks)
        if other_phys < 0:
            return 0, lacks
        if other_phys != new_phys or found != broken:
            return 1, lacks
        for slot in range(living):
            if other[slot] != after[slot]:
                return 1, lacks
    return 0, lacks


@compiled
def claim(
    batch0: Words,
    batch1: Words,
    hashes: Words,
    size: int,
    states0: Words,
    states1: Words,
    table: Numbers,
    part: int,
    part_bits: int,
    new: Flags,
    slots: Words,
) -> int:
    """Find the new ones among the successors that belong to one part of the table.

    The table holds one more than the number of a state, 0 for none, and, until
    the new ones are numbered, minus their places in the batch less one. Marks
    them in `new`, keeps their slots, and returns how many there are.
    """
    span = table.size >> part_bits
    base, last = part * span, span - 1
    count = 0
    for i in range(size):
        if hashes[i] & ((1 << part_bits) - 1) != part:
            continue
        at = (hashes[i] >> part_bits) & last
        fresh = True
        while table[base + at] != 0:
            there = table[base + at]
            if there > 0:
                same = states0[there - 1] == batch0[i] and states1[there - 1] == batch1[i]
            else:
                same = batch0[-there - 1] == batch0[i] and batch1[-there - 1] == batch1[i]
            if same:
                fresh = False
                break
            at = (at + 1) & last
        new[i] = fresh
        if fresh:
            table[base + at] = -i - 1
            slots[i] = base + at
            count += 1
    return count


@compiled
def enter(
    batch0: Words,
    batch1: Words,
    parents: Numbers,
    moves: Numbers,
    new: Flags,
    slots: Words,
    size: int,
    states0: Words,
    states1: Words,
    parent: Numbers,
    move: Numbers,
    table: Numbers,
    count: int,
) -> int:
    """Number the new states in the order of the batch; how many states there are then."""
    for i in range(size):
        if new[i]:
            states0[count], states1[count] = batch0[i], batch1[i]
            parent[count], move[count] = parents[i], moves[i]
            count += 1
            table[slots[i]] = count
    return count


@compiled
def hash_all(batch0: Words, batch1: Words, size: int, hashes: Words) -> None:
    """Hashes of all successors."""
    for i in range(size):
        hashes[i] = mix(batch0[i], batch1[i], 0)


@compiled
def refill(states0: Words, states1: Words, count: int, table: Numbers, part_bits: int) -> None:
    """Enter all states into an empty table."""
    span = table.size >> part_bits
    last = span - 1
    for state in range(count):
        key = mix(states0[state], states1[state], 0)
        base = (key & ((1 << part_bits) - 1)) * span
        at = (key >> part_bits) & last
        while table[base + at] != 0:
            at = (at + 1) & last
        table[base + at] = state + 1


@compiled
def first_broken(broken: Numbers, size: int, wanted: int) -> int:
    """Place of the first successor whose step breaks one of the wanted properties, or -1."""
    for i in range(size):
        if broken[i] & wanted:
            return i
    return -1
