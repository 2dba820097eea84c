"""What a step asked for and what it got, where the two differ.

No property forbids it: the first type of a range decides what later requests get, and a
machine without PAT has no write-combining at all. But whoever asked should know. So every
request is compared with the entries that it made, whether or not something broke.

/dev/mem without O_SYNC says nothing about a type, so nothing that it gets is another.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from pfntrack.mm import ops, pagetable
from pfntrack.mm.ops import Op
from pfntrack.mm.overlap import Overlap
from pfntrack.mm.pagetable import PageTable, PteRun
from pfntrack.mm.vma import File, Vma
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases.world import World

ASKED = "asked"
LAW = "every mapping has the type that was asked for"
# What can make entries of a type that somebody chose; the rest copies or moves entries.
_MAKES = (ops.Mmap, ops.Remap, ops.Read, ops.Write, ops.InsertPfn, ops.Access)


@attrs.frozen
class Conversion:
    """Pages `[first, end)` (pfns) that were asked for as one type and mapped as another.

    `at` is the first virtual page in the process `who`, None for an ioremap of that name.
    """

    who: str
    at: int | None
    first: int
    end: int
    asked: CacheMode
    got: CacheMode

    @property
    def text(self) -> str:
        """In words, without the place."""
        who = f"ioremap {self.who}" if self.at is None else f"process {self.who}"
        return f"{who} asked for {self.asked} and got {self.got}"


def conversions(before: World, op: Op, after: World) -> tuple[Conversion, ...]:
    """The mappings that `op` made with another type than was asked for, in order."""
    if isinstance(op, Overlap):
        sides = conversions(before, op.left, after) + conversions(before, op.right, after)
        return tuple(dict.fromkeys(sides))
    if isinstance(op, ops.Ioremap):
        return tuple(
            Conversion(op.id, None, held.start >> PAGE_SHIFT, held.end >> PAGE_SHIFT, *types)
            for held in after.phys.ioremaps
            if held.key == op.id and held not in before.phys.ioremaps
            for types in [(op.cache, held.type)]
            if types[0] is not types[1]
        )
    name = getattr(op, "p", None)
    there = all(any(each.name == name for each in w.processes) for w in (before, after))
    return tuple(_mapped(before, op, after)) if isinstance(op, _MAKES) and there else ()


def _mapped(before: World, op: Op, after: World) -> Iterator[Conversion]:
    name: str = getattr(op, "p")  # noqa: B009 - every kind in _MAKES has a process
    space, old = after.process(name).space, before.process(name).space.ptes
    if isinstance(op, ops.Mmap) and space != before.process(name).space:
        # What was there before is replaced, even by the same.
        old = pagetable.clear(old, op.at, op.at + op.pages)
    for run in space.ptes:
        if run.pfn is None:
            continue
        vma = next((v for v in space.vmas if v.start <= run.start < v.end), None)
        asked = _asked(op, run, vma)
        if asked is None or asked is run.cache:
            continue
        for start, end in _fresh(old, run):
            pfn = run.pfn + start - run.start
            yield Conversion(name, start, pfn, pfn + end - start, asked, run.cache)


def _asked(op: Op, run: PteRun, vma: Vma | None) -> CacheMode | None:
    """The type that the entries of a run were asked for with; None for no wish."""
    if isinstance(op, ops.Remap) and op.at <= run.start < op.at + op.pages:
        return op.cache
    return None if vma is None else wish(vma.file, vma)


def wish(file: File | None, vma: Vma) -> CacheMode | None:
    """The type that a mapping of `file` asks for, before the machine's PAT has its say."""
    if file is None:
        return None
    if file.kind == "devmem":
        return CacheMode.UC_MINUS if file.cache is CacheMode.UC_MINUS else None
    return file.cache if file.kind in ("driver", "sysfs") else vma.prot


def _fresh(old: PageTable, run: PteRun) -> Iterator[tuple[int, int]]:
    """The parts of `run` that were not mapped to the same pfns before."""
    start = run.start
    for was in pagetable.within(old, run.start, run.end):
        if was.pfn is None or was.pfn != run.pfn_at(was.start):
            continue
        if start < was.start:
            yield start, was.start
        start = was.end
    if start < run.end:
        yield start, run.end
