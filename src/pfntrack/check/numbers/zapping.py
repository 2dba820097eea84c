"""Zaps through a file, on numbers: folds over the processes that map it."""

from __future__ import annotations

from pfntrack.check.numbers.hashing import Words, look
from pfntrack.check.numbers.jit import compiled
from pfntrack.check.numbers.tables import INSIDE
from pfntrack.check.numbers.tabulated import (
    BROKEN,
    FLAGS,
    NAMES,
    PAIR,
    PHYS,
    SPACE,
    Arrays,
    packed_key,
    rename_others,
    report,
)

# In place of a physical part: something is missing, or the result is not within the bounds.
MISSING, OUTSIDE = -1, -2


@compiled
def zap_alone(t: Arrays, number: int, pairs: Words, living: int, spaces: Words) -> bool:
    """A zap that the physical part has no say in, so that no order matters; was it one?"""
    for slot in range(living):
        if t.alone[pairs[slot], number] < 0:
            return False
    for slot in range(living):
        spaces[slot] = t.alone[pairs[slot], number]
    return True


@compiled
def zap(
    t: Arrays,
    number: int,
    phys: int,
    spaces: Words,
    pairs: Words,
    origin: Words,
    living: int,
    order: int,
    missing: Words,
    lacks: int,
) -> tuple[int, int, int]:
    """A zap through the file: by place in the file, then by process.

    Half of `order` is the first process, odd ones go backwards. `pairs` are
    those of the spaces, -1 where they must be looked up. Changes both. `origin`
    are the pairs from which all began: where a process maps the file, a zap
    does not change. Returns the physical part (or MISSING or OUTSIDE), what broke, and how much is
    missing.
    """
    broken, inside = 0, INSIDE
    for place in range(t.places):
        for step in range(living):
            slot = (step + order // 2) % living
            if order % 2:
                slot = living - 1 - slot
            if t.zapped[origin[slot], number * t.places + place] < 0:
                continue
            pair = pairs[slot]
            if pair < 0:
                pair = look(t.pairs, packed_key(phys, spaces[slot]))
                if pair < 0:
                    lacks = report(missing, lacks, PAIR, phys, spaces[slot], 0, 0)
                    return MISSING, 0, lacks
                pairs[slot] = pair
            o = t.zapped[pair, number * t.places + place]
            had = lacks
            names = t.outcomes[o, NAMES]
            lacks = rename_others(t, names, spaces, living, slot, missing, lacks)
            if lacks > had:
                return MISSING, 0, lacks
            if names >= 0 or phys != t.outcomes[o, PHYS]:
                for each in range(living):
                    pairs[each] = -1
            pairs[slot] = -1
            phys = t.outcomes[o, PHYS]
            spaces[slot] = t.outcomes[o, SPACE]
            broken |= t.outcomes[o, BROKEN]
            inside = t.outcomes[o, FLAGS] & INSIDE
    return phys if inside else OUTSIDE, broken, lacks


@compiled
def differs(
    t: Arrays,
    number: int,
    phys: int,
    spaces: Words,
    origin: Words,
    living: int,
    after: Words,
    new_phys: int,
    broken: int,
    other: Words,
    pairs: Words,
    missing: Words,
    lacks: int,
) -> tuple[int, int]:
    """Would another order of the processes have led elsewhere? (1 or 0, what is missing).

    Rotations in both directions are all orders of up to three processes. `other`
    and `pairs` are room to work in.
    """
    for order in range(1, 2 * living):
        for slot in range(living):
            other[slot], pairs[slot] = spaces[slot], -1
        other_phys, found, lacks = zap(
            t, number, phys, other, pairs, origin, living, order, missing, lacks
        )
        if other_phys == MISSING:
            return 0, lacks
        if other_phys != new_phys or found != broken:
            return 1, lacks
        for slot in range(living):
            if other[slot] != after[slot]:
                return 1, lacks
    return 0, lacks
