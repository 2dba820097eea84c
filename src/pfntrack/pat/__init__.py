"""Memory types: cache modes, layouts, MTRRs, RAM page types and the reservation tree."""

from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.context import Context, Failure, PatQuirks
from pfntrack.pat.events import Event, Task
from pfntrack.pat.memtype_interval import Memtype, Tree, memtype_check_insert, memtype_erase
from pfntrack.pat.physical import Machine, Physical, Window

__all__ = [
    "CacheMode",
    "Context",
    "Event",
    "Failure",
    "Machine",
    "Memtype",
    "PatQuirks",
    "Physical",
    "Task",
    "Tree",
    "Window",
    "memtype_check_insert",
    "memtype_erase",
]
