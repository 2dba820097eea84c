"""A kernel's memory as `Evidence`: the same facts as a text snapshot, and what text cannot show.

A dump is one moment. A running kernel is read twice, and only what both
readings show counts: entries that differ are `varying`, and so are those in
the range of a mapping that only one reading has.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import attrs

from pfntrack.audit.memory import hardware
from pfntrack.audit.memory.areas import areas
from pfntrack.audit.memory.gaps import UNREADABLE, Gaps
from pfntrack.audit.memory.pagetables import PageTables
from pfntrack.audit.memory.program import Machine
from pfntrack.audit.memory.reservations import reservations
from pfntrack.audit.memory.spaces import SpaceReader, Spaces
from pfntrack.audit.read import system
from pfntrack.audit.read.evidence import MEMORY_SOURCES, Evidence, Row
from pfntrack.audit.read.snapshot import claimed, kernel_text
from pfntrack.audit.read.users import linear_start
from pfntrack.errors import InputFormatError
from pfntrack.field.read.kernelrelease import KernelRelease
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases import Release, release_for
from pfntrack.state import Confidence, Process, Reservation, State, VmaState

Key = tuple[int, int, int, int, str, bool]


class MemoryCollector:
    """Reads a machine's memory, as often as asked; it is opened once, at the first time."""

    def __init__(self, open_machine: Callable[[], Machine]) -> None:
        self._open = open_machine

    @functools.cached_property
    def _machine(self) -> Machine:
        return self._open()

    def collect(self) -> Evidence:
        """The machine as its kernel knows it now.

        Raises InputFormatError: it cannot be opened, or is no kernel that keeps
        reservations.
        """
        return _Reading(self._machine).evidence()


class _Reading:
    """One look at a machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.prog = machine.prog
        self.gaps = Gaps()
        self.kernel = self._kernel()
        self.flagged = self._flagged()
        self.release = self._release()
        self.tables = self._tables()

    def evidence(self) -> Evidence:
        gaps, prog = self.gaps, self.prog
        rows = reservations(prog, gaps)
        spaces = self._spaces()
        mappings = areas(prog, self.tables, gaps)
        found = hardware.resources(prog, gaps)
        devices = hardware.devices(prog, gaps)
        registers = hardware.mtrr(prog, gaps)
        log = hardware.log(prog, gaps)
        on = hardware.pat_on(prog, gaps)
        varying: Mapping[Row, tuple[int, int]] = {}
        readings = 1
        if self.machine.live:
            if self.tables is not None:
                self.tables.forget()
            again = self._spaces()
            after = reservations(prog, gaps)
            varying = differing(rows, after, spaces, again)
            spaces, rows = both(spaces, again), after
            mappings = tuple(
                (Counter(mappings) & Counter(areas(prog, self.tables, gaps))).elements()
            )
            readings = 2
        state = State(
            kernel=kernel_text(self.kernel),
            tracking_model="unknown" if self.release is None else self.release.design.name,
            pat="full" if on else None,
            reservations=rows,
            processes=spaces.processes,
            contexts=spaces.contexts,
            kernel_mappings=mappings,
            claims=tuple((r.start, r.end, r.name) for r in claimed(found)),
            confidence=self._confidence(),
        )
        return Evidence(
            name=self.machine.name,
            state=state,
            release=self.release,
            pat_on=True if rows and on is None else on,
            readings=readings,
            still=not self.machine.live,
            varying=varying,
            devices=devices,
            resources=found,
            mtrr=registers,
            free_lines=system.free_lines(log or ""),
            boot_lines=system.boot_lines(log or ""),
            missing=tuple(gaps.lines()),
            gaps=gaps.groups(),
            sources=attrs.evolve(MEMORY_SOURCES, types=self.machine.types),
        )

    def _spaces(self) -> Spaces:
        return SpaceReader(self.prog, self.tables, self.gaps, flagged=self.flagged).read()

    def _confidence(self) -> dict[str, Confidence]:
        groups = ("reservations", "processes", "entries", "kernel_mappings", "claims")
        made = {
            group: Confidence.INFERRED if group in self.gaps else Confidence.READ
            for group in groups
        }
        if "entries" in self.gaps:
            made["entries"] = Confidence.UNKNOWN
        made["contexts"] = Confidence.READ
        made["ram_types"] = Confidence.UNKNOWN
        return made

    def _kernel(self) -> KernelRelease | None:
        banner = ""
        with self.gaps.trying("version", "linux_banner"):
            banner = hardware.text_of(self.prog["linux_banner"])
        return system.kernel(banner, f"uname {self.machine.note.get('OSRELEASE', '')}", "")

    def _flagged(self) -> bool:
        """Whether tracked VMAs carry VM_PAT: those kernels have `track_pfn_remap()` and no context.

        Raises InputFormatError: the kernel keeps no reservations at all.
        """
        try:
            self.prog.symbol("memtype_rbroot")
            vma = self.prog.type("struct vm_area_struct")
        except LookupError as error:
            raise InputFormatError(
                f"{self.machine.name}: no memory-type reservations in this kernel: {error}"
            ) from None
        return not vma.has_member("pfnmap_track_ctx")

    def _release(self) -> Release | None:
        """The model by looking; the version only chooses between those that look alike."""
        made = system.modelled(self.kernel)
        name = "6.12" if self.flagged else "7.3"
        if made is None or made.design.name.startswith("vm-pat") is not self.flagged:
            return release_for(name)
        return made

    def _tables(self) -> PageTables | None:
        modes = hardware.cache_modes(self.prog, self.gaps)
        if modes is None:
            return None
        note = self.machine.note

        def read(address: int, size: int) -> bytes:
            return bytes(self.prog.read(address, size, physical=True))

        try:
            levels = 5 if int(note.get("NUMBER(pgtable_l5_enabled)", "0")) else 4
            encryption = int(note.get("NUMBER(sme_mask)", "0"))
        except UNREADABLE:
            self.gaps.add("entries", "VMCOREINFO: the depth of page tables is no number")
            return None
        return PageTables(read, modes, levels, encryption)


def _row(entry: Reservation) -> Row:
    return entry.start, entry.end, entry.type.cattr


def differing(
    before: Sequence[Reservation], after: Sequence[Reservation], one: Spaces, other: Spaces
) -> dict[Row, tuple[int, int]]:
    """Entries that two readings show differently often, and those of mappings in only one."""
    first, last = Counter(map(_row, before)), Counter(map(_row, after))
    found = {
        row: (min(first[row], last[row]), max(first[row], last[row]))
        for row in first | last
        if first[row] != last[row]
    }
    were, are = _mapped(one), _mapped(other)
    passing = {span for key, span in (were | are).items() if key not in were or key not in are}
    for row, count in last.items():
        if row not in found and (row[0], row[1]) in passing:
            found[row] = (0, count)
    return found


def both(one: Spaces, other: Spaces) -> Spaces:
    """The mappings of the second reading that the first one shows too."""
    were = _mapped(one)
    kept = []
    for process in other.processes:
        vmas = tuple(vma for vma in process.vmas if _key(process, vma) in were)
        if vmas:
            kept.append(attrs.evolve(process, vmas=vmas))
    return Spaces(tuple(kept), other.contexts)


def _key(process: Process, vma: VmaState) -> Key:
    return process.pid, vma.start, vma.end, vma.pgoff, vma.file, vma.tracked


def _mapped(spaces: Spaces) -> dict[Key, tuple[int, int]]:
    """Each mapping with the physical range that its first entry or its offset implies."""
    found: dict[Key, tuple[int, int]] = {}
    for process in spaces.processes:
        for vma in process.vmas:
            first = linear_start(vma)
            start = (vma.pgoff if first is None else first) << PAGE_SHIFT
            size = (vma.end - vma.start) << PAGE_SHIFT
            found[_key(process, vma)] = (start, start + size)
    return found
