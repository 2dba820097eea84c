"""A finding of the audit: what is wrong where, how sure that is, and on what it rests."""

from __future__ import annotations

import attrs

SEVERITIES = ("info", "warning", "error")
CONFIDENCES = ("possible", "likely", "certain")
# Findings of one code beyond this number are counted, not listed.
MAX_PER_CODE = 2000


@attrs.frozen
class Code:
    """What a code means, what follows for the machine, and what to do about it."""

    meaning: str
    harm: str
    advice: str


_REBOOT = "the entry is gone with the next boot; do not free it by hand, do not boot with nopat"
CODES = {
    "stale-reservation": Code(
        "reserved, held by nobody, and proved so",
        "requests for another type on this range are refused or silently converted",
        f"find what left it (log, exit-leaks of similar processes); {_REBOOT}",
    ),
    "suspected-stale-reservation": Code(
        "reserved in all readings and no holder seen; not proved",
        "if it is stale, requests for another type on this range are refused or converted",
        "collect again with the log complete, or audit a memory dump, before concluding anything",
    ),
    "pieces-mismatch": Code(
        "the mapping was cut up: releases of its pieces will not fit the entry",
        "munmap or exit leaves a part reserved and logs 'freeing invalid memtype'",
        "let programs map and unmap whole ranges; kernels from 6.16 on track the whole mapping",
    ),
    "lost-tracking": Code(
        "a mapping that began tracked is not tracked any more",
        "others may be granted another type while these pages are still mapped",
        "end the process before the device is used by anybody else",
    ),
    "uncovered-mapping": Code(
        "mapped, but no reservation covers it",
        "others may be granted another type for the same pages",
        "find out who released it (log); end the process before the device is used by others",
    ),
    "owner-without-reservation": Code(
        "a holder that has no entry of exactly its range",
        "its release will fit nothing, or will shrink the entry of somebody else",
        "see the entry that covers it; after an exit compare the list with the forecast",
    ),
    "alias-mismatch": Code(
        "the same address in use with two memory types",
        "the processor may mix cached and uncached accesses: data loss, machine checks",
        "stop one of the two users",
    ),
    "silent-conversion": Code(
        "the type granted is not the type asked for",
        "works, at another speed and with other ordering than the program expects",
        "see who holds the range first (--range); the first request decides its type",
    ),
    "next-fork-fails": Code(
        "fork() of this process returns ENOMEM",
        "it cannot start children, although memory is free",
        "map shared, or set MADV_DONTFORK on the mapping; kernels from 6.16 on can fork it",
    ),
    "context-count": Code(
        "a tracking context counts more or fewer holders than there are",
        "the range stays reserved for good, or is released while still mapped",
        "keep the dump: this is a kernel defect",
    ),
    "copy-not-write-back": Code(
        "private copies in RAM are mapped with the device's memory type",
        "slow accesses, and an alias with the kernel's own mapping of that RAM",
        "map device memory shared",
    ),
    "cpus-differ": Code(
        "the processors had different MTRRs, or one has no PAT",
        "none where the kernel made them equal; without PAT on all the kernel stops",
        "update the firmware; after a resume report it, for the kernel sets them again then",
    ),
    "small-entries": Code(
        "a device range is mapped by the kernel with small pages because of an MTRR",
        "it works; large windows cost more page tables and misses of the TLB",
        "a firmware setting that keeps MTRR boundaries out of large BARs",
    ),
    "exit-leaks": Code(
        "reservations stay behind, or lines are logged, when this process exits",
        "see stale-reservation; the log lines are the symptom, not the cause",
        "restart it as rarely as possible, or plan a reboot if the range is needed otherwise",
    ),
}


@attrs.frozen
class Finding:
    """One finding; ranges are physical bytes, half-open."""

    code: str
    severity: str
    confidence: str
    summary: str
    rests_on: tuple[str, ...]
    where: tuple[int, int] | None = None
    type: str | None = None
    pids: tuple[int, ...] = ()


def span_text(start: int, end: int) -> str:
    """A range as the reports print it, with its size in pages."""
    return f"[{start:#x}, {end:#x}) ({many((end - start + 4095) >> 12, 'page')})"


def many(count: int, noun: str) -> str:
    """A number with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
