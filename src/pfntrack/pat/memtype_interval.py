"""The reservation tree: one ordered multiset of `[start, end) type` entries.

Source: arch/x86/mm/pat/memtype_interval.c (5.10 to 7.3). *Faithful* in order,
conflict rule and both erase rules; the tree's balancing is *ignored*. Entries
have no owner, and identical entries cannot be told apart.

The tree is a tuple sorted by start; an entry goes behind those of equal start.
All functions are pure. Addresses are bytes, ranges half-open.
"""

from __future__ import annotations

import attrs

from pfntrack.pat.cachemode import CacheMode


@attrs.frozen(order=False)
class Memtype:
    """One reservation (`struct memtype`, 56 bytes in the kernel).

    `owner` is a ghost that the kernel does not have: who made the entry (0 for
    kernel code, else see `Vma.owner`). No rule of the tree looks at it.
    """

    start: int
    end: int
    type: CacheMode
    owner: int = 0


Tree = tuple[Memtype, ...]


@attrs.frozen
class Conflict:
    """`memtype_check_conflict()` said -EBUSY: two types that it met, in its order."""

    found: CacheMode
    other: CacheMode
    overlap: Memtype


@attrs.frozen
class Inserted:
    """An entry went in: the new tree, its entry, and the first overlap met."""

    tree: Tree
    entry: Memtype
    overlap: Memtype | None


@attrs.frozen
class Erased:
    """An erase succeeded; `shrunk` is what is left of an end match, else None."""

    tree: Tree
    entry: Memtype
    shrunk: Memtype | None


def overlaps(tree: Tree, start: int, end: int, *, closed: bool = False) -> list[Memtype]:
    """Entries that overlap `[start, end)`, in tree order.

    `closed` takes all ends as inclusive: the mistake of the 5.5 merge window,
    under which neighbours overlap.
    """
    slack = 1 if closed else 0
    hits = []
    for entry in tree:
        if entry.start >= end + slack:
            break
        if start < entry.end + slack:
            hits.append(entry)
    return hits


def insert(tree: Tree, entry: Memtype) -> Tree:
    """`tree` with `entry` behind the entries of equal start."""
    at = len(tree)
    while at and tree[at - 1].start > entry.start:
        at -= 1
    return (*tree[:at], entry, *tree[at:])


def memtype_check_insert(
    tree: Tree,
    start: int,
    end: int,
    kind: CacheMode,
    *,
    has_ret: bool,
    closed: bool = False,
    owner: int = 0,
) -> Inserted | Conflict:
    """Insert `[start, end)`; the first overlap dictates the type if `has_ret`.

    `kind` is the actual type of the request. With a return pointer a single
    existing type never refuses a newcomer, it replaces the newcomer's type;
    without one, any difference is a conflict.
    """
    hits = overlaps(tree, start, end, closed=closed)
    found = kind
    if hits:
        if hits[0].type is not found and not has_ret:
            return Conflict(found, hits[0].type, hits[0])
        found = hits[0].type
        for hit in hits[1:]:
            if hit.type is not found:
                return Conflict(found, hit.type, hits[0])
    entry = Memtype(start, end, found if has_ret else kind, owner)
    return Inserted(insert(tree, entry), entry, hits[0] if hits else None)


def memtype_erase(tree: Tree, start: int, end: int, *, end_match: bool) -> Erased | None:
    """Release `[start, end)`, or None (-EINVAL) if no entry fits.

    The exact match comes first. With `end_match` (4.5 to 6.15) an entry that
    begins earlier and ends at `end` is cut to `[its start, start)` and goes
    behind its equals; from 6.16 only the exact match is left. Neither looks
    at type or owner.
    """
    for at, entry in enumerate(tree):
        if entry.start == start and entry.end == end:
            return Erased(_without(tree, at), entry, None)
    if end_match:
        for at, entry in enumerate(tree):
            if entry.start < start and entry.end == end:
                rest = attrs.evolve(entry, end=start)
                return Erased(insert(_without(tree, at), rest), entry, rest)
    return None


def memtype_lookup(tree: Tree, address: int, size: int = 4096) -> Memtype | None:
    """First entry that overlaps the page at byte `address`."""
    hits = overlaps(tree, address, address + size)
    return hits[0] if hits else None


def _without(tree: Tree, at: int) -> Tree:
    return (*tree[:at], *tree[at + 1 :])
