"""State that two calls share while they overlap: one place, and who looked at what.

The components are those of a world, but kept under keys, so that what a part of a
call has read and written is known. A `Moment` of all values is a plain mapping;
nobody changes it once it has been handed out.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, cast

import attrs

from pfntrack.mm.pagetable import PageTable
from pfntrack.mm.space import AddressSpace, Mm
from pfntrack.mm.vma import Vma
from pfntrack.pat.cachemode import CacheMode

Key = tuple[str, str]
Values = Mapping[Key, Hashable]

PHYS: Key = ("phys", "")
LOCKS: Key = ("locks", "")
STALE: Key = ("tlb", "")
UNLISTED: Key = ("index", "")
WORLD: Key = ("world", "")
FAILURES: Key = ("failures", "")


@attrs.frozen(order=True)
class LockName:
    """A lock: its kind and whose it is (a process, a file's mapping)."""

    kind: str
    of: str

    def __str__(self) -> str:
        return f"{self.kind} {self.of}"


@attrs.frozen
class Held:
    """A lock that call number `call` holds, for writing or for reading."""

    lock: LockName
    write: bool
    call: int

    def __str__(self) -> str:
        return f"{self.lock} {'w' if self.write else 'r'}"


@attrs.frozen
class Stale:
    """A translation that was cleared and not flushed: a CPU may still use it.

    Pages `[start, end)` of process `space` to pfns from `pfn` on, with the type
    `cache`. `reserved`: a full remap had made it, or its design holds it, so that
    a reservation has to cover it.
    """

    call: int
    space: str
    start: int
    end: int
    pfn: int
    cache: CacheMode
    reserved: bool


class Shared:
    """The values as they are, with what the present part has read and written."""

    def __init__(self, values: Values) -> None:
        self.values = dict(values)
        self.read: dict[Key, Hashable] = {}
        self.wrote: set[Key] = set()

    def get(self, key: Key) -> Any:
        """The value under `key`, which the part has then seen."""
        value = self.values[key]
        if key not in self.wrote:
            self.read.setdefault(key, value)
        return value

    def set(self, key: Key, value: Hashable) -> None:
        """Put a value in its place."""
        self.values[key] = value
        self.wrote.add(key)

    def restore(self, values: Values) -> None:
        """A new part begins in another state."""
        self.values = dict(values)
        self.read, self.wrote = {}, set()


class SharedMm(Mm):
    """The working copy of one address space that several calls work on."""

    def __init__(self, shared: Shared, name: str) -> None:
        self.shared = shared
        self.name = name

    @property
    def vmas(self) -> tuple[Vma, ...]:
        """The VMAs, in order."""
        return cast("tuple[Vma, ...]", self.shared.get(("vmas", self.name)))

    @vmas.setter
    def vmas(self, value: tuple[Vma, ...]) -> None:
        self.shared.set(("vmas", self.name), value)

    @property
    def ptes(self) -> PageTable:
        """The entries."""
        return cast("PageTable", self.shared.get(("ptes", self.name)))

    @ptes.setter
    def ptes(self, value: PageTable) -> None:
        self.shared.set(("ptes", self.name), value)

    @property
    def tables(self) -> frozenset[int]:
        """The numbers of the tables that exist."""
        return cast("frozenset[int]", self.shared.get(("tables", self.name)))

    @tables.setter
    def tables(self, value: frozenset[int]) -> None:
        self.shared.set(("tables", self.name), value)


def space_values(name: str, space: AddressSpace) -> dict[Key, Hashable]:
    """An address space as values under keys."""
    return {
        ("vmas", name): space.vmas,
        ("ptes", name): space.ptes,
        ("tables", name): space.tables,
    }


def space_of(values: Values, name: str) -> AddressSpace:
    """The address space of `name` in a moment."""
    return AddressSpace(
        cast("tuple[Vma, ...]", values["vmas", name]),
        cast("PageTable", values["ptes", name]),
        cast("frozenset[int]", values["tables", name]),
    )
