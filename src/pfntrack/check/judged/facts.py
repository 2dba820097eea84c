"""Facts about processes (see `summary`) packed into words.

Those of a state are those of its processes: two words ORed, one added up.
"""

from __future__ import annotations

from typing import NamedTuple

from pfntrack.check.judged.summary import Summary
from pfntrack.errors import PfntrackError
from pfntrack.pat.cachemode import CacheMode

# Layout of the packed facts: up to 8 pages, 6 types each, 24 contexts, and 6
# bits for the number of claims on a page.
PAGES, TYPES, CONTEXTS, CLAIM_BITS = 8, len(CacheMode), 24, 6
TYPED_AT, BARE_AT = PAGES, PAGES + PAGES * TYPES


class TooManyError(PfntrackError):
    """The bounds need more of something than the search has room for."""


class Facts(NamedTuple):
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
