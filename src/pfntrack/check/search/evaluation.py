"""Everything that the tables say about one pair: a space beside a physical part."""

from __future__ import annotations

from typing import NamedTuple

from pfntrack.check.judged.facts import Facts, packed
from pfntrack.check.judged.summary import summary
from pfntrack.check.numbers.tables import NOBODY, Outcome, Tables
from pfntrack.check.search.setting import Setting


class Pair(NamedTuple):
    """Facts, and rows of the table of outcomes.

    Of the rows, `outcomes` are those of actions, then come those of zaps at one
    place, by column, and last, for each zap, that of the whole zap (`alone`).
    """

    facts: Facts
    rows: list[Outcome]
    outcomes: int
    columns: list[int]
    alone: int

    @property
    def size(self) -> int:
        """Number of rows."""
        return self.outcomes + len(self.columns) + self.alone


class Evaluator:
    """Tables, and what fills them."""

    def __init__(self, setting: Setting, watched: frozenset[str]) -> None:
        self.tables = Tables(setting, watched)

    def pair(self, phys: int, space: int) -> Pair:
        """Evaluate all actions of a process, or (NOBODY) of nobody in particular."""
        tables = self.tables
        rows, facts, columns = tables.outcomes(phys, space), Facts(0, 0, 0), list[int]()
        outcomes, alone = len(rows), 0
        if space != NOBODY:
            zapped = tables.zapped(phys, space)
            rows += zapped.values()
            columns = [zap * tables.places + place for zap, place in zapped]
            whole = [tables.zapped_alone(zap, phys, space) for zap in range(len(tables.zaps))]
            rows += whole
            alone = len(whole)
            if tables.watched:
                facts = self._facts(phys, space)
        return Pair(facts, rows, outcomes, columns, alone)

    def _facts(self, phys: int, space: int) -> Facts:
        tables, setting = self.tables, self.tables.setting
        found = summary(
            tables.spaces[space], tables.physes[phys], tables.design, setting.kernel.machine
        )
        return packed(found, setting.window.pfn)
