"""The reservation tree, walked node by node so that a missing page costs only its branch.

Source: arch/x86/mm/pat/memtype.h and memtype_interval.c (5.10 to 7.3), *faithful*.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from drgn import FaultError, Program

from pfntrack.audit.memory.gaps import Gaps
from pfntrack.pat.cachemode import CacheMode
from pfntrack.state import Reservation

GROUP = "reservations"
_MAX = 10_000_000
_MODES = tuple(CacheMode)


def reservations(prog: Program, gaps: Gaps) -> tuple[Reservation, ...]:
    """All entries in the kernel's order; what cannot be read is in `gaps`."""
    found: list[Reservation] = []
    with gaps.trying(GROUP, "memtype_rbroot"):
        root = prog["memtype_rbroot"].rb_root.rb_node.value_()
        kind = prog.type("struct memtype")
        node = prog.type("struct rb_node")
        layout = {name: kind.member(name).offset for name in ("start", "end", "type", "rb")}
        links = tuple(layout["rb"] + node.member(side).offset for side in ("rb_left", "rb_right"))
        _walk(prog.read, root, layout, links, kind.size or 0, found, gaps)
    return tuple(found)


def _walk(
    read: Callable[[int, int], bytes],
    root: int,
    layout: dict[str, int],
    links: tuple[int, ...],
    size: int,
    found: list[Reservation],
    gaps: Gaps,
) -> None:
    """In order, without recursion; a node that was met before ends its branch."""
    word, number = struct.Struct("<Q"), struct.Struct("<I")
    left, right = links
    seen: set[int] = set()
    waiting: list[tuple[int, bytes]] = []
    at = root
    while at or waiting:
        while at:
            if at in seen or len(seen) >= _MAX:
                gaps.add(GROUP, f"node {at:#x} is met twice: the tree was changing")
                break
            seen.add(at)
            try:
                data = read(at - layout["rb"], size)
            except FaultError as error:
                gaps.add(GROUP, f"a branch of the tree: {error}")
                break
            waiting.append((at, data))
            (at,) = word.unpack_from(data, left)
        if not waiting:
            return
        _, data = waiting.pop()
        start, end = (word.unpack_from(data, layout[name])[0] for name in ("start", "end"))
        (kind,) = number.unpack_from(data, layout["type"])
        if start < end and kind < len(_MODES):
            found.append(Reservation(start, end, _MODES[kind]))
        else:
            gaps.add(GROUP, f"an entry of impossible content: {start:#x} {end:#x} {kind}")
        (at,) = word.unpack_from(data, right)
