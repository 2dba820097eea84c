"""Zapping through the file: truncation, revocation, a driver's own zap.

Source: mm/memory.c (`unmap_mapping_range`), kernel/resource.c
(`revoke_iomem`). *Faithful* per VMA. The operation is a fold over the address
spaces that map the file; VMAs come in the order of the file's index: by page
offset, then as they were put in, a child's right after its parent's.
*Simplified* where the index is out of
order, because a VMA's `vm_pgoff` was changed inside it: which other VMAs a
search then misses depends on the shape of the tree.
"""

from __future__ import annotations

import attrs

from pfntrack.mm.calls.unmap import unmap_single_vma
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import Vma

TO_THE_END = 1 << 52


@attrs.frozen
class Span:
    """File pages `[start, end)` of one mapping, and whether copies go too."""

    mapping: str
    start: int
    end: int
    even_cows: bool = True


def unmap_mapping_range(step: Step, spaces: list[Mm], span: Span) -> None:
    """Clear all entries of the file's pages, in every address space."""
    step.i_mmap_lock_read(span.mapping)
    stack, step.stack = step.stack, ("zap_page_range_single", "unmap_mapping_range", *step.stack)
    found = [
        (vma.pgoff, vma.rank, at, vma)
        for at, mm in enumerate(spaces)
        for vma in step.in_index(mm, mapped(mm, span))
    ]
    if not found:
        step.note("unmap_mapping_range", "no mapping of the file covers these pages")
    for _, _, at, vma in sorted(found, key=lambda each: each[:3]):
        unmap_mapping_range_vma(step, spaces[at], step.reread(spaces[at], vma), span)
    step.i_mmap_unlock_read(span.mapping)
    step.stack = stack


def mapped(mm: Mm, span: Span) -> list[Vma]:
    """VMAs of `mm` that map pages of `span`, by `vm_pgoff` as the kernel's index does.

    A search reads `vm_pgoff`, but passes over what ended before the span when
    the VMA was put into the index.
    """
    return [
        vma
        for vma in mm.vmas
        if vma.file is not None
        and vma.file.mapping == span.mapping
        and vma.pgoff < span.end
        and span.start < vma.pgoff + vma.pages
        and (vma.indexed is None or span.start < vma.indexed + vma.pages)
    ]


def unmap_mapping_range_vma(step: Step, mm: Mm, vma: Vma, span: Span) -> None:
    """Clear the part of one VMA that maps `span`."""
    start = vma.start + max(span.start - vma.pgoff, 0)
    end = vma.start + min(span.end - vma.pgoff, vma.pages)
    unmap_single_vma(step, mm, vma, start, end, even_cows=span.even_cows)
    step.tlb_finish_mmu()
