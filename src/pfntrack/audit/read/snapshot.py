"""A collected text snapshot as `Evidence`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs

from pfntrack.audit.read import processes, readings, system
from pfntrack.audit.read.evidence import HOLDERS, Evidence
from pfntrack.audit.read.files import read, shown
from pfntrack.errors import InputFormatError
from pfntrack.field.read.context import Resource, parse_iomem
from pfntrack.field.read.kernelrelease import KernelRelease
from pfntrack.field.read.lines import printable
from pfntrack.pat.cachemode import BY_CATTR
from pfntrack.releases import Release, release_for
from pfntrack.state import Confidence, Process, Reservation, State

# What the collector notes if it may not look at some process.
_DENIED = re.compile(r"^unread (proc: [^\n]{1,200})", re.MULTILINE)
# The collector's own word on what it could not read or write, and what can hide there.
_UNREAD = re.compile(r"^unread ([^\n]{1,300})", re.MULTILINE)
_GAP = re.compile(r"^gap ([a-z_]{1,40})$", re.MULTILINE)
_UNFINISHED = re.compile(r"\Acollector \d{1,4} unfinished")
_CLAUSE = "missing therefore"
MAX_NOTES = 20
KNOWN_FILES = ("version", "iomem", "vmallocinfo", "dmesg", readings.LIST)


@attrs.frozen
class SnapshotCollector:
    """Reads the directory that `pfntrack collect` writes."""

    folder: Path

    def collect(self) -> Evidence:
        """The machine as the files show it; raises InputFormatError if they cannot be read."""
        folder = self.folder
        if not folder.is_dir():
            raise InputFormatError(f"{shown(folder)}: expected a directory made by collect")
        if not any((folder / name).exists() for name in KNOWN_FILES):
            raise InputFormatError(
                f"{shown(folder)}: no snapshot: expected files such as {readings.LIST} and version"
            )
        lists = readings.load(folder)
        people = processes.load(folder)
        log = read(folder / "dmesg") or ""
        meta = read(folder / "meta") or ""
        kernel = system.kernel(read(folder / "version") or "", meta, log)
        release = _release(kernel, people.processes)
        pat_on = system.pat_state(
            bool(lists.rows),
            "no list" if not lists.exists else read(folder / f"{readings.LIST}.err"),
            read(folder / "cmdline") or "",
            log,
            read(folder / "cpuinfo") or "",
        )
        vmalloc = (read(folder / "vmallocinfo") or "").strip()
        resources = _iomem(folder)
        mtrr_text = read(folder / "mtrr")
        gaps = frozenset(_gaps(vmalloc, meta))
        state = State(
            kernel=kernel_text(kernel),
            tracking_model="unknown" if release is None else release.design.name,
            pat=None if not pat_on else "full",
            reservations=tuple(
                Reservation(start, end, BY_CATTR[kind]) for start, end, kind in lists.rows
            ),
            processes=people.processes,
            kernel_mappings=system.areas(vmalloc),
            claims=tuple((r.start, r.end, r.name) for r in claimed(resources)),
            confidence={
                "reservations": Confidence.READ if lists.exists else Confidence.UNKNOWN,
                "processes": Confidence.READ,
                "entries": Confidence.UNKNOWN,
                "contexts": Confidence.UNKNOWN,
                "kernel_mappings": Confidence.INFERRED if vmalloc else Confidence.UNKNOWN,
                "claims": Confidence.INFERRED if resources else Confidence.UNKNOWN,
                "ram_types": Confidence.UNKNOWN,
            },
        )
        return Evidence(
            name=shown(folder),
            state=state,
            release=release,
            pat_on=pat_on,
            readings=lists.count,
            varying=lists.varying,
            devices=system.devices(folder / "pci"),
            resources=resources,
            mtrr=None if mtrr_text is None else system.mtrr(mtrr_text),
            free_lines=system.free_lines(log),
            boot_lines=system.boot_lines(log),
            vfio_devices=people.vfio_devices,
            copied=people.copied,
            parents=people.parents,
            missing=tuple(_missing(folder, lists, people, pat_on, kernel, resources, gaps)),
            gaps=gaps,
        )


def _gaps(vmalloc: str, meta: str) -> Iterator[str]:
    """Groups that can hide a holder and are known not to be whole."""
    if not vmalloc:
        yield "kernel_mappings"
    if _DENIED.search(meta):
        yield "processes"
    yield from _GAP.findall(meta)
    if _UNFINISHED.match(meta):
        yield from (*HOLDERS, "log")


def kernel_text(kernel: KernelRelease | None) -> str:
    """The name that uname shows, with the upstream release where that differs."""
    if kernel is None:
        return "unknown"
    named = re.search(r"Linux version (\S{1,80})", kernel.text)
    if named is None:
        return str(kernel)
    name = printable(named[1])
    return name if name.startswith(str(kernel)) else f"{name} ({kernel})"


def _release(kernel: KernelRelease | None, people: tuple[Process, ...]) -> Release | None:
    """The tracking model, by looking first: only VM_PAT kernels ever show the flag `ar`."""
    flagged = any(vma.tracked for process in people for vma in process.vmas)
    made = system.modelled(kernel)
    if flagged and (made is None or not made.design.name.startswith("vm-pat")):
        return release_for("6.12")
    return made


def _iomem(folder: Path) -> tuple[Resource, ...]:
    text = read(folder / "iomem")
    found = parse_iomem((text or "").split("\n"))
    return (
        tuple(r for r in found if r.start < r.end < 1 << 64)
        if any(r.end > 1 for r in found)
        else ()
    )


def claimed(resources: tuple[Resource, ...]) -> list[Resource]:
    """Ranges that a driver has requested: what stands below a PCI function's own window."""
    found = []
    window: Resource | None = None
    for resource in resources:
        if window is not None and resource.depth > window.depth:
            found.append(resource)
            continue
        name = resource.name
        is_function = len(name) >= 12 and name[-2] == "." and name[-5] == ":"
        window = resource if is_function else None
    return found


def _missing(
    folder: Path,
    lists: readings.Readings,
    people: processes.Processes,
    pat_on: bool | None,
    kernel: KernelRelease | None,
    resources: tuple[Resource, ...],
    gaps: frozenset[str],
) -> list[str]:
    """What could not be read, and what the audit cannot say therefore."""
    found = []
    if not lists.exists and pat_on is not False:
        found.append(f"{readings.LIST}: not readable: no reservation is known")
    elif lists.count == 1:
        found.append(f"{readings.LIST}: one reading only: nothing tells lasting from passing")
    if lists.malformed:
        found.append(f"{readings.LIST}: {lists.malformed} lines were not understood")
    if kernel is None:
        found.append("version: no release found: the tracking model is not known")
    if not resources:
        found.append("iomem: no addresses (root only): claims and RAM are not known")
    if "kernel_mappings" in gaps:
        found.append("vmallocinfo: not readable (root only): ioremap owners are not known")
    if not (folder / "pci").is_dir():
        found.append("pci: not there: no BAR and no driver is known")
    if read(folder / "dmesg") is None:
        found.append("dmesg: not readable: nothing can be proved stale")
    meta = read(folder / "meta") or ""
    if _UNFINISHED.match(meta):
        found.append("meta: the collector did not finish: anything may be missing")
    # Older collectors noted less, and what they noted shows in what is not there.
    newer = not meta.startswith("collector 1\n")
    notes = [note for note in _UNREAD.findall(meta) if newer and _CLAUSE in note]
    if (denied := _DENIED.search(meta)) and denied[1] not in notes:
        notes.append(denied[1])
    found += [printable(note) for note in notes[:MAX_NOTES]]
    if len(notes) > MAX_NOTES:
        found.append(f"meta: {len(notes) - MAX_NOTES} more things that were not read")
    found += people.malformed[:20]
    return found
