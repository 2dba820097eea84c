"""A finding of the audit: what is wrong where, how sure that is, and on what it rests."""

from __future__ import annotations

import attrs

SEVERITIES = ("info", "warning", "error")
CONFIDENCES = ("possible", "likely", "certain")
# Findings of one code beyond this number are counted, not listed.
MAX_PER_CODE = 2000

CODES = {
    "stale-reservation": "reserved, held by nobody, and the log shows the release that failed",
    "suspected-stale-reservation": "reserved in all readings and no holder seen; not proved",
    "pieces-mismatch": "the mapping was cut up: releases of its pieces will not fit the entry",
    "lost-tracking": "a mapping that began tracked is not tracked any more",
    "uncovered-mapping": "mapped, but no reservation covers it",
    "owner-without-reservation": "a holder that has no entry of exactly its range",
    "alias-mismatch": "the same address in use with two memory types",
    "silent-conversion": "the type granted is not the type asked for",
    "next-fork-fails": "fork() of this process returns ENOMEM",
    "context-count": "a tracking context counts more or fewer holders than there are",
    "copy-not-write-back": "private copies in RAM are mapped with the device's memory type",
    "exit-leaks": "reservations stay behind, or lines are logged, when this process exits",
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
    pages = (end - start + 4095) >> 12
    return f"[{start:#x}, {end:#x}) ({pages} page{'s' if pages != 1 else ''})"
