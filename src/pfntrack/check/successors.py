"""Successors of states, on numbers: plain loops over arrays, compiled by Numba.

What is not tabulated yet is reported, and the caller tries again when it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pfntrack.check.hashing import Numbers, Words, find
from pfntrack.check.jit import compiled
from pfntrack.check.tables import FORKS, INSIDE, NEEDS_SOMEBODY, PLAIN, REPLACES
from pfntrack.check.tabulated import (
    ACTION,
    ANSWER,
    BROKEN,
    CHILD,
    FLAGS,
    NAMES,
    PAIR,
    PHYS,
    REQUEST,
    SPACE,
    VERDICT,
    ZAP,
    Arrays,
    rename_others,
    report,
)
from pfntrack.check.visited import Candidates, Visited, sift
from pfntrack.check.words import (
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
from pfntrack.check.zapping import OUTSIDE, differs, zap


class Batch(NamedTuple):
    """What came of a block of states, and what is missing to know the rest.

    `fresh` are the successors that have not been found before. `verdict` are
    properties broken in the states themselves, by state; `broken` holds for
    each property the first step that breaks it (state, move), -1 for none.
    `scratch`, `actions` and `looks` are room to work in.
    """

    fresh: Candidates
    verdict: Numbers
    broken: Words
    missing: Words
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
        pair = find(t.pair_keys, t.pair_values, phys, space, 0)
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
    cut, lacks, unequal, done = 0, 0, 0, high
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
                if flags & PLAIN and not symmetric:
                    new0, new1 = word0 & ~PHYS_MASK | t.outcomes[o, PHYS], word1
                    space = np.int64(t.outcomes[o, SPACE] + 1)
                    if slot < 2:
                        shift = PHYS_BITS + slot * SPACE_BITS
                        new0 = new0 & ~(SPACE_MASK << shift) | space << shift
                    elif slot < living:
                        shift = (slot - 2) * SPACE_BITS
                        new1 = new1 & ~(SPACE_MASK << shift) | space << shift
                else:
                    new_phys, new_living = t.outcomes[o, PHYS], living
                    for each in range(living):
                        after[each] = spaces[each]
                    had = lacks
                    lacks = rename_others(
                        t, t.outcomes[o, NAMES], after, living, slot, out.missing, lacks
                    )
                    if lacks > had:
                        continue
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
                        begun, which = new_phys, t.outcomes[o, ZAP]
                        kept = begun == phys and t.outcomes[o, NAMES] < 0
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
            made = sift(out.fresh, made_before, made, v, out.looks)
            for number in range(tried):
                out.tried[actions[number] >> 1] += 1
                out.effective[actions[number] >> 1] += actions[number] & 1
    return made, done, cut, lacks, unequal
