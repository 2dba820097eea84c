"""Outcomes of a pair as single words, and what need not be looked at for each state.

Most outcomes are the same beside all other processes: a new physical part, a
new space of the actor, new names for the others. They fit into one word. Those
that change nothing, lead outside the bounds, or lead where an earlier one has
led need not even be followed: it is enough to count them, by pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pfntrack.check.numbers.tables import FORKS, INSIDE, NEEDS_SOMEBODY, NOBODY, Outcome
from pfntrack.check.numbers.tabulated import ACTION_AT, ACTION_MASK, MOST_NAMES, NAMES_AT
from pfntrack.check.numbers.words import PHYS_BITS


class Profile(NamedTuple):
    """Moves to be counted: (action, does it change anything), and how many lead outside."""

    moves: tuple[tuple[int, bool], ...]
    cut: int


class Steps(NamedTuple):
    """The entries of a pair (see `tabulated`), in the order of the actions, and its profile."""

    entries: list[int]
    profile: Profile


def packed_steps(rows: Sequence[Outcome], phys: int, space: int, first: int) -> Steps:
    """Pack outcomes; `first` numbers the first row in the table of outcomes."""
    entries, moves, cut = list[int](), list[tuple[int, bool]](), 0
    known = set()
    for number, outcome in enumerate(rows, first):
        if outcome.flags & FORKS or _depends(outcome, phys):
            entries.append(~number)
            continue
        if not outcome.flags & INSIDE:
            cut += 1
            continue
        changes = (outcome.phys, outcome.space) != (phys, space)
        moves.append((outcome.action, changes))
        effect = outcome.phys | outcome.space + 1 << PHYS_BITS | outcome.names + 1 << NAMES_AT
        if changes and effect not in known:
            known.add(effect)
            entries.append(effect | outcome.action << ACTION_AT)
    return Steps(entries, Profile(tuple(moves), cut))


def _depends(outcome: Outcome, phys: int) -> bool:
    """Does it take a look at the state to say where this leads and what it breaks?"""
    if outcome.flags & NEEDS_SOMEBODY or outcome.zap >= 0 or outcome.child != NOBODY:
        return True
    if outcome.flags & INSIDE and (outcome.broken or outcome.answer >= 0):
        return True
    if outcome.action > ACTION_MASK or outcome.names > MOST_NAMES:
        return True
    # The others may change although the actor does not.
    return outcome.names >= 0 and outcome.phys == phys
