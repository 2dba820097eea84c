"""madvise(): what each advice does to a pfn mapping, and to anonymous memory.

Source: mm/madvise.c, mm/ksm.c, mm/khugepaged.c, fs/open.c (for MADV_REMOVE).
*Faithful* in results for pfn mappings; for other memory only flags and the
loss of pages are kept.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from pfntrack.mm.calls.split import vma_merge, vma_modify
from pfntrack.mm.calls.unmap import zap_page_range_single
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import (
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_HUGEPAGE,
    VM_IO,
    VM_LOCKED,
    VM_MAYWRITE,
    VM_MERGEABLE,
    VM_NOHUGEPAGE,
    VM_PFNMAP,
    VM_RAND_READ,
    VM_SEQ_READ,
    VM_SHARED,
    VM_SPECIAL,
    VM_WIPEONFORK,
    VM_WRITE,
    Vma,
)

ADVICES_5_10 = frozenset(
    "normal random sequential willneed dontneed free remove dontfork dofork mergeable "
    "unmergeable hugepage nohugepage dontdump dodump wipeonfork keeponfork cold pageout "
    "hwpoison soft_offline".split()
)
ADVICES_6_1 = ADVICES_5_10 | {"populate_read", "populate_write", "dontneed_locked", "collapse"}
ADVICES_7_3 = ADVICES_6_1 | {"guard_install", "guard_remove"}

# Every advice of any release; naming another is a mistake of the caller.
ADVICES = ADVICES_7_3

# From 6.9 on populating is not done mapping by mapping.
POPULATING = frozenset({"populate_read", "populate_write"})

_EINVAL_ON_PFNMAP = frozenset(
    "dontneed dontneed_locked free cold pageout populate_read populate_write collapse "
    "guard_install guard_remove".split()
)
_READAHEAD = VM_SEQ_READ | VM_RAND_READ


def madvise(step: Step, mm: Mm, start: int, pages: int, advice: str) -> int:
    """The system call; 0 or a negative errno."""
    if advice not in step.quirks.advices:
        step.note("madvise", "this release does not know the advice: -EINVAL")
        return -errno.EINVAL
    if advice in ("hwpoison", "soft_offline"):
        vma = mm.find(start)
        return -errno.EFAULT if vma is None or vma.flags & VM_SPECIAL else -errno.EBUSY
    step.mmap_write_lock(mm)
    end, unmapped, done = start + pages, 0, start
    for vma in mm.overlapping(start, end):
        if vma.start > done:
            unmapped = -errno.ENOMEM
            if advice in step.quirks.stopped_by_holes:
                return unmapped  # the others go on behind a hole
        low, done = max(vma.start, start), min(vma.end, end)
        if error := madvise_vma_behavior(step, mm, vma, low, done, advice):
            # "Try again" is what madvise calls a lack of memory.
            again = error == -errno.ENOMEM and not step.quirks.madvise_enomem
            return -errno.EAGAIN if again else error
    return unmapped if done >= end else -errno.ENOMEM


def madvise_vma_behavior(step: Step, mm: Mm, vma: Vma, start: int, end: int, advice: str) -> int:
    """Apply one advice to a part of one VMA."""
    if advice == "remove":
        return madvise_remove(step, vma)
    if advice in _EINVAL_ON_PFNMAP:
        if vma.flags & VM_PFNMAP:
            step.note("madvise", "a raw pfn mapping cannot be given this advice: -EINVAL")
            return -errno.EINVAL
        if advice in ("dontneed", "dontneed_locked", "free"):
            zap_page_range_single(step, mm, vma, start, end)
        return 0
    flags = _NEW_FLAGS[advice](vma) if advice in _NEW_FLAGS else vma.flags
    if flags is None:
        step.note("madvise", "not for this kind of mapping: -EINVAL")
        return -errno.EINVAL
    if flags == vma.flags:
        return 0
    error, vma = vma_modify(step, mm, vma, start, end)
    if error:
        return error
    vma_merge(step, mm, mm.change(vma, flags=flags))
    return 0


def madvise_remove(step: Step, vma: Vma) -> int:
    """MADV_REMOVE punches a hole into the file, if the file lets it."""
    if vma.flags & VM_LOCKED or vma.file is None:
        return -errno.EINVAL
    needed = VM_SHARED | (VM_WRITE if step.quirks.madv_remove_needs_write else VM_MAYWRITE)
    if vma.flags & needed != needed:
        return -errno.EACCES
    ops = step.ops(vma.file)
    if ops is not None and ops.regular:
        return -int(getattr(errno, step.quirks.sysfs_madv_remove))
    return -errno.ENODEV


def _wipeonfork(vma: Vma) -> int | None:
    return None if vma.file or vma.flags & VM_SHARED else vma.flags | VM_WIPEONFORK


def _mergeable(vma: Vma) -> int | None:
    skipped = vma.flags & VM_SPECIAL or vma.file or vma.flags & VM_SHARED
    return vma.flags if skipped else vma.flags | VM_MERGEABLE


# The flags a VMA gets, or None where the advice is refused.
_NEW_FLAGS: dict[str, Callable[[Vma], int | None]] = {
    "normal": lambda vma: vma.flags & ~_READAHEAD,
    "random": lambda vma: vma.flags & ~VM_SEQ_READ | VM_RAND_READ,
    "sequential": lambda vma: vma.flags & ~VM_RAND_READ | VM_SEQ_READ,
    "dontfork": lambda vma: vma.flags | VM_DONTCOPY,
    "dofork": lambda vma: None if vma.flags & VM_IO else vma.flags & ~VM_DONTCOPY,
    "dontdump": lambda vma: vma.flags | VM_DONTDUMP,
    "dodump": lambda vma: None if vma.flags & VM_SPECIAL else vma.flags & ~VM_DONTDUMP,
    "wipeonfork": _wipeonfork,
    "keeponfork": lambda vma: vma.flags & ~VM_WIPEONFORK,
    "mergeable": _mergeable,
    "unmergeable": lambda vma: vma.flags & ~VM_MERGEABLE,
    "hugepage": lambda vma: vma.flags & ~VM_NOHUGEPAGE | VM_HUGEPAGE,
    "nohugepage": lambda vma: vma.flags & ~VM_HUGEPAGE | VM_NOHUGEPAGE,
}
