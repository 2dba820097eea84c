"""What a design costs, as numbers that a table can be made of.

Bytes are those of a 64-bit kernel. A tree node is `struct memtype` with 56
bytes. Work is counted per VMA (or piece of one) that an operation touches:
page-table walks made for the tracking alone, and searches or changes of a
shared tree or table.
"""

from __future__ import annotations

import attrs

TREE_NODE = 56


@attrs.frozen
class Work:
    """Work of one operation on one VMA."""

    walks: int = 0
    tree: int = 0


NOTHING, LOOKUP = Work(), Work(tree=1)


@attrs.frozen
class Cost:
    """Who pays what: bytes, work per operation, and what is forbidden.

    `every_vma`: in each VMA of the system, tracked or not. `mapping`: once for
    a mapping, however many processes share it. `sharer`: for each process that
    maps it, the first included. `piece`: for each further piece that splits
    make. `process`: in each process. `fault` counts one inserted page.
    """

    idea: str = ""
    every_vma: int = 0
    mapping: int = 0
    sharer: int = 0
    piece: int = 0
    process: int = 0
    remap: Work = LOOKUP
    fault: Work = LOOKUP
    cow: Work = NOTHING
    zap: Work = NOTHING
    split: Work = NOTHING
    move: Work = NOTHING
    fork: Work = NOTHING
    unmap: Work = NOTHING
    forbids: tuple[str, ...] = ()
    drivers: str = "nothing"
