"""Where a call lets others in: locks, batches of entries, the TLB flush, indexes.

Code of `mm/`, `drivers/` and `designs/` names these moments. When a call runs alone
they cost nothing and change nothing, which is what `Points` does. When two
calls overlap (`pfntrack.mm.together`), each is a place at which a call may stop and
another go on; between two of them it runs undisturbed. So what a call knows of
shared state it reads again behind a point (`reread`).

Source: mm/rmap.c (the order of locks), mm/memory.c, mm/mmu_gather.c. *Simplified*:
page-table locks and memtype_lock are held for the length of one part, so they
are named but never waited for.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from pfntrack.mm.space import Mm
from pfntrack.mm.vma import File, Vma


class Lock(enum.Enum):
    """How mmap_lock is held."""

    NONE = "not held"
    READ = "for reading"
    WRITE = "for writing"


class Points:
    """The moments of a call that runs alone."""

    mmap_lock = Lock.NONE

    def point(self, function: str, what: str) -> None:
        """Others may go on here, before `function` does `what`."""

    def mmap_write_lock(self, mm: Mm) -> None:
        """Nobody else changes or reads the VMAs of `mm`; held to the end of the call."""
        self.mmap_lock = Lock.WRITE

    def mmap_read_lock(self, mm: Mm) -> None:
        """Nobody changes which VMAs `mm` has; held to the end, or to `mmap_read_unlock`."""
        self.mmap_lock = Lock.READ

    def mmap_read_unlock(self, mm: Mm) -> None:
        """A fault has been handled, and the access is tried again."""

    def i_mmap_lock_read(self, mapping: str) -> None:
        """Walk the VMAs of a file; that is all the lock that a truncation has."""
        self.mmap_lock = Lock.NONE

    def i_mmap_unlock_read(self, mapping: str) -> None:
        """The walk is over."""

    def i_mmap_change(self, file: File | None) -> None:
        """A VMA is about to go into the index of `file`, out of it, or to change its place.

        The lock for writing is held until the next point.
        """

    def reread(self, mm: Mm, vma: Vma) -> Vma:
        """What `vma` has become while others ran."""
        return vma

    def batches(self, start: int, end: int) -> Iterable[tuple[int, int]]:
        """`[start, end)` in the parts that are done under one page-table lock."""
        return ((start, end),)

    def present(self, mm: Mm, start: int, end: int) -> Iterable[tuple[int, int]]:
        """The parts of `[start, end)` that a walk of page tables visits."""
        return ((start, end),)

    def clearing(self, mm: Mm, start: int, end: int) -> None:
        """Entries of `[start, end)` are about to be cleared; CPUs may use them until the flush."""

    def flush(self, function: str) -> None:
        """What this call has cleared is no longer in any TLB."""

    def unlisted(self, mm: Mm, vma: Vma) -> None:
        """The VMA is in the tree of `mm`, but not yet in its file's index."""

    def listed(self, mm: Mm, vma: Vma) -> None:
        """From here on the file's index has it."""

    def in_index(self, mm: Mm, vmas: list[Vma]) -> list[Vma]:
        """Those of `vmas` that the file's index has."""
        return vmas

    def new_mm(self) -> Mm:
        """The empty address space of a child, which a truncation sees fill."""
        return Mm()
