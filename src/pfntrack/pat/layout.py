"""PAT layouts: which memory type each of the eight PTE slots selects.

Source: arch/x86/mm/pat/memtype.c (`pat_bp_init`, `init_cache_modes`) and
arch/x86/mm/init.c (`update_cache_mode_entry`). *Faithful* for native
kernels; the Xen PV table is data for the log analysis only.

A slot number is `PAT<<2 | PCD<<1 | PWT`. PWT is bit 3 and PCD bit 4 of an
entry; PAT is bit 7 in a 4 KiB entry and bit 12 in a PMD or PUD leaf.
"""

from __future__ import annotations

import enum

import attrs

from pfntrack.pat.cachemode import CacheMode

PWT = 1 << 3
PCD = 1 << 4
PAT = 1 << 7
PAT_LARGE = 1 << 12
CACHE_MASK = PWT | PCD | PAT
CACHE_MASK_LARGE = PWT | PCD | PAT_LARGE

WB, WC, UCM, UC, WT, WP = (
    CacheMode.WB,
    CacheMode.WC,
    CacheMode.UC_MINUS,
    CacheMode.UC,
    CacheMode.WT,
    CacheMode.WP,
)
_MSR_CODE = {UC: 0, WC: 1, WT: 4, WP: 5, WB: 6, UCM: 7}
_MSR_MODE = {code: mode for mode, code in _MSR_CODE.items()}


class Leaf(enum.Enum):
    """The size of a page-table leaf, as far as cache bits care."""

    PTE = "4 KiB"
    LARGE = "2 MiB or 1 GiB"


@attrs.frozen
class PatLayout:
    """Eight slots and the tables that the kernel derives from them."""

    name: str
    slots: tuple[CacheMode, ...] = attrs.field()

    @slots.validator
    def _eight(self, _attribute: object, value: tuple[CacheMode, ...]) -> None:
        if len(value) != 8:
            raise ValueError(f"a PAT layout has 8 slots, not {len(value)}")

    def slot(self, mode: CacheMode) -> int:
        """The slot that encodes `mode`: the lowest that holds it, else PCD.

        The kernel fills its table from slot 7 down and leaves a mode that no
        slot holds at the compile-time default, which is the UC- slot.
        """
        for number, held in enumerate(self.slots):
            if held is mode:
                return number
        return 2

    def encode(self, mode: CacheMode, leaf: Leaf = Leaf.PTE) -> int:
        """Cache bits of an entry of size `leaf` for `mode` (`cachemode2protval`)."""
        number = self.slot(mode)
        pat = PAT if leaf is Leaf.PTE else PAT_LARGE
        return (PWT if number & 1 else 0) | (PCD if number & 2 else 0) | (pat if number & 4 else 0)

    def decode(self, bits: int, leaf: Leaf = Leaf.PTE) -> CacheMode:
        """Memory type that the cache bits in `bits` select (`pgprot2cachemode`)."""
        pat = PAT if leaf is Leaf.PTE else PAT_LARGE
        number = bool(bits & PWT) | bool(bits & PCD) << 1 | bool(bits & pat) << 2
        return self.slots[number] if number else WB

    def granted(self, mode: CacheMode) -> CacheMode:
        """What a request for `mode` reads back as after one trip through an entry."""
        return self.decode(self.encode(mode))

    def msr(self) -> int:
        """IA32_PAT (MSR 0x277) that loads this layout."""
        return sum(_MSR_CODE[mode] << (8 * number) for number, mode in enumerate(self.slots))

    def configuration(self) -> str:
        """The boot line's cells, trailing blanks kept."""
        return "".join(f"{mode.short:<4}" for mode in self.slots)


def large_to_pte(bits: int) -> int:
    """Move the PAT bit of a large leaf to its place in a 4 KiB entry (`protval_large_2_4k`)."""
    return (bits & ~(PAT | PAT_LARGE)) | (PAT if bits & PAT_LARGE else 0)


def pte_to_large(bits: int) -> int:
    """Move the PAT bit of a 4 KiB entry to its place in a large leaf (`protval_4k_2_large`)."""
    return (bits & ~(PAT | PAT_LARGE)) | (PAT_LARGE if bits & PAT else 0)


def from_msr(value: int, name: str = "msr") -> PatLayout:
    """Layout of an IA32_PAT value; an unknown code counts as WB, as in the kernel."""
    return PatLayout(
        name, tuple(_MSR_MODE.get((value >> (8 * number)) & 7, WB) for number in range(8))
    )


FULL = PatLayout("full", (WB, WC, UCM, UC, WB, WP, UCM, WT))
LOWER_FOUR = PatLayout("lower-four", (WB, WC, UCM, UC, WB, WC, UCM, UC))
LEGACY = PatLayout("legacy", (WB, WT, UCM, UC, WB, WT, UCM, UC))
XEN_PV = PatLayout("xen-pv", (WB, WT, UCM, UC, WC, WP, UC, UC))
LAYOUTS = {layout.name: layout for layout in (FULL, LOWER_FOUR, LEGACY, XEN_PV)}


def pgprot_noncached(layout: PatLayout, bits: int) -> int:
    """OR the UC- bits in (all releases); `pgprot_device` is the same on x86."""
    return bits | layout.encode(UCM)


def pgprot_writecombine(layout: PatLayout, bits: int, *, replaces: bool) -> int:
    """WC bits ORed in (to 6.15) or put in place of the old ones (`replaces`, from 6.16)."""
    return (bits & ~CACHE_MASK if replaces else bits) | layout.encode(WC)


def pgprot_writethrough(layout: PatLayout, bits: int, *, replaces: bool) -> int:
    """WT bits, with the same difference between releases as `pgprot_writecombine`."""
    return (bits & ~CACHE_MASK if replaces else bits) | layout.encode(WT)
