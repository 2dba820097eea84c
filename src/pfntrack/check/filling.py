"""Filling the kernel's tables from the model, when the kernel finds something missing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pfntrack.check import kernels
from pfntrack.check.actions import FORK, LOCAL
from pfntrack.check.judge import Judge, TooManyError
from pfntrack.check.kernels import PHYS_MASK, SPACE_MASK, Words
from pfntrack.check.setting import Setting
from pfntrack.check.store import States, Store
from pfntrack.check.tables import NOBODY, Outcome, Tables
from pfntrack.mm import ops

_INSIDE, _FORKS, _SOMEBODY = kernels.INSIDE, kernels.FORKS, kernels.NEEDS_SOMEBODY


class Filling:
    """Model, tables and judge of one search."""

    def __init__(self, setting: Setting, watched: frozenset[str]) -> None:
        self.setting = setting
        self.tables = Tables(setting, watched)
        self.judge = Judge(self.tables)
        questions = [self.judge.question(n) for n in range(len(setting.actions))]
        self.store = Store(len(self.tables.zaps), self.tables.places, questions)
        self._flags = [
            (_FORKS if action.reach == FORK else 0)
            | (_SOMEBODY if isinstance(action.op, ops.Zap) else 0)
            | (kernels.REPLACES if action.replaces else 0)
            for action in setting.actions
        ]
        # What was asked for, in order: answering it again gives the same tables.
        self.log: list[tuple[int, ...]] = []

    def start(self) -> tuple[int, int]:
        """The first state in two words."""
        phys, *spaces = self.tables.state(self.setting.start)
        return _pack(phys, spaces)

    def supply(self, missing: Words, states: States, ended: Callable[[], str]) -> str:
        """Tabulate what is missing; rows as the kernel reports them, in a fixed order.

        `ended` says why to stop between two rows, if there is a reason.
        """
        for row in np.unique(missing, axis=0).tolist():
            if why := ended():
                return why
            self.answer(tuple(row), states)
        return ""

    def answer(self, row: tuple[int, ...], states: States) -> None:
        """Tabulate one thing, if that has not been done meanwhile."""
        kind, a, b, c, d = row
        store = self.store
        if kind == kernels.PAIR:
            if (a, b, 0) in store.pairs:
                return
            self._pair(a, b)
        elif kind == kernels.RENAMED:
            if (a, b, 0) in store.names:
                return
            store.names.put((a, b, 0), self.tables.renamed(a, b))
        elif kind == kernels.VERDICT:
            if (b, c, d) in store.verdicts:
                return
            store.verdicts.put((b, c, d), self.judge.state(*unpacked(states, a)))
        else:
            if (c, d, 0) in store.requests:
                return
            phys, spaces = unpacked(states, a)
            outcome = store.outcomes[c]
            action, told = int(outcome[kernels.ACTION]), int(outcome[kernels.ANSWER])
            slot = b if b < len(spaces) else 0
            verdict = self.judge.request(phys, spaces, slot, action, told, d)
            store.requests.put((c, d, 0), verdict)
        self.log.append(row)

    def _pair(self, phys: int, space: int) -> None:
        tables = self.tables
        rows = [self._row(each) for each in tables.outcomes(phys, space)]
        facts, zapped = (0, 0, 0), {}
        if space != NOBODY:
            known = self.judge.facts(phys, space)
            facts = known.seen, known.contexts, known.claims
            zapped = {
                zap * tables.places + place: self._row(each)
                for (zap, place), each in tables.zapped(phys, space).items()
            }
        if len(tables.physes) > PHYS_MASK or len(tables.spaces) >= SPACE_MASK:
            raise TooManyError("more components than a state has room for")
        self.store.add_pair((phys, space), facts, rows, zapped)

    def _row(self, outcome: Outcome) -> tuple[int, ...]:
        action = outcome.action
        flags = (_INSIDE if outcome.inside else 0) | (self._flags[action] if action >= 0 else 0)
        return (
            action,
            outcome.phys,
            outcome.space,
            outcome.child,
            outcome.names,
            outcome.broken,
            flags,
            outcome.zap,
            outcome.answer,
        )

    def rank(self, move: int) -> tuple[int, int]:
        """The place of a packed move among those of a state."""
        action, slot = divmod(move, 8)
        own = self.setting.actions[action].reach in (LOCAL, FORK)
        return (slot if own else kernels.MOST_PROCESSES), action


def unpacked(states: States, state: int) -> tuple[int, tuple[int, ...]]:
    """The numbers of a state's components."""
    spaces = np.empty(kernels.MOST_PROCESSES + 1, np.int64)
    word0, word1 = states.word0[state], states.word1[state]
    living = kernels.unpack(word0, word1, spaces)
    return int(word0 & PHYS_MASK), tuple(int(each) for each in spaces[:living])


def _pack(phys: int, spaces: list[int]) -> tuple[int, int]:
    array = np.array([*spaces, 0], np.int64)
    return kernels.pack0(phys, array, len(spaces)), kernels.pack1(array, len(spaces))
