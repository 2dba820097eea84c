"""The type that the processor uses: PAT combined with the MTRRs.

By the SDM's table for PAT and MTRR types; where the MTRR is unknown, the PAT
type alone is compared, so that a difference is never hidden by a guess.
"""

from __future__ import annotations

from pfntrack.audit.read.evidence import Evidence
from pfntrack.pat import mtrr as registers
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.mtrr import MtrrLookup

_WRITE_BACK = {
    registers.WB: CacheMode.WB,
    registers.WT: CacheMode.WT,
    registers.WC: CacheMode.WC,
    registers.WP: CacheMode.WP,
}


def mtrr_type(evidence: Evidence, start: int, end: int) -> int | None:
    """The MTRR type of a range, None if not known."""
    if evidence.mtrr is None:
        return None
    release = evidence.release
    generation = MtrrLookup.MERGED_MAP if release is None else release.pat.mtrr_lookup
    return evidence.mtrr.lookup(start, end, generation)


def effective(pat: CacheMode, mtrr: int | None) -> CacheMode:
    """What a page-table type becomes under an MTRR type."""
    if mtrr is None or pat in (CacheMode.WC, CacheMode.UC):
        return pat
    if pat is CacheMode.UC_MINUS:
        return CacheMode.WC if mtrr == registers.WC else CacheMode.UC
    if pat is CacheMode.WB:
        return _WRITE_BACK.get(mtrr, CacheMode.UC)
    fits = (registers.WB, registers.WT if pat is CacheMode.WT else registers.WP)
    return pat if mtrr in fits else CacheMode.UC


def differ(evidence: Evidence, start: int, end: int, one: CacheMode, other: CacheMode) -> bool:
    """Whether two page-table types really differ on `[start, end)`."""
    if one is other:
        return False
    mtrr = mtrr_type(evidence, start, end)
    return effective(one, mtrr) is not effective(other, mtrr)
