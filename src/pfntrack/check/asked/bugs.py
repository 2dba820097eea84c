"""Known defects as questions for the checker: where to look, and for which property.

A row says which design or release had the defect, within which bounds and with
which operations it can be seen, and which property it breaks; never by which
program. The search finds that by itself. A design that mends the defect must
keep the property within the same bounds. `steps` is what the shortest program
is known to need: another number means that the model has changed.
"""

from __future__ import annotations

import attrs

from pfntrack.check.judged.books import BooksSetting
from pfntrack.check.search.bounds import Bounds
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.context import PatQuirks
from pfntrack.releases import release_for

BUGS, FOUND = "bugs", "7.3"


@attrs.frozen
class Row:
    """One defect of a tracking design.

    `had` and `mended` are releases or designs. `group` is BUGS for the known
    list, FOUND for what real 7.3 kernels were seen to do.
    """

    bug: str
    about: str
    had: str
    broken: str
    groups: tuple[str, ...]
    bounds: Bounds
    steps: int
    mended: tuple[str, ...]
    group: str = BUGS


@attrs.frozen
class BooksRow:
    """One defect of the reservation tree itself: the old rules against the new ones."""

    bug: str
    about: str
    had: str
    broken: str
    setting: BooksSetting
    steps: int
    mended: tuple[tuple[str, PatQuirks], ...]
    group: str = BUGS


# Pages at the very end of the physical address space, and somewhere else.
_LAST, _ANY = (1 << 40) - 3, 0x200000
_ONE_TYPE = (CacheMode.UC_MINUS,)
_7_3, _5_10, _5_5 = (release_for(name).pat for name in ("7.3", "5.10", "5.5-rc"))


def _pages(processes: int = 1, pages: int = 2, pfns: int = 2, *, reservations: int = 2) -> Bounds:
    """Bounds with as many VMAs as virtual pages."""
    return Bounds(processes, pages, pfns, pages, reservations)


def _row(
    bug: str,
    about: str,
    had: str,
    broken: str,
    groups: str,
    bounds: Bounds,
    steps: int,
    mended: str,
    group: str = BUGS,
) -> Row:
    words = tuple(mended.split())
    return Row(bug, about, had, broken, tuple(groups.split()), bounds, steps, words, group)


_CUT = Bounds(2, 2, 2, 2, 4, types=_ONE_TYPE, least=2)

ROWS: tuple[Row | BooksRow, ...] = (
    BooksRow(
        "B14",
        "the last page of the address space cannot be reserved",
        "5.10",
        "I6",
        BooksSetting(_5_10, _LAST),
        1,
        (
            (
                "5.10, ends not masked",
                attrs.evolve(_5_10, reserve_masks_end=False, free_masks_end=False),
            ),
        ),
    ),
    BooksRow(
        "B15",
        "the last page of the address space cannot be freed",
        "7.3",
        "I1",
        BooksSetting(_7_3, _LAST),
        2,
        (("7.3, end not masked", attrs.evolve(_7_3, free_masks_end=False)),),
    ),
    BooksRow(
        "B20",
        "neighbours overlap in the tree, and write-combining is lost",
        "5.5-rc",
        "I7",
        BooksSetting(_5_5, _ANY),
        2,
        (("5.10", _5_10),),
    ),
    _row(
        "B22",
        "a zap of one page releases the whole mapping: an alias, in silence",
        "6.12",
        "I5",
        "map zap ioremap",
        _pages(),
        3,
        "7.3",
    ),
    _row(
        "B22b",
        "the pfn is read from a page table that a zap has emptied",
        "untrack-at-unmap",
        "I4",
        "map zap munmap",
        _pages(pages=1, pfns=1),
        3,
        "pfn-per-vma 7.3",
    ),
    _row(
        "B23",
        "after a zap and an insertion the pages of another owner are released",
        "untrack-at-unmap",
        "I3",
        "map zap insert munmap ioremap",
        _pages(pages=1),
        5,
        "pfn-per-vma 7.3",
    ),
    _row(
        "B26",
        "mremap leaves the flag on the VMA that it has emptied",
        "3.7",
        "I4",
        "map move",
        _pages(pfns=1),
        2,
        "4.5",
    ),
    _row(
        "B27",
        "a shrinking mremap releases what was never reserved in that size",
        "3.7",
        "I4",
        "map shrink exit",
        _pages(),
        2,
        "4.5",
    ),
    _row(
        "B28",
        "munmap of the front releases nothing, and says so",
        "4.5",
        "I4",
        "map munmap",
        _pages(),
        2,
        "split-reservation 7.3",
    ),
    _row(
        "B29",
        "of two overlapping mappings one cuts the entry of the other",
        "4.5",
        "I3",
        "map munmap",
        _pages(pages=3, reservations=3),
        3,
        "split-reservation 7.3",
    ),
    _row(
        "B30",
        "a split parent releases its child's entries in silence",
        "4.5",
        "I3",
        "map protect fork exit",
        _CUT,
        4,
        "split-reservation 7.3",
    ),
    _row(
        "B31",
        "a move of a part leaves the rest without an owner",
        "4.5",
        "I1",
        "map move exit",
        _pages(pages=3),
        3,
        "side-table 7.3",
    ),
    _row(
        "B32",
        "a fork that runs out of memory warns",
        "6.2",
        "I4",
        "map forkfail exit",
        _pages(2),
        2,
        "6.12",
    ),
    _row(
        "B32 half mended",
        "a fork that runs out of memory forgets the child's reservation",
        "6.8",
        "I1",
        "map forkfail exit",
        _pages(2),
        3,
        "6.12",
    ),
    _row(
        "B33",
        "a child whose reservation fails is untracked all the same (CVE-2025-22090)",
        "6.14",
        "I4",
        "map forkfail exit",
        _pages(2),
        2,
        "6.12",
    ),
    _row(
        "B35",
        "after a move nobody answers for the mapping",
        "6.12.25",
        "I1",
        "map move munmap",
        _pages(pfns=1),
        3,
        "6.12",
    ),
    _row(
        "B36",
        "a driver that maps page by page as if each were the whole is refused",
        "6.16",
        "I6",
        "narrow munmap",
        _pages(),
        1,
        "6.12 ours",
    ),
    _row(
        "B37",
        "a driver that zaps its mapping cannot map it again",
        "6.16",
        "I6",
        "map zapvma remap",
        _pages(),
        3,
        "6.12 side-table ours",
    ),
    _row(
        "B38",
        "a part that was unmapped keeps its type",
        "6.16",
        "I7",
        "map munmap",
        _pages(),
        3,
        "counted-tree ours",
    ),
    _row(
        "B48",
        "a copied first page is taken for the device's (CVE-2024-35877)",
        "6.8",
        "I1",
        "private write exit",
        _pages(),
        3,
        "6.14 7.3",
    ),
    _row(
        "B51",
        "a remap that runs out of memory untracks twice",
        "6.12",
        "I4",
        "map mapfail",
        _pages(),
        1,
        "7.3",
    ),
    _row(
        "wc-registers",
        "a user's WC mapping gives the next driver's registers its type, zap or not",
        "7.3",
        "I7",
        "sysfs claim ioremap",
        Bounds(1, 2, 2, 1, 2, least=2, kernel_types=_ONE_TYPE),
        3,
        "ours",
        FOUND,
    ),
    _row(
        "second-remap",
        "a second full remap of a mapping is refused",
        "7.3",
        "I6",
        "map zapvma remap",
        Bounds(1, 2, 2, 1, 2),
        3,
        "ours",
        FOUND,
    ),
    _row(
        "map-fixed",
        "MAP_FIXED over the same pages keeps the old type",
        "7.3",
        "I7",
        "map over",
        _pages(),
        2,
        "ours ours-at-unmap",
        FOUND,
    ),
    _row(
        "over-retention",
        "pages stay reserved that a partial munmap has unmapped",
        "7.3",
        "tight",
        "map munmap",
        _pages(),
        2,
        "ours ours-at-unmap",
        FOUND,
    ),
)
