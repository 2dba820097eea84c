"""Zapping through the file: truncation, revocation, a driver's own zap.

Source: mm/memory.c (`unmap_mapping_range`), kernel/resource.c
(`revoke_iomem`). *Faithful* per VMA. The operation is a fold over the address
spaces that map the file; VMAs come in order of their page offset, and those of
equal offset in order of the processes.
"""

from __future__ import annotations

import attrs

from pfntrack.mm.space import Mm
from pfntrack.mm.step import Lock, Step
from pfntrack.mm.unmap import unmap_single_vma
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
    step.mmap_lock = Lock.NONE
    stack, step.stack = step.stack, ("zap_page_range_single", "unmap_mapping_range", *step.stack)
    found = [(vma.pgoff, at, vma) for at, mm in enumerate(spaces) for vma in mapped(mm, span)]
    if not found:
        step.note("unmap_mapping_range", "no mapping of the file covers these pages")
    for _, at, vma in sorted(found, key=lambda each: each[:2]):
        unmap_mapping_range_vma(step, spaces[at], vma, span)
    step.stack = stack


def mapped(mm: Mm, span: Span) -> list[Vma]:
    """VMAs of `mm` that map pages of `span`, by `vm_pgoff` as the kernel's index does."""
    return [
        vma
        for vma in mm.vmas
        if vma.file is not None
        and vma.file.mapping == span.mapping
        and vma.pgoff < span.end
        and span.start < vma.pgoff + vma.pages
    ]


def unmap_mapping_range_vma(step: Step, mm: Mm, vma: Vma, span: Span) -> None:
    """Clear the part of one VMA that maps `span`."""
    start = vma.start + max(span.start - vma.pgoff, 0)
    end = vma.start + min(span.end - vma.pgoff, vma.pages)
    unmap_single_vma(step, mm, vma, start, end, even_cows=span.even_cows)
