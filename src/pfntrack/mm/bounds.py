"""How large operations may be.

The kernel refuses what lies outside of user space; that is modelled where the calls are.
What the model does page by page has a limit of its own, which is asked here before an
operation is performed, whoever wrote it: a scenario, a trace, a saved program.
"""

from __future__ import annotations

import attrs

from pfntrack.mm import ops
from pfntrack.mm.ops import Op

# Pages of user space behind the arena, in which programs count (47 bits, arena at 1 << 46).
TASK_PAGES = ((1 << 47) - 0x1000 - (1 << 46)) >> 12
# 4 GiB; nothing shows in more that does not show in less.
MAX_PAGES = 1 << 20
MAX_WORD = 1 << 64
# /proc/sys/fs/nr_open.
MAX_FD = 1 << 20
# What reaches single pages or tables of pages; the rest works on runs, however long.
_BY_PAGE = (ops.Mmap, ops.Remap, ops.Ioremap, ops.Request, ops.WcReserve, ops.WcFree, ops.RamAlloc)


def outside(op: Op) -> str:
    """What is wrong with the numbers of `op`, in words; nothing if they can be worked with."""
    for field in attrs.fields(type(op)):
        value = getattr(op, field.name)
        if field.name == "value" or isinstance(value, bool):
            continue
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int) and not 0 <= number < MAX_WORD:
                return f"{field.name} is not between 0 and 2^64"
            if field.name in ("fd", "fds") and number >= MAX_FD:
                return f"a process has no descriptor {number}: expected one below {MAX_FD}"
    pages = getattr(op, "pages", 0)
    inside = not isinstance(op, ops.Mmap) or op.at + pages <= TASK_PAGES
    if isinstance(op, _BY_PAGE) and inside and pages > MAX_PAGES:
        return f"{pages} pages at once: expected at most {MAX_PAGES}"
    return ""
