"""Verdicts on states and requests, each worked out once for what it depends on.

The facts about a state that `judge_state` looks at (see `summary`) are packed
into three words per process that are summed up over the processes: two by OR,
one by addition. The oracle looks at the types in which pages are mapped, which
are among those facts. The judges themselves are those of `properties`, called
with the first state that shows the facts.
"""

from __future__ import annotations

import attrs

from pfntrack.check.intern import Interned
from pfntrack.check.properties import judge_state
from pfntrack.check.setting import ORACLE
from pfntrack.check.summary import Summary, summary
from pfntrack.check.tables import NOBODY, Tables, bits
from pfntrack.errors import PfntrackError
from pfntrack.mm import ops
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.physical import Physical

# Layout of the packed facts: up to 8 pages, 6 types each, 24 contexts, and 6
# bits for the number of claims on a page.
PAGES, TYPES, CONTEXTS, CLAIM_BITS = 8, len(CacheMode), 24, 6
TYPED_AT, BARE_AT = PAGES, PAGES + PAGES * TYPES


class TooManyError(PfntrackError):
    """The bounds need more of something than the search has room for."""


@attrs.frozen
class Facts:
    """A `Summary` in words: `seen` and `contexts` are ORed, `claims` are added."""

    seen: int
    contexts: int
    claims: int


def packed(facts: Summary, first: int) -> Facts:
    """Facts as words; pages count from pfn `first`."""
    seen = sum(1 << page - first for page in facts.pages)
    seen |= sum(1 << TYPED_AT + (page - first) * TYPES + kind for page, kind in facts.typed)
    seen |= int(facts.bare) << BARE_AT
    if any(number >= CONTEXTS for number in facts.contexts):
        raise TooManyError(f"more than {CONTEXTS - 1} contexts at a time")
    contexts = sum(1 << number for number in facts.contexts)
    claims = sum(count << (page - first) * CLAIM_BITS for page, count in facts.claims)
    return Facts(seen, contexts, claims)


def typed_mask(off: int, pages: int) -> int:
    """The bits of `Facts.seen` that tell how pages `[off, off + pages)` are mapped."""
    return ((1 << pages * TYPES) - 1) << TYPED_AT + off * TYPES


class Judge:
    """Verdicts on states and requests of one search."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.judgements = 0
        self._grounds: Interned[Physical] = Interned()
        self._ground: dict[int, int] = {}
        self._asked: dict[tuple[int, ...], int] = {}

    def facts(self, phys: int, space: int) -> Facts:
        """Facts about one process."""
        tables, setting = self.tables, self.tables.setting
        found = summary(
            tables.spaces[space], tables.physes[phys], tables.design, setting.kernel.machine
        )
        return packed(found, setting.window.pfn)

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
