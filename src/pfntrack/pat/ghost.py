"""Ghost owners of reservations: bookkeeping for judges, not for the kernel.

Entries that are alike in range and type cannot be told apart by anyone, so a
release that meets another's is innocent as long as its own is there too: the
two owners simply trade places.
"""

from __future__ import annotations

import attrs

from pfntrack.pat.memtype_interval import Memtype, Tree


def settle(tree: Tree, taken: Memtype, owner: int) -> tuple[Tree, bool]:
    """After `owner`'s release took `taken`: (tree with owners set right, was it rightful)."""
    if taken.owner == owner:
        return tree, True
    for at, entry in enumerate(tree):
        if entry == attrs.evolve(taken, owner=owner):
            traded = attrs.evolve(entry, owner=taken.owner)
            return (*tree[:at], traded, *tree[at + 1 :]), True
    return tree, False
