"""Names for physical addresses.

A trace does not say ``0xfc004000`` but "page 4 of H": the windows of the
guest's devices and the RAM a scenario allocates have names, so that traces of
different machines can be compared.
"""

from __future__ import annotations

import attrs

PAGE_SIZE = 4096
ARENA_BASE = 0x4000_0000_0000
"""Where the scenarios' mappings lie; the same constant is in guest/agent.h."""

CACHES = ("WB", "WC", "UC-", "UC", "WT", "WP")
"""Cache modes in the kernel's numbering (enum page_cache_mode)."""

PAT_ENTRIES = ("WB", "WC", "UC-", "UC", "WB", "WP", "UC-", "WT")
"""What Linux programs into the eight PAT entries."""

_LONG_NAMES = {
    "write-back": "WB",
    "write-combining": "WC",
    "uncached-minus": "UC-",
    "uncached": "UC",
    "write-through": "WT",
    "write-protected": "WP",
}

Place = list[str | int]
"""``["H", 4]``: a page of a named region."""


def short_cache(name: str) -> str:
    """``write-combining`` -> ``WC``; an unknown name stays as it is."""
    return _LONG_NAMES.get(name.strip(), name.strip())


def cache_name(number: int) -> str:
    """Cache mode of its kernel number."""
    return CACHES[number] if 0 <= number < len(CACHES) else f"cache-{number}"


def cache_of_bits(bits: int) -> str:
    """Cache mode of a small page-table entry or a vm_page_prot."""
    pwt, pcd, pat = bits >> 3 & 1, bits >> 4 & 1, bits >> 7 & 1
    return PAT_ENTRIES[pat << 2 | pcd << 1 | pwt]


@attrs.frozen(slots=True)
class Region:
    """A named range of physical pages."""

    name: str
    pfn: int
    pages: int


@attrs.frozen(slots=True)
class Regions:
    """The named ranges of one guest."""

    items: tuple[Region, ...] = ()

    def plus(self, region: Region) -> Regions:
        """These and one more."""
        return Regions((*self.items, region))

    def base(self, name: str) -> Region:
        """The region of that name.

        Raises KeyError: no such region.
        """
        for region in self.items:
            if region.name == name:
                return region
        raise KeyError(name)

    def find(self, pfn: int) -> tuple[Region, int] | None:
        """The region that holds a page, and which of its pages that is."""
        for region in self.items:
            if region.pfn <= pfn < region.pfn + region.pages:
                return region, pfn - region.pfn
        return None

    def page(self, pfn: int) -> Place | int:
        """``["H", 4]``, or the bare number outside every region."""
        hit = self.find(pfn)
        return [hit[0].name, hit[1]] if hit else pfn

    def span(self, start: int, end: int) -> list[str | int]:
        """``["H", 0, 16]`` for a byte range, or two hexadecimal addresses."""
        hit = self.find(start // PAGE_SIZE)
        if hit and start < end <= (hit[0].pfn + hit[0].pages) * PAGE_SIZE:
            return [hit[0].name, hit[1], hit[1] + (end - start) // PAGE_SIZE]
        return [hex(start), hex(end)]


def arena_page(address: int) -> int | None:
    """Page number in the arena, or None for an address outside."""
    if ARENA_BASE <= address < ARENA_BASE + (1 << 44):
        return (address - ARENA_BASE) // PAGE_SIZE
    return None
