"""Verdicts on states and requests, each worked out once for what it depends on.

The facts about a state that `judge_state` looks at (see `summary`) are packed
into three words per process that are summed up over the processes: two by OR,
one by addition. The oracle looks at the types in which pages are mapped, which
are among those facts. The judges themselves are those of `properties`, called
with the first state that shows the facts.
"""

from __future__ import annotations

import attrs

from pfntrack.check.judged.facts import typed_mask
from pfntrack.check.judged.properties import judge_state
from pfntrack.check.numbers.intern import Interned
from pfntrack.check.numbers.tables import NOBODY, Tables, bits
from pfntrack.check.search.setting import ORACLE
from pfntrack.mm import ops
from pfntrack.pat.physical import Physical


class Judge:
    """Verdicts on states and requests of one search."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.judgements = 0
        self._grounds: Interned[Physical] = Interned()
        self._ground: dict[int, int] = {}
        self._asked: dict[tuple[int, ...], int] = {}

    def state(self, phys: int, spaces: tuple[int, ...]) -> int:
        """Watched properties that are broken in a state, as bits."""
        self.judgements += 1
        world = self.tables.world(phys, spaces)
        broken = judge_state(self.tables.setting.kernel, world)
        return bits(self.tables.watched & {violation.property for violation in broken})

    def request(
        self, phys: int, spaces: tuple[int, ...], slot: int, action: int, answer: int, mapped: int
    ) -> int:
        """Watched properties of requests that the answer to one breaks, as bits.

        `mapped` are the facts about the pages asked for. Besides these, the
        ideal answer depends on what the kernel has mapped, and for requests
        about an existing mapping on the process.
        """
        setting = self.tables.setting
        asks = setting.actions[action]
        about_own = asks.replaces or isinstance(asks.op, ops.Remap | ops.Fork)
        own = spaces[slot] if about_own else NOBODY
        key = action, self._ground_of(phys), own, answer, mapped
        found = self._asked.get(key)
        if found is None:
            self.judgements += 1
            program = setting.actions[action].by(slot, len(spaces))
            step = setting.perform(self.tables.world(phys, spaces), program, self.tables.watched)
            found = self._asked[key] = bits(step.broken & ORACLE)
        return found

    def question(self, action: int) -> int:
        """The facts that the ideal answer to an action depends on."""
        match self.tables.setting.actions[action].op:
            case ops.Mmap(off=off, pages=pages):
                return typed_mask(off, pages)
            case ops.Ioremap(off=off, pages=pages) | ops.Remap(off=off, pages=pages):
                return typed_mask(off, pages)
            case _:
                return 0

    def _ground_of(self, phys: int) -> int:
        """The physical part without the books that are judged."""
        found = self._ground.get(phys)
        if found is None:
            bare = attrs.evolve(self.tables.physes[phys], tree=(), tracking=None)
            found = self._ground[phys] = self._grounds.number(bare)
        return found
