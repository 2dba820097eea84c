"""What a diagnosis consists of, and the rules and advice that several of them share."""

from __future__ import annotations

import attrs

from pfntrack.field.read.kernelrelease import Window

LIST = "sudo cat /sys/kernel/debug/x86/pat_memtype_list"
IOMEM = "sudo cat /proc/iomem"
UNAME = "uname -a"
LSPCI = "sudo lspci -nnk -vv"
DMESG = "sudo dmesg --level=emerg,alert,crit,err,warn,notice,info,debug"
BOOT = "sudo dmesg | grep -i -e PAT -e MTRR"

NEVER_NOPAT = (
    "Do not boot with nopat: it only silences the check, costs write-combining everywhere and "
    "leaves the aliasing in place."
)
NEVER_PATCH = (
    "Do not patch the conflict check out of the kernel: aliased types corrupt data silently."
)
NEVER_FREE = (
    "Do not free reservations by hand or with a module that frees ranges: without proof that no "
    "mapping is left, a live user loses its protection."
)


@attrs.frozen(slots=True)
class Citation:
    """Where a statement comes from: a commit, a public thread, or the kernel source."""

    ref: str
    title: str


@attrs.frozen(slots=True)
class Code:
    """One diagnosis of the vocabulary."""

    code: str
    title: str
    what: str
    rule: str
    severity: str
    harm: str
    do: tuple[str, ...]
    dont: tuple[str, ...] = ()
    commands: tuple[str, str] = (LIST, IOMEM)
    window: Window | None = None
    fixed_by: tuple[Citation, ...] = ()
    see: tuple[Citation, ...] = ()
    followups: tuple[str, ...] = ()


TWO_ENTRIES = (
    "A request that overlaps reservations of one single type is given that type. "
    '"conflicting memory types A<->B" is printed only when the range overlaps at least two '
    "existing reservations of different types: A is the type of the leftmost, B the first that "
    "differs. Neither has to be the type that was asked for, and the task in the message is only "
    "the one that came last."
)
ONE_ENTRY = (
    "One existing reservation dictates the type. The newcomer accepts it, except in four cases: "
    "uncached-minus, write-combining or write-through asked where write-back is reserved, and "
    "write-through where write-combining is reserved. Only these are refused."
)
NO_OWNER = (
    "A reservation has no owner; it is found again by its exact range only. From 4.5 to 6.15 a "
    "release may also cut the tail off a longer reservation that ends at the same address."
)
PFN_FROM_PTE = (
    "Up to 6.15 the physical range to release is read back from the first page-table entry of the "
    "mapping. When that entry is gone or is no device page, the kernel warns once and releases "
    "nothing (WARN_ON_ONCE: silence afterwards proves nothing)."
)
RAM_FLAGS = (
    "RAM is not in the reservation tree: its type lives in page flags, one type per page, without "
    "a count. Mapping RAM never changes the flags; the mapping gets the type of the first page."
)
C = Citation
REWORK = (
    C("f8e97613fed2", "mm: convert VM_PFNMAP tracking to pfnmap_track() + pfnmap_untrack()"),
    C("cba4dbeb7bfc", "mm: remove VM_PAT"),
    C("81baf8450165", "x86/mm/pat: remove MEMTYPE_*_MATCH"),
)
REWORK_WINDOW = Window("4.5", "6.16")
