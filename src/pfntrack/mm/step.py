"""The context of a memory-management call, and what it expects from other layers.

`Tracking` is the interface of a tracking design: the moments at which the
kernel consults it. `FileOps` is that of a driver. Both are given to the call
by the release that is being modelled, so `mm` depends on neither.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

import attrs

from pfntrack.mm.pagetable import PteRun
from pfntrack.mm.points import Lock, Points
from pfntrack.mm.space import Mm
from pfntrack.mm.vma import VM_PFNMAP, File, Vma
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.context import Context, Failure, PatQuirks
from pfntrack.pat.events import Task, Warn
from pfntrack.pat.physical import Machine, Physical


class RemapOrder(enum.Enum):
    """What `remap_pfn_range()` does first."""

    COW_TRACK_FLAGS = "CoW test and vm_pgoff, then track, then flags (5.10)"
    TRACK_FLAGS = "track, then CoW test, vm_pgoff and flags (6.1, 6.12)"
    FLAGS_TRACK = "CoW test, vm_pgoff and flags, then track (7.3)"


@attrs.frozen
class MmQuirks:
    """How the releases differ in `mm/` and the drivers next to it."""

    remap_order: RemapOrder = RemapOrder.TRACK_FLAGS
    # A failing remap zaps what it has mapped before it untracks.
    remap_zaps_on_error: bool = True
    # fork calls vm_ops->open on the child's VMA before its pages are copied.
    fork_opens_first: bool = True
    # munmap cuts a range off so that the kept lower part is the new object.
    munmap_new_below: bool = False
    # MAP_FIXED frees the old VMA objects only after the driver has mapped.
    mmap_frees_last: bool = False
    # mremap unmaps a tail or a target before it looks for the VMA (5.10).
    mremap_looks_late: bool = False
    # mremap moves whole page tables even if the mapping begins inside one.
    mremap_realigns: bool = False
    # All arguments of mremap are judged before the target is unmapped.
    mremap_checks_first: bool = False
    # Changing vm_flags without mmap_lock held for writing warns.
    flags_need_write_lock: bool = False
    # follow_pte() warns where mmap_lock is not held (6.10).
    follow_asserts_lock: bool = False
    # mprotect makes a process's own copied pages writable at once.
    upgrades_exclusive: bool = True
    # mprotect to read-only gives up the commitment for memory never written to.
    mprotect_unaccounts: bool = False
    # Memory that was written to merges into a neighbour that was not (from 6.16).
    merges_into_untouched: bool = False
    has_mseal: bool = False
    # New mappings carry VM_SOFTDIRTY (CONFIG_MEM_SOFT_DIRTY).
    soft_dirty: bool = True
    # A fault that runs out of memory outside a memory cgroup says so.
    says_fault_oom: bool = True
    # MADV_REMOVE wants a mapping that is writable, not one that may become so.
    madv_remove_needs_write: bool = False
    # errno of MADV_REMOVE on a mapped sysfs file.
    sysfs_madv_remove: str = "EFBIG"
    advices: frozenset[str] = frozenset()
    # Advice that returns -ENOMEM at a hole instead of going on behind it.
    stopped_by_holes: frozenset[str] = frozenset()
    # madvise says so if there are too many VMAs (5.10), not EAGAIN.
    madvise_enomem: bool = False
    # What is logged when overcommit limits strike; {comm}, {pid}, {bytes}.
    vm_enough_memory: str = ""
    # PFNs handed to vmf_insert_pfn carry the device bit (pfn_t, to 6.16).
    pfn_t: bool = True
    # Anonymous inodes (VFIO devices) cannot be mapped executable.
    anon_inode_noexec: bool = False
    # The open of /dev/mem cache bits are left alone with PAT off.
    devmem_skips_without_pat: bool = False
    # /dev/mem maps through ->mmap_prepare.
    devmem_prepares: bool = False
    # request_mem_region() revokes PCI sysfs mappings too (from 5.12).
    revokes_sysfs: bool = True
    # The access path of debuggers warns when it meets RAM; and when that is a copied page.
    access_warns: bool = True
    access_warns_on_copy: bool = True


class Step(Context, Points):
    """A memory-management call in progress."""

    def __init__(
        self,
        machine: Machine,
        pat: PatQuirks,
        quirks: MmQuirks,
        tracking: Tracking,
        drivers: Mapping[str, FileOps],
        phys: Physical,
        task: Task,
        *,
        failures: tuple[Failure, ...] = (),
        explain: bool = True,
    ) -> None:
        super().__init__(machine, pat, phys, task, failures=failures, explain=explain)
        self.quirks = quirks
        self.tracking = tracking
        self.drivers = drivers
        # Every address space, for calls that reach beyond the caller's.
        self.spaces: list[Mm] = []
        self.mmap_lock = Lock.NONE
        # f_op->mmap is running: its VMA is in no index yet, and `vm_page_prot` is fresh.
        self.mapping = False
        self.stack: tuple[str, ...] = ()
        self.warned: set[str] = set()
        # Pages that the last remap_pfn_range() has written, from its first on.
        self.filled = 0
        # What the tracking lets go of after the next flush (`struct mmu_gather`).
        self.dying: list[tuple[int, ...]] = []

    def tlb_finish_mmu(self) -> None:
        """Flush what was cleared, then let the tracking release what waited for that."""
        self.flush("tlb_finish_mmu")
        self.tracking.flushed(self)

    def ops(self, file: File | None) -> FileOps | None:
        """The driver behind `file`."""
        return None if file is None else self.drivers[file.kind]

    def tick(self) -> int:
        """A later time than any before, for the order of a file's index."""
        self.phys = attrs.evolve(self.phys, clock=self.phys.clock + 1)
        return self.phys.clock

    def new_owner(self) -> int:
        """A ghost owner that nobody has yet: the smallest positive number free."""
        taken = self.ask(_owners)
        taken |= {vma.owner for mm in self.spaces for vma in mm.vmas}
        return unused(taken)

    def warn(self, file: str, *chain: str) -> None:
        """A WARN in `chain[0]`; the call's own stack is appended."""
        self.emit(Warn(file, (*chain, *self.stack)))

    def warn_once(self, site: str, file: str, *chain: str) -> None:
        """A WARN_ON_ONCE at `site`.

        Each operation may warn anew, as if warnings were armed again before
        it (debugfs `clear_warn_once`); a real kernel stays silent after the first.
        """
        if site not in self.warned:
            self.warned.add(site)
            self.warn(file, *chain)

    def vm_flags_set(self, function: str) -> None:
        """What changing `vm_flags` demands of the lock (include/linux/mm.h)."""
        if self.quirks.flags_need_write_lock and self.mmap_lock is not Lock.WRITE:
            self.warn("rwsem.h", function)


def unused(taken: Collection[int]) -> int:
    """The smallest positive number that is not `taken`."""
    return next(number for number in range(1, len(taken) + 2) if number not in taken)


def _owners(ctx: Context) -> frozenset[int]:
    return frozenset(entry.owner for entry in ctx.phys.tree)


@attrs.frozen
class TrackContext:
    """What a design can show about a VMA beyond "tracked": pages, bytes never."""

    id: int
    pfn: int
    pages: int
    refs: int


class Tracking(Protocol):
    """A tracking design: one method per moment at which the kernel consults it.

    Methods that change the VMA return its new value. `pages` and addresses
    count pages; errors are negative errno values. A design is stateless: what
    it stores lives in `Vma.flags`, `Vma.track` and `Physical.tracking`.
    """

    @property
    def name(self) -> str:
        """The name on the command line."""
        ...

    @property
    def follows_entries(self) -> bool:
        """Is `zap` asked under the page-table lock, for the entries that are there?"""
        ...

    def tracked(self, vma: Vma) -> bool:
        """Does this VMA answer for a reservation?"""
        ...

    def context(self, phys: Physical, vma: Vma) -> TrackContext | None:
        """The shared object behind the VMA, if the design has one."""
        ...

    def remap(
        self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int, cache: CacheMode
    ) -> tuple[int, CacheMode, Vma]:
        """`remap_pfn_range()` of `[at, at + pages)`: (error, type to use, VMA)."""
        ...

    def remap_failed(self, step: Step, mm: Mm, vma: Vma, at: int, pfn: int, pages: int) -> Vma:
        """Mapping failed after `remap` had succeeded."""
        ...

    def insert(self, step: Step, vma: Vma, pfn: int, cache: CacheMode) -> CacheMode:
        """Fault-time insertion of `pfn`: the type to use."""
        ...

    def inserted(
        self, step: Step, mm: Mm, vma: Vma, page: int, pfn: int, pages: int, cache: CacheMode
    ) -> None:
        """The entry is in place; it maps `pages` pages from `page` on."""
        ...

    def cow(self, step: Step, mm: Mm, vma: Vma, page: int) -> None:
        """A store has replaced the raw `page` of a private mapping by a copy."""
        ...

    def may_zap(self, step: Step, vma: Vma, start: int, end: int) -> bool:
        """May `[start, end)` be cleared while the VMA stays? If not, nothing happens."""
        ...

    def zap(self, step: Step, mm: Mm, vma: Vma, start: int, end: int, *, region: bool) -> Vma:
        """Entries of `[start, end)` are about to be cleared.

        `region` says that the VMA goes with them (munmap, exit, a failed
        mmap); otherwise it stays (truncation, revocation, a driver's zap).
        """
        ...

    def promised(self, step: Step, mm: Mm, vma: Vma, pfn: int, cache: CacheMode) -> tuple[int, Vma]:
        """The driver's mmap says that the VMA, from its first page, will map `pfn` on."""
        ...

    def counts(self, step: Step, pfn: int, pages: int) -> bool:
        """Are entries of these pages marked as counted?"""
        ...

    def insert_pages(
        self, step: Step, vma: Vma, pfn: int, pages: int, cache: CacheMode
    ) -> CacheMode:
        """Insertion of one page or one huge leaf: the type to use."""
        ...

    def not_inserted(self, step: Step, pfn: int, pages: int) -> None:
        """There was an entry already, or no page table."""
        ...

    def replaced(self, step: Step, run: PteRun) -> None:
        """A copy has replaced the raw entry `run`, and the TLB was flushed."""
        ...

    def cleared(self, step: Step, runs: Iterable[PteRun]) -> None:
        """Counted entries `runs` are being cleared; CPUs may use them until the flush."""
        ...

    def torn(self, step: Step, runs: Iterable[PteRun]) -> None:
        """Counted huge leaves `runs` are cleared, and flushed, by a cut through them."""
        ...

    def may_copy(self, step: Step) -> int:
        """May raw entries be copied for a child? An error ends the fork."""
        ...

    def copied(self, step: Step, runs: Iterable[PteRun]) -> None:
        """Entries of a child that copy the counted `runs` are about to be made."""
        ...

    def flushed(self, step: Step) -> None:
        """The TLB is flushed; `zap` may have put into `step.dying` what waits for that."""
        ...

    def dup(self, step: Step, vma: Vma) -> tuple[int, Vma]:
        """`vm_area_dup()`: a copy for a split, a move or a child."""
        ...

    def split(self, step: Step, mm: Mm, lower: Vma, upper: Vma) -> int:
        """The VMA was split in two; an error undoes it."""
        ...

    def fork(self, step: Step, src: Vma, dst: Vma) -> Vma:
        """dup_mmap has copied the VMA for a child."""
        ...

    def copy(self, step: Step, src_mm: Mm, src: Vma, dst_mm: Mm, dst: Vma) -> tuple[int, Vma, int]:
        """copy_page_range begins: (error, the child's VMA, a pfn to remember)."""
        ...

    def copy_failed(self, step: Step, dst_mm: Mm, dst: Vma, pfn: int) -> Vma:
        """copy_page_range failed after `copy` had succeeded with `pfn`."""
        ...

    def carried(self, step: Step, mm: Mm, old: Vma, new: Vma, at: int) -> None:
        """mremap has moved the entries of `old` from page `at` on into `new`, all it covers."""
        ...

    def moved(self, step: Step, mm: Mm, old: Vma) -> Vma:
        """What mremap has emptied is unmapped next: `old`, or the copy if moving failed."""
        ...

    def free(self, step: Step, vma: Vma) -> None:
        """The VMA object is gone, and its page table entries before it."""
        ...

    def may_unmap(self, step: Step, mm: Mm, vma: Vma, start: int, end: int) -> int:
        """May `[start, end)` of the VMA be unmapped?"""
        ...


class FileOps(Protocol):
    """A driver: what happens to VMAs of its files."""

    page_mkwrite: bool
    """Shared pages are mapped read-only again after mprotect, to catch writes."""

    regular: bool
    """A regular file, as far as fallocate is concerned."""

    has_access: bool
    """`vm_ops->access` lets debuggers read the mapping."""

    has_mmap: bool
    """There is an `f_op->mmap`; without one nothing is unmapped to make room."""

    def mmap(self, step: Step, mm: Mm, vma: Vma) -> tuple[int, Vma]:
        """`f_op->mmap`; (error, VMA)."""
        ...

    def fault(self, step: Step, mm: Mm, vma: Vma, page: int) -> str:
        """`vm_ops->fault`: `done`, `SIGBUS` or `oom`."""
        ...

    def open(self, step: Step, mm: Mm, vma: Vma) -> Vma:
        """`vm_ops->open`: another VMA maps the file."""
        ...

    def close(self, step: Step, vma: Vma) -> None:
        """`vm_ops->close`."""
        ...

    def release(self, step: Step, file: File) -> None:
        """The last reference to the open file has gone."""
        ...


def pfnmap(vma: Vma) -> bool:
    """Is this a raw pfn mapping?"""
    return bool(vma.flags & VM_PFNMAP)
