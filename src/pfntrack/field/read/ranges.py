"""What a physical range reveals by itself: wrap-around, sign extension, fixed windows, alignment.

Everything here follows from the architecture (PCI windows are naturally aligned
powers of two, the interrupt controllers sit at fixed addresses) and from the way
memtype_reserve() masks addresses; no table of known machines is involved.
"""

from __future__ import annotations

PAGE = 4096
ISA_START, ISA_END = 0xA0000, 0x100000
# I/O APIC and local APIC: no PCI window of any device can contain them.
FIXED_PAGES = (0xFEC00000, 0xFEE00000)
ALL_ONES = (1 << 64) - 1


def is_sign_extended(start: int, end_excl: int) -> bool:
    """A 32-bit address with its top bit set that was widened as if it were signed."""
    return (
        start >> 32 == 0xFFFFFFFF
        and bool(start & 0x80000000)
        and (end_excl - 1) >> 32 == 0xFFFFFFFF
    )


def is_no_bar(start: int, end_excl: int) -> bool:
    """The range of a resource that was never assigned: 0 to all ones."""
    return start == 0 and end_excl > 1 << 52


def ends_at_physical_top(start: int, end_excl: int) -> bool:
    """Whether the range ends where some x86 physical address space ends (36 to 52 bits).

    memtype_reserve() printed such a range with its exclusive end masked to zero, so
    the inclusive end reads all ones.
    """
    tops = {1 << bits for bits in range(36, 53)}
    if end_excl in tops and start > end_excl // 2:
        return True
    if end_excl != ALL_ONES + 1 or start >= 1 << 52:
        return False
    # The distance to the next power of two has to look like a window: a power of two itself.
    top = 1 << start.bit_length()
    rest = top - start
    return top in tops and rest & (rest - 1) == 0 and rest <= top // 4


def is_wrapped(start: int, end_excl: int) -> bool:
    """Start at or behind the end: the caller's arithmetic overflowed."""
    return start >= end_excl


def covers_fixed_page(start: int, end_excl: int) -> bool:
    """The range contains an interrupt controller, so it cannot be one device's window."""
    return any(start <= page < end_excl for page in FIXED_PAGES)


def natural_block(start: int, end_excl: int) -> tuple[int, int]:
    """The smallest naturally aligned power-of-two block that contains the range."""
    bits = (start ^ (end_excl - 1)).bit_length()
    base = start >> bits << bits
    return base, base + (1 << bits)


def fits_no_window(start: int, end_excl: int) -> bool:
    """No PCI window can hold the range.

    A window that holds it would contain its natural block, and that block would
    swallow an interrupt controller.
    """
    if start >= end_excl or start >= 1 << 32 or start < 1 << 20:
        return False
    block = natural_block(start, end_excl)
    return covers_fixed_page(*block) and not covers_fixed_page(start, end_excl)


def is_window_shaped(start: int, end_excl: int) -> bool:
    """Naturally aligned and a power of two: the shape of a BAR or an aperture."""
    size = end_excl - start
    return size > 0 and size & (size - 1) == 0 and start % size == 0


def below_one_mib(start: int, end_excl: int) -> bool:
    """Inside the ISA hole, which is never tracked."""
    return start >= ISA_START and end_excl <= ISA_END


def overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Whether two half-open ranges share a byte."""
    return a[0] < b[1] and b[0] < a[1]


def notes(start: int, end_excl: int) -> tuple[str, ...]:
    """What a reader should know about the range, in words; empty when nothing is odd."""
    found = []
    if is_no_bar(start, end_excl):
        found.append("the range is 0 to all ones, which is how an unassigned resource reads")
    elif is_wrapped(start, end_excl):
        found.append("the start lies at or behind the end: the caller's arithmetic wrapped")
    elif is_sign_extended(start, end_excl):
        real = (start & 0xFFFFFFFF, ((end_excl - 1) & 0xFFFFFFFF) + 1)
        found.append(
            f"the upper half is all ones; the real range is [0x{real[0]:x}, 0x{real[1]:x})"
        )
    elif ends_at_physical_top(start, end_excl):
        found.append("the range ends where the physical address space ends")
    elif covers_fixed_page(start, end_excl):
        found.append(
            "the range covers the interrupt controllers at 0xfec00000 or 0xfee00000, "
            "so it cannot be one device's memory"
        )
    elif fits_no_window(start, end_excl):
        found.append(
            "a naturally aligned window that holds the range would contain an interrupt "
            "controller, so the range runs over the end of its window"
        )
    if not found and below_one_mib(start, end_excl):
        found.append("the range lies in the ISA hole below 1 MiB, which is never tracked")
    return tuple(found)
