"""Cache modes: the six memory types of `enum page_cache_mode`.

Source: arch/x86/include/asm/pgtable_types.h and arch/x86/mm/pat/memtype.h
(5.10 to 7.3). *Faithful*, numbers included: two kernel messages print them.
"""

from __future__ import annotations

import enum


class CacheMode(enum.IntEnum):
    """`enum page_cache_mode`; the value is the kernel's number."""

    WB = 0
    WC = 1
    UC_MINUS = 2
    UC = 3
    WT = 4
    WP = 5

    @property
    def short(self) -> str:
        """The short name used in scenarios and traces: `UC-` for UC_MINUS."""
        return "UC-" if self is CacheMode.UC_MINUS else self.name

    @property
    def cattr(self) -> str:
        """The name that the kernel prints (`cattr_name()`)."""
        return _CATTR[self]

    def __str__(self) -> str:
        return self.short


_CATTR = {
    CacheMode.WB: "write-back",
    CacheMode.WC: "write-combining",
    CacheMode.UC_MINUS: "uncached-minus",
    CacheMode.UC: "uncached",
    CacheMode.WT: "write-through",
    CacheMode.WP: "write-protected",
}
BY_SHORT = {mode.short: mode for mode in CacheMode}
BY_CATTR = {mode.cattr: mode for mode in CacheMode}
