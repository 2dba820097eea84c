"""Successors of states, on numbers: plain loops over arrays, compiled by Numba.

What is not tabulated yet is reported, and the caller tries again when it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pfntrack.check.numbers.hashing import Numbers, Words, find, look
from pfntrack.check.numbers.jit import compiled
from pfntrack.check.numbers.tables import FORKS, INSIDE, NEEDS_SOMEBODY, REPLACES
from pfntrack.check.numbers.tabulated import (
    ACTION,
    ACTION_AT,
    ACTION_MASK,
    ANSWER,
    BROKEN,
    CHILD,
    FIRST,
    FLAGS,
    LENGTH,
    NAMES,
    NAMES_AT,
    PAIR,
    PHYS,
    PROFILE,
    REQUEST,
    SPACE,
    VERDICT,
    ZAP,
    Arrays,
    packed_key,
    rename_others,
    report,
)
from pfntrack.check.numbers.visited import TOGETHER, Candidates, Visited, sift
from pfntrack.check.numbers.words import (
    MOST_PROCESSES,
    PHYS_BITS,
    PHYS_MASK,
    SPACE_BITS,
    SPACE_MASK,
    pack0,
    pack1,
    sort,
    unpack,
)
from pfntrack.check.numbers.zapping import OUTSIDE, differs, zap, zap_alone


class Batch(NamedTuple):
    """What came of a block of states, and what is missing to know the rest.

    `fresh` are the successors that have not been found before. `verdict` are
    properties broken in the states themselves, by state; `broken` holds for
    each property the first step that breaks it (state, move), -1 for none.
    `visits` counts pairs by profile, `tried` and `effective` the other moves
    by action. `scratch`, `actions` and `looks` are room to work in.
    """

    fresh: Candidates
    verdict: Numbers
    broken: Words
    missing: Words
    visits: Words
    tried: Words
    effective: Words
    scratch: Words
    actions: Words
    looks: Words


@compiled
def pairs_of(
    t: Arrays, phys: int, spaces: Words, living: int, pairs: Words, missing: Words, lacks: int
) -> int:
    """Look up the pairs of a state, nobody's last; how much is missing by now."""
    for slot in range(living + 1):
        space = spaces[slot] if slot < living else -1
        pair = look(t.pairs, packed_key(phys, space))
        if pair < 0:
            lacks = report(missing, lacks, PAIR, phys, space, 0, 0)
        pairs[slot] = pair
    return lacks


@compiled
def judged(
    t: Arrays, state: int, phys: int, pairs: Words, living: int, missing: Words, lacks: int
) -> tuple[int, int, int]:
    """Properties broken in a state, the facts about its pages, and what is missing."""
    seen, contexts, claims = 0, 0, 0
    for slot in range(living):
        pair = pairs[slot]
        seen |= t.facts[pair, 0]
        contexts |= t.facts[pair, 1]
        claims += t.facts[pair, 2]
    where = phys | (contexts << PHYS_BITS)
    verdict = find(t.verdict_keys, t.verdict_values, where, seen, claims)
    if verdict < 0:
        lacks = report(missing, lacks, VERDICT, state, where, seen, claims)
    return verdict, seen, lacks


@compiled
def note_broken(firsts: Words, broken: int, state: int, move: int) -> None:
    """Remember the first step that breaks each property."""
    number = 0
    while broken:
        if broken & 1 and firsts[number, 0] < 0:
            firsts[number, 0], firsts[number, 1] = state, move
        broken >>= 1
        number += 1


@compiled
def renamed_spaces(
    t: Arrays,
    names: int,
    spaces: Words,
    after: Words,
    living: int,
    but: int,
    missing: Words,
    lacks: int,
) -> int:
    """All spaces into `after`, all but one renamed; how much is missing by now."""
    for each in range(living):
        after[each] = spaces[each]
    return rename_others(t, names, after, living, but, missing, lacks)


@compiled
def settle(spaces: Words, living: int, slot: int, space: int) -> int:
    """Give the process in a slot another space, or -1: it exits; how many live then."""
    if space >= 0:
        spaces[slot] = space
        return living
    for each in range(slot, living - 1):
        spaces[each] = spaces[each + 1]
    return living - 1


@compiled
def expand(
    t: Arrays,
    v: Visited,
    low: int,
    start: int,
    high: int,
    processes: int,
    symmetric: bool,
    judge_only: bool,
    open_states: int,
    open_steps: int,
    open_requests: int,
    made: int,
    out: Batch,
) -> tuple[int, int, int, int, int]:
    """Successors of the states `[start, high)` of a block that begins with `low`.

    Returns how many fresh successors there are now (there were `made`), how far
    it came, how many successors lie outside the bounds, how much is missing
    from the tables, and how many zaps depended on the order of the processes
    (counted if `symmetric`). From the first state on that lacks something, no
    more is done than to report what is missing. With `judge_only` successors
    are left out. Of properties, only the `open` ones are judged.
    """
    cut, lacks, unequal, done, sifted = 0, 0, 0, high, made
    spaces, after, pairs = out.scratch[0], out.scratch[1], out.scratch[2]
    turned, renamed, actions = out.scratch[3], out.scratch[4], out.actions
    other, others = out.scratch[5], out.scratch[6]
    for state in range(start, high):
        if lacks > out.missing.shape[0] - 4 * MOST_PROCESSES:
            break
        word0, word1 = v.word0[state - v.first], v.word1[state - v.first]
        phys = word0 & PHYS_MASK
        living = unpack(word0, word1, spaces)
        before, made_before, cut_before, unequal_before = lacks, made, cut, unequal
        tried, seen = 0, 0
        lacks = pairs_of(t, phys, spaces, living, pairs, out.missing, lacks)
        if lacks == before and open_states | open_requests:
            verdict, seen, lacks = judged(t, state, phys, pairs, living, out.missing, lacks)
            if lacks == before:
                out.verdict[state - low] = verdict & open_states
        if lacks > before:
            done = min(done, state)
            continue
        if judge_only:
            continue
        for slot in range(living + 1):
            pair = pairs[slot]
            # The state without its physical part and the space in this slot.
            rest0, rest1, at0, at1 = word0 & ~PHYS_MASK, word1, 0, 0
            mask0, mask1 = np.int64(0), np.int64(0)
            if slot < living and slot < 2:
                mask0, at0 = np.int64(SPACE_MASK), PHYS_BITS + slot * SPACE_BITS
                rest0 &= ~(mask0 << at0)
            elif slot < living:
                mask1, at1 = np.int64(SPACE_MASK), (slot - 2) * SPACE_BITS
                rest1 &= ~(mask1 << at1)
            begin = t.heads[pair, FIRST]
            for number in range(begin, begin + t.heads[pair, LENGTH]):
                entry = t.entries[number]
                if entry >= 0:
                    names, new_phys = (entry >> NAMES_AT) - 1, entry & PHYS_MASK
                    space = entry >> PHYS_BITS & SPACE_MASK
                    if names < 0 and not symmetric and (space or slot == living):
                        new0 = rest0 | new_phys | (space & mask0) << at0
                        new1 = rest1 | (space & mask1) << at1
                    else:
                        had = lacks
                        lacks = renamed_spaces(
                            t, names, spaces, after, living, slot, out.missing, lacks
                        )
                        if lacks > had:
                            continue
                        new_living = living
                        if slot < living:
                            new_living = settle(after, living, slot, space - 1)
                        if symmetric:
                            sort(after, new_living)
                        new0 = pack0(new_phys, after, new_living)
                        new1 = pack1(after, new_living)
                    if done == high:
                        out.fresh.word0[made], out.fresh.word1[made] = new0, new1
                        out.fresh.parent[made] = state
                        action = entry >> ACTION_AT & ACTION_MASK
                        out.fresh.move[made] = action * 8 + (slot if slot < living else 0)
                        made += 1
                    continue
                o = ~entry
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
                if open_requests and t.outcomes[o, ANSWER] >= 0:
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
                had, names = lacks, t.outcomes[o, NAMES]
                lacks = renamed_spaces(t, names, spaces, after, living, slot, out.missing, lacks)
                if lacks > had:
                    continue
                which = t.outcomes[o, ZAP]
                if slot < living:
                    new_living = settle(after, living, slot, t.outcomes[o, SPACE])
                    if t.outcomes[o, CHILD] >= 0:
                        after[new_living] = t.outcomes[o, CHILD]
                        new_living += 1
                elif which >= 0 and living:
                    kept = new_phys == phys and names < 0
                    if not (kept and zap_alone(t, which, pairs, living, after)):
                        begun = new_phys
                        for each in range(living):
                            renamed[each] = after[each]
                            turned[each] = pairs[each] if kept else -1
                        new_phys, found, lacks = zap(
                            t, which, begun, after, turned, pairs, living, 0, out.missing, lacks
                        )
                        if new_phys == OUTSIDE:
                            cut += 1
                            continue
                        if new_phys < 0:
                            continue
                        broken |= found
                        if symmetric and living > 1:
                            differ, lacks = differs(
                                t,
                                which,
                                begun,
                                renamed,
                                pairs,
                                living,
                                after,
                                new_phys,
                                found,
                                other,
                                others,
                                out.missing,
                                lacks,
                            )
                            unequal += differ
                if symmetric:
                    sort(after, new_living)
                new0 = pack0(new_phys, after, new_living)
                new1 = pack1(after, new_living)
                same = new0 == word0 and new1 == word1
                actions[tried] = action << 1 | (not same)
                tried += 1
                if broken & open_steps:
                    move = action * 8 + (slot if slot < living else 0)
                    note_broken(out.broken, broken & open_steps, state, move)
                if same or done < high:
                    continue
                out.fresh.word0[made], out.fresh.word1[made] = new0, new1
                out.fresh.parent[made] = state
                out.fresh.move[made] = action * 8 + (slot if slot < living else 0)
                made += 1
        if lacks > before:
            done = min(done, state)
        if done < high:
            # Nothing counts of this state: it will be done again.
            made, cut, unequal = made_before, cut_before, unequal_before
            for number in range(out.broken.shape[0]):
                if out.broken[number, 0] == state:
                    out.broken[number, 0] = -1
        else:
            if made - sifted >= TOGETHER:
                made = sifted = sift(out.fresh, sifted, made, v, out.looks)
            for slot in range(living + 1):
                out.visits[t.heads[pairs[slot], PROFILE]] += 1
            for number in range(tried):
                out.tried[actions[number] >> 1] += 1
                out.effective[actions[number] >> 1] += actions[number] & 1
    made = sift(out.fresh, sifted, made, v, out.looks)
    return made, done, cut, lacks, unequal
