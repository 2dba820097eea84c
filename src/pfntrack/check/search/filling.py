"""Filling the kernel's tables from the model, when the kernel finds something missing."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from pfntrack.check.judged.facts import TooManyError
from pfntrack.check.judged.judge import Judge
from pfntrack.check.numbers import tabulated
from pfntrack.check.numbers.garbage import collect_new
from pfntrack.check.numbers.hashing import Words
from pfntrack.check.numbers.store import States, Store
from pfntrack.check.numbers.words import (
    MOST_PROCESSES,
    PHYS_MASK,
    SPACE_BITS,
    SPACE_MASK,
    pack0,
    pack1,
    unpack,
)
from pfntrack.check.search.actions import FORK, LOCAL
from pfntrack.check.search.evaluation import Evaluator, Pair
from pfntrack.check.search.helper import Helper
from pfntrack.check.search.setting import Setting

# Helpers are worth starting for `MANY` pairs at a time, and asking for `LEAST`. So
# many pairs are evaluated in one go; by its space, each is in one of some groups.
MANY, LEAST, PORTION, GROUPS = 200, 32, 256, 16
Row = tuple[int, ...]


class Filling:
    """Model, tables and judge of one search; `workers - 1` processes may help."""

    def __init__(self, setting: Setting, watched: frozenset[str], *, workers: int = 1) -> None:
        self.setting = setting
        self.watched = watched
        self.workers = workers
        self.evaluator = Evaluator(setting, watched)
        self.tables = self.evaluator.tables
        self.judge = Judge(self.tables)
        questions = [self.judge.question(n) for n in range(len(setting.actions))]
        self.store = Store(len(self.tables.zaps), self.tables.places, questions)
        # What was asked for, in order: answering it again gives the same tables.
        self.log: list[Row] = []
        self._helpers: list[Helper] = []

    def start(self) -> tuple[int, int]:
        """The first state in two words."""
        phys, *spaces = self.tables.state(self.setting.start)
        array = np.array([*spaces, 0], np.int64)
        return pack0(phys, array, len(spaces)), pack1(array, len(spaces))

    def supply(self, missing: Words, states: States, ended: Callable[[], str]) -> str:
        """Tabulate what is missing; rows as the kernel reports them, in a fixed order.

        `ended` says why to stop, if there is a reason.
        """
        kinds = missing[:, 0]
        pairs = _pairs(missing[kinds == tabulated.PAIR])
        others = np.unique(missing[kinds != tabulated.PAIR], axis=0).tolist()
        for at in range(0, len(pairs), PORTION):
            if why := ended():
                return why
            # The same order whoever evaluates them.
            portion = sorted(pairs[at : at + PORTION], key=_group)
            if self._helped(len(pairs)):
                self._share(portion)
            else:
                for row in portion:
                    self.answer(row)
        for row in others:
            if why := ended():
                return why
            self.answer(_placed(row, states))
        collect_new()
        return ""

    def answer(self, row: Row) -> None:
        """Tabulate one thing, if that has not been done meanwhile.

        A row has a kind, two words of a state or two numbers, and what else is
        needed to name the thing.
        """
        kind, a, b, c, d, e = row
        store, tables = self.store, self.tables
        if kind == tabulated.PAIR:
            if store.has_pair(a, b):
                return
            self._keep(row, self.evaluator.pair(a, b))
            return
        if kind == tabulated.RENAMED:
            if (a, b) in store.names:
                return
            store.names.put((a, b), tables.renamed(a, b))
        elif kind == tabulated.VERDICT:
            if (c, d, e) in store.verdicts:
                return
            store.verdicts.put((c, d, e), self.judge.state(*_unpacked(a, b)))
        else:
            if (d, e, 0) in store.requests:
                return
            phys, spaces = _unpacked(a, b)
            store.tabulate()
            outcome = store.outcomes[d]
            action, told = int(outcome[tabulated.ACTION]), int(outcome[tabulated.ANSWER])
            slot = c if c < len(spaces) else 0
            verdict = self.judge.request(phys, spaces, slot, action, told, e)
            store.requests.put((d, e, 0), verdict)
        self.log.append(row)

    def close(self) -> None:
        """Let the helpers go."""
        for helper in self._helpers:
            helper.close()
        self._helpers = []

    def rank(self, move: int) -> tuple[int, int]:
        """The place of a packed move among those of a state."""
        action, slot = divmod(move, 8)
        own = self.setting.actions[action].reach in (LOCAL, FORK)
        return (slot if own else MOST_PROCESSES), action

    def _helped(self, pairs: int) -> bool:
        """Are there helpers for so many pairs?"""
        if not self._helpers and pairs >= MANY:
            count = self.workers - 1
            self._helpers = [Helper(self.setting, self.watched) for _ in range(count)]
        return bool(self._helpers) and pairs >= LEAST and all(h.ready for h in self._helpers)

    def _share(self, rows: list[Row]) -> None:
        """Evaluate pairs, each process its share; numbered as if one had done it all."""
        edges = [GROUPS * n // self.workers for n in range(self.workers)] + [GROUPS]
        groups = list(map(_group, rows))
        cuts = [bisect_left(groups, edge) for edge in edges]
        shares = [rows[low:high] for low, high in pairwise(cuts)]
        asked = [each for each in zip(self._helpers, shares[1:], strict=True) if each[1]]
        for helper, part in asked:
            helper.ask(self.tables, [(row[1], row[2]) for row in part])
        for row in shares[0]:
            self.answer(row)
        for helper, part in asked:
            for row, pair in zip(part, helper.answer(self.tables), strict=True):
                self._keep(row, pair)

    def _keep(self, row: Row, pair: Pair) -> None:
        tables = self.tables
        if len(tables.physes) > PHYS_MASK or len(tables.spaces) >= SPACE_MASK:
            raise TooManyError("more components than a state has room for")
        self.store.add_pair(row[1], row[2], pair)
        self.log.append(row)


def _pairs(missing: Words) -> list[Row]:
    """The distinct ones of the pairs that are missing, in order; most are many times."""
    keys = np.unique(missing[:, 1] << SPACE_BITS | missing[:, 2] + 1).tolist()
    return [(tabulated.PAIR, key >> SPACE_BITS, (key & SPACE_MASK) - 1, 0, 0, 0) for key in keys]


def _group(row: Row) -> int:
    """Who evaluates a pair: always the same one for a space, who gets to know it."""
    return row[2] % GROUPS


def _placed(row: list[int], states: States) -> Row:
    """A row with the words of a state in place of its number."""
    kind, a, b, c, d = row
    if kind in (tabulated.VERDICT, tabulated.REQUEST):
        return kind, *states.words(a), b, c, d
    return kind, a, b, c, d, 0


def _unpacked(word0: int, word1: int) -> tuple[int, tuple[int, ...]]:
    """The numbers of a state's components."""
    spaces = np.empty(MOST_PROCESSES + 1, np.int64)
    living = unpack(word0, word1, spaces)
    return word0 & PHYS_MASK, tuple(int(each) for each in spaces[:living])
