"""VMAs and open files.

Source: include/linux/mm.h (flags), mm/mmap.c and mm/vma.c. Flag bits are the
kernel's, so that /proc/PID/smaps can be rendered. *Simplified*: addresses are
page numbers; of anon_vma only its presence is kept; policies and userfaultfd are
*ignored*.
"""

from __future__ import annotations

from collections.abc import Hashable

import attrs

from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.physical import Window

VM_READ = 1 << 0
VM_WRITE = 1 << 1
VM_EXEC = 1 << 2
VM_SHARED = 1 << 3
VM_MAYREAD = 1 << 4
VM_MAYWRITE = 1 << 5
VM_MAYEXEC = 1 << 6
VM_MAYSHARE = 1 << 7
VM_PFNMAP = 1 << 10
VM_LOCKED = 1 << 13
VM_IO = 1 << 14
VM_SEQ_READ = 1 << 15
VM_RAND_READ = 1 << 16
VM_DONTCOPY = 1 << 17
VM_DONTEXPAND = 1 << 18
VM_ACCOUNT = 1 << 20
VM_PAT = 1 << 24
VM_WIPEONFORK = 1 << 25
VM_DONTDUMP = 1 << 26
VM_SOFTDIRTY = 1 << 27
VM_MIXEDMAP = 1 << 28
VM_HUGEPAGE = 1 << 29
VM_NOHUGEPAGE = 1 << 30
VM_MERGEABLE = 1 << 31
VM_ALLOW_ANY_UNCACHED = 1 << 39
VM_SEALED = 1 << 63

VM_ACCESS = VM_READ | VM_WRITE | VM_EXEC
VM_SPECIAL = VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP
VM_REMAP_FLAGS = VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP

# Two letters per bit, in bit order (fs/proc/task_mmu.c, show_smap_vma_flags()).
_SMAPS = {
    VM_READ: "rd",
    VM_WRITE: "wr",
    VM_EXEC: "ex",
    VM_SHARED: "sh",
    VM_MAYREAD: "mr",
    VM_MAYWRITE: "mw",
    VM_MAYEXEC: "me",
    VM_MAYSHARE: "ms",
    VM_PFNMAP: "pf",
    VM_LOCKED: "lo",
    VM_IO: "io",
    VM_SEQ_READ: "sr",
    VM_RAND_READ: "rr",
    VM_DONTCOPY: "dc",
    VM_DONTEXPAND: "de",
    VM_ACCOUNT: "ac",
    VM_PAT: "ar",
    VM_WIPEONFORK: "wf",
    VM_DONTDUMP: "dd",
    VM_SOFTDIRTY: "sd",
    VM_MIXEDMAP: "mm",
    VM_HUGEPAGE: "hg",
    VM_NOHUGEPAGE: "nh",
    VM_MERGEABLE: "mg",
    VM_ALLOW_ANY_UNCACHED: "??",
    VM_SEALED: "sl",
}
_PROT = {"r": VM_READ, "w": VM_WRITE, "x": VM_EXEC}


@attrs.frozen
class File:
    """An open file description.

    `kind` selects the file operations, `mapping` names the address space whose
    VMAs a truncation finds, `path` is what /proc/PID/maps shows. `noexec` is
    the mount's, `readonly` the open mode. The remaining fields belong to the
    driver: what it maps and how.
    """

    id: int
    kind: str
    mapping: str
    path: str
    noexec: bool = False
    readonly: bool = False
    window: Window | None = None
    cache: CacheMode = CacheMode.WB
    mode: str = ""
    first: int = 0
    pages: int = 0


@attrs.frozen
class Vma:
    """Pages `[start, end)` of one address space.

    `prot` is the cache type in `vm_page_prot`. `track` belongs to the tracking
    design (a context, a pfn), `drv` to the driver (membership in a list).
    `anon_vma`: ordinary memory that has been written to, here or in a parent;
    `forked`: its anon_vma is a clone of a parent's.
    `indexed` is the page offset by which the file's index knows the VMA, where
    that is no longer `pgoff`. `rank` orders VMAs of equal page offset in the
    index; no two states differ by it.
    `origin` is a ghost: the pfn that the last remap_pfn_range() of the whole
    VMA put at its first page; `owner` is one too: who answers for the VMA's
    reservation. Properties are judged by them; no design decides by them.
    """

    start: int
    end: int
    flags: int
    pgoff: int = 0
    prot: CacheMode = CacheMode.WB
    file: File | None = None
    track: Hashable = None
    drv: Hashable = None
    anon_vma: bool = False
    forked: bool = False
    indexed: int | None = None
    rank: tuple[int, ...] = attrs.field(default=(), eq=False)
    origin: int | None = None
    owner: int = 0

    @property
    def pages(self) -> int:
        return self.end - self.start

    def part(self, start: int, end: int) -> Vma:
        """The same mapping with its bounds moved to `[start, end)` inside it."""
        shift = start - self.start
        origin = None if self.origin is None else self.origin + shift
        moved = attrs.evolve(self, start=start, end=end, pgoff=self.pgoff + shift, origin=origin)
        # Whoever changes the bounds takes the VMA out of the index and puts it in again.
        return attrs.evolve(moved, indexed=None) if moved.pages != self.pages else moved

    @property
    def ordinary(self) -> bool:
        """Is it anonymous memory? A mapping without a file that no driver has touched."""
        return self.file is None and not self.flags & VM_PFNMAP

    def covers(self, page: int) -> bool:
        """Is `page` inside?"""
        return self.start <= page < self.end


def is_cow_mapping(flags: int) -> bool:
    """Private, and may become writable."""
    return flags & (VM_SHARED | VM_MAYWRITE) == VM_MAYWRITE


def calc_prot(prot: str) -> int:
    """VM_READ, VM_WRITE and VM_EXEC of a string such as `rw`; `-` is none."""
    flags = 0
    for letter in prot.replace("-", ""):
        flags |= _PROT[letter]
    return flags


def smaps_flags(flags: int) -> str:
    """The VmFlags line of /proc/PID/smaps."""
    return " ".join(name for bit, name in _SMAPS.items() if flags & bit)


def permissions(flags: int) -> str:
    """The permission column of /proc/PID/maps."""
    letters = "".join(c if flags & bit else "-" for c, bit in _PROT.items())
    return letters + ("s" if flags & VM_MAYSHARE else "p")
