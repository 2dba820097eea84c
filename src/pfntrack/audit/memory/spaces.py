"""Processes, their raw pfn mappings with page tables, and the contexts that track them.

Source: include/linux/mm.h, mm_types.h (5.10 to 7.3), *faithful* for the flags
used here, whose numbers are the same in all of these releases.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from drgn import Object, Program
from drgn.helpers.linux.fs import d_path
from drgn.helpers.linux.mm import for_each_vma
from drgn.helpers.linux.pid import for_each_task

from pfntrack.audit.memory.gaps import Gaps
from pfntrack.audit.memory.pagetables import PAGE, PageTables
from pfntrack.field.read.lines import printable
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.state import Context, Process, VmaState

GROUP, TABLES = "processes", "entries"
VM_SHARED, VM_MAYWRITE, VM_PFNMAP, VM_MIXEDMAP, VM_PAT = 8, 0x20, 0x400, 0x10000000, 0x01000000
# The names that smaps prints, for the bits that an answer can depend on.
_SMAPS = (
    (0x1, "rd"),
    (0x2, "wr"),
    (0x4, "ex"),
    (VM_SHARED, "sh"),
    (0x10, "mr"),
    (VM_MAYWRITE, "mw"),
    (0x40, "me"),
    (0x80, "ms"),
    (VM_PFNMAP, "pf"),
    (0x2000, "lo"),
    (0x4000, "io"),
    (0x20000, "dc"),
    (0x40000, "de"),
    (0x4000000, "dd"),
    (VM_MIXEDMAP, "mm"),
)
_PF_EXITING = 4


@attrs.frozen
class Spaces:
    """All processes with mappings of interest, and the contexts that these hold."""

    processes: tuple[Process, ...]
    contexts: tuple[Context, ...]


class SpaceReader:
    """Reads every address space once."""

    def __init__(self, prog: Program, tables: PageTables | None, gaps: Gaps, *, flagged: bool):
        """`flagged` if the kernel marks tracked VMAs with VM_PAT; else by a context."""
        self._prog = prog
        self._tables = tables
        self._gaps = gaps
        self._flagged = flagged
        self._files: dict[int, str] = {}
        self._contexts: dict[int, Context] = {}

    def read(self) -> Spaces:
        """Processes in ascending order of pids; contexts are numbered as they are met."""
        found = []
        for pid, name, mm in sorted(self._spaces(), key=lambda item: item[0]):
            vmas: list[VmaState] = []
            with self._gaps.trying(GROUP, f"mappings of {name}[{pid}]"):
                top = None
                for vma in for_each_vma(mm):
                    flags = vma.vm_flags.value_()
                    if flags & (VM_PFNMAP | VM_MIXEDMAP) and vma.vm_file:
                        if top is None:
                            top = self._top(mm, pid)
                        vmas.append(self._vma(vma, flags, top, pid))
            if vmas:
                found.append(Process(name, pid, tuple(vmas)))
        return Spaces(tuple(found), tuple(self._contexts.values()))

    def _spaces(self) -> Iterator[tuple[int, str, Object]]:
        """(pid, name, mm), each mm once, for the process that owns it.

        While a process exits its task has no mm, but borrows it to the end.
        """
        seen = set()
        with self._gaps.trying(GROUP, "the list of processes"):
            for task in for_each_task(self._prog):
                with self._gaps.trying(GROUP, "a process"):
                    mm = task.mm.read_()
                    if not mm and task.flags.value_() & _PF_EXITING:
                        mm = task.active_mm.read_()
                    if not mm or mm.value_() in seen:
                        continue
                    seen.add(mm.value_())
                    name = task.group_leader.comm.string_().decode("utf-8", "replace")
                    yield task.tgid.value_(), printable(name) or "?", mm

    def _top(self, mm: Object, pid: int) -> tuple[int, ...] | None:
        if self._tables is None:
            return None
        with self._gaps.trying(TABLES, f"the page tables of process {pid}"):
            return self._tables.top(self._prog.read(mm.pgd.value_(), PAGE))
        return None

    def _vma(self, vma: Object, flags: int, top: tuple[int, ...] | None, pid: int) -> VmaState:
        start, end = vma.vm_start.value_(), vma.vm_end.value_()
        prot = vma.vm_page_prot.pgprot.value_()
        cow = flags & (VM_SHARED | VM_MAYWRITE) == VM_MAYWRITE
        tables = self._tables
        missing: list[int] = []
        entries = (
            ()
            if tables is None or top is None
            else tables.entries(top, start, end, cow=cow, missing=missing)
        )
        if missing:
            self._gaps.add(TABLES, f"page tables of process {pid} at {missing[0]:#x}")
        names = [name for bit, name in _SMAPS if flags & bit]
        tracked = self._flagged and bool(flags & VM_PAT)
        if tracked:
            names.append("ar")
        context = None if self._flagged else self._context(vma)
        return VmaState(
            start=start >> PAGE_SHIFT,
            end=end >> PAGE_SHIFT,
            permissions="".join(
                letter if flags & 1 << bit else "-" for bit, letter in enumerate("rwx")
            )
            + ("s" if flags & 0x80 else "p"),
            flags=" ".join(names),
            pgoff=vma.vm_pgoff.value_(),
            file=self._file(vma.vm_file),
            tracked=tracked or context is not None,
            context=context,
            prot=CacheMode.UC_MINUS if tables is None else tables.mode(prot),
            entries=entries,
        )

    def _file(self, file: Object) -> str:
        """The path of a mapped file; forked processes share the file itself."""
        address = file.value_()
        name = self._files.get(address)
        if name is None:
            name = "?"
            with self._gaps.trying("files", "the name of a mapped file"):
                text = d_path(file.f_path).decode("utf-8", "replace")
                name = printable(text).strip().removesuffix(" (deleted)")
            self._files[address] = name
        return name

    def _context(self, vma: Object) -> int | None:
        """The number of the context that a VMA holds, from 6.16 on."""
        pointer = vma.pfnmap_track_ctx.read_()
        address = pointer.value_()
        if not address:
            return None
        if address not in self._contexts:
            start = pointer.pfn.value_() << PAGE_SHIFT
            refs = pointer.kref.refcount.refs.counter.value_()
            number = len(self._contexts) + 1
            size = pointer.size.value_()
            self._contexts[address] = Context(number, start, start + size, refs)
        return self._contexts[address].id
