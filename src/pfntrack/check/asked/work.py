"""What a design does for an operation, counted while the model performs it.

Page-table reads are those that the design makes for itself; tree operations
are searches and changes of what all processes share: the reservation tree,
counted runs, a side table. Numbers are those of one mapping of four pages.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import attrs

from pfntrack.check.run import first_world
from pfntrack.designs import side_table
from pfntrack.designs.cost import Cost
from pfntrack.designs.counted import runs
from pfntrack.mm import pagetable
from pfntrack.pat import memtype_interval
from pfntrack.releases import Kernel, Release
from pfntrack.scenario import parse

_MAP = "A opens driver on H with WC as fd0\nA maps fd0[0,4) at 0\n"
_FAULTS = "A opens driver on H with WC by fault as fd0\nA maps fd0[0,4) at 0\n"
_PRIVATE = "A opens driver on H with WC as fd0\nA maps fd0[0,4) at 0, private\n"

# Operation: a program whose last step is measured.
OPERATIONS = {
    "map": _MAP,
    "fault": f"{_FAULTS}A reads page 1\n",
    "store": f"{_PRIVATE}A writes page 1\n",
    "zap": f"{_MAP}driver zaps fd0[0,end) of A\n",
    "split": f"{_MAP}A protects [0,2) as read-only\n",
    "move": f"{_MAP}A moves [0,4) to [16,20)\n",
    "fork": f"{_MAP}A forks B\n",
    "munmap": f"{_MAP}A unmaps [0,4)\n",
    "partial munmap": f"{_MAP}A unmaps [0,1)\n",
}

_READS = frozenset({pagetable.lookup.__code__, pagetable.within.__code__})
_TREE = frozenset(
    {
        memtype_interval.memtype_check_insert.__code__,
        memtype_interval.memtype_erase.__code__,
        memtype_interval.memtype_lookup.__code__,
        runs.counted.__code__,
        side_table.rows_of.__code__,
    }
)
_DESIGNS = side_table.__name__.rpartition(".")[0]


@attrs.define
class Count:
    """Page-table reads and tree operations."""

    reads: int = 0
    tree: int = 0


def measured(release: Release) -> dict[str, Count]:
    """What each of OPERATIONS costs under a release."""
    found = {}
    for name, text in OPERATIONS.items():
        scenario = parse(f"scenario measured\n{text}")
        kernel = Kernel(release, scenario.machine.machine(), explain=False)
        world = first_world(scenario.machine)
        for step in scenario.steps[:-1]:
            world = kernel.perform(world, step.op).world
        with _counting() as count:
            kernel.perform(world, scenario.steps[-1].op)
        found[name] = count
    return found


@contextmanager
def _counting() -> Iterator[Count]:
    """Count calls of the functions above while the block runs."""
    count = Count()

    def watch(frame: FrameType, event: str, _arg: Any) -> None:
        if event != "call":
            return
        code: CodeType = frame.f_code
        if code in _TREE:
            count.tree += 1
        elif code in _READS and frame.f_back is not None:
            count.reads += frame.f_back.f_globals["__name__"].startswith(_DESIGNS)

    before: Callable[..., Any] | None = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield count
    finally:
        sys.setprofile(before)


@attrs.frozen
class System:
    """A machine on which few of many VMAs are raw pfn mappings."""

    vmas: int = 1_000_000
    processes: int = 10_000
    mappings: int = 100
    sharers: int = 2
    pieces: int = 1

    def __str__(self) -> str:
        return (
            f"{self.vmas:,} VMAs in {self.processes:,} processes, among them {self.mappings} "
            f"mappings of device pages, each in {self.sharers} processes and whole"
        )

    def bytes(self, cost: Cost) -> int:
        """Bytes that a design needs here."""
        return (
            cost.every_vma * self.vmas
            + cost.process * self.processes
            + self.mappings
            * (cost.mapping + self.sharers * (cost.sharer + (self.pieces - 1) * cost.piece))
        )
