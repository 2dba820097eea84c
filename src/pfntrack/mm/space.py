"""Address spaces: the immutable component, and its working copy during a call.

Source: struct mm_struct, mm/mmap.c, mm/vma.c. *Simplified*: the VMA tree is a
sorted tuple; VMAs outside the modelled arena are only counted.
"""

from __future__ import annotations

import attrs

from pfntrack.errors import ModelError
from pfntrack.mm.pagetable import PageTable
from pfntrack.mm.vma import Vma

# Text, data, stack, vdso and so on of a small static program.
OTHER_VMAS = 10


@attrs.frozen
class AddressSpace:
    """One process's memory: sorted disjoint VMAs, page table, allocated tables.

    `tables` holds the numbers of the 512-page tables that exist.
    """

    vmas: tuple[Vma, ...] = ()
    ptes: PageTable = ()
    tables: frozenset[int] = frozenset()


class Mm:
    """An address space that a call is working on."""

    def __init__(self, space: AddressSpace | None = None) -> None:
        space = space or AddressSpace()
        self.vmas = space.vmas
        self.ptes = space.ptes
        self.tables = space.tables

    def freeze(self) -> AddressSpace:
        """The component that the call leaves behind."""
        return AddressSpace(self.vmas, self.ptes, self.tables)

    @property
    def map_count(self) -> int:
        return len(self.vmas) + OTHER_VMAS

    def find(self, page: int) -> Vma | None:
        """The VMA that covers `page`."""
        return next((vma for vma in self.vmas if vma.covers(page)), None)

    def overlapping(self, start: int, end: int) -> list[Vma]:
        """VMAs that overlap `[start, end)`, ascending."""
        return [vma for vma in self.vmas if vma.start < end and start < vma.end]

    def current(self, vma: Vma) -> Vma:
        """The present value of the VMA that begins where `vma` does."""
        found = self.find(vma.start)
        if found is None or found.start != vma.start:
            raise ModelError(f"no VMA begins at page {vma.start}")
        return found

    def insert(self, vma: Vma) -> Vma:
        """Add a VMA to free addresses."""
        if self.overlapping(vma.start, vma.end):
            raise ModelError(f"pages [{vma.start},{vma.end}) are taken")
        self.vmas = tuple(sorted((*self.vmas, vma), key=lambda each: each.start))
        return vma

    def remove(self, vma: Vma) -> None:
        """Take out the VMA that begins where `vma` does."""
        self.vmas = tuple(each for each in self.vmas if each.start != vma.start)

    def replace(self, old: Vma, *new: Vma) -> Vma:
        """Put `new` in the place of the VMA that begins where `old` does."""
        self.remove(old)
        for vma in new:
            self.insert(vma)
        return new[0]

    def change(self, vma: Vma, **fields: object) -> Vma:
        """Replace fields of `vma` and return its new value."""
        return self.replace(vma, attrs.evolve(vma, **fields))  # type: ignore[arg-type]
