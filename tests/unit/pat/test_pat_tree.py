"""The reservation tree: order, the conflict rule, both erase rules, and the boundaries."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfntrack.pat import CacheMode, Memtype, Tree, memtype_check_insert, memtype_erase
from pfntrack.pat.memtype_interval import (
    Conflict,
    Erased,
    Inserted,
    insert,
    memtype_lookup,
    overlaps,
)

WB, WC, UCM, UC, WT, WP = CacheMode
PAGE = 4096


def entry(start: int, end: int, kind: CacheMode = UCM) -> Memtype:
    """An entry of pages `[start, end)`."""
    return Memtype(start * PAGE, end * PAGE, kind)


def tree_of(*entries: Memtype) -> Tree:
    """A tree into which `entries` went one after the other."""
    tree: Tree = ()
    for each in entries:
        tree = insert(tree, each)
    return tree


def check_insert(
    tree: Tree, start: int, end: int, kind: CacheMode, *, has_ret: bool = True, closed: bool = False
) -> Inserted | Conflict:
    """The function under test, in pages."""
    return memtype_check_insert(
        tree, start * PAGE, end * PAGE, kind, has_ret=has_ret, closed=closed
    )


def erase(tree: Tree, start: int, end: int, *, end_match: bool) -> Erased | None:
    """The function under test, in pages."""
    return memtype_erase(tree, start * PAGE, end * PAGE, end_match=end_match)


def test_order_is_by_start() -> None:
    """Entries are listed by ascending start, whatever their end."""
    tree = tree_of(entry(4, 8), entry(0, 9), entry(2, 3))
    assert (entry(0, 9), entry(2, 3), entry(4, 8)) == tree


def test_equal_starts_keep_the_order_of_insertion() -> None:
    """A newcomer goes behind its equals, longer or shorter."""
    tree = tree_of(entry(0, 4), entry(0, 2), entry(0, 8), entry(0, 2))
    assert (entry(0, 4), entry(0, 2), entry(0, 8), entry(0, 2)) == tree


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 2, []),
        (1, 3, [(2, 4)]),
        (2, 4, [(2, 4)]),
        (3, 5, [(2, 4), (4, 6)]),
        (4, 6, [(4, 6)]),
        (6, 9, []),
        (0, 9, [(2, 4), (4, 6)]),
    ],
)
def test_overlaps_are_half_open(start: int, end: int, expected: list[tuple[int, int]]) -> None:
    """Neighbours that only touch do not overlap."""
    tree = tree_of(entry(2, 4), entry(4, 6))
    found = overlaps(tree, start * PAGE, end * PAGE)
    assert [entry(*each) for each in expected] == found


def test_overlaps_count_bytes_not_pages() -> None:
    """One common byte is an overlap, none is not."""
    tree = (Memtype(0x1000, 0x1801, UCM),)
    assert [tree[0]] == overlaps(tree, 0x1800, 0x2000)
    assert [] == overlaps(tree, 0x1801, 0x2000)


def test_insert_into_free_space_keeps_the_type() -> None:
    """Without neighbours the actual type goes in and nothing was met."""
    assert Inserted((entry(0, 4, WC),), entry(0, 4, WC), None) == check_insert((), 0, 4, WC)


def test_first_overlap_dictates_the_type() -> None:
    """With a return pointer the newcomer silently takes the type it meets."""
    tree = tree_of(entry(0, 4, UCM))
    found = check_insert(tree, 2, 6, WC)
    assert Inserted((entry(0, 4, UCM), entry(2, 6, UCM)), entry(2, 6, UCM), entry(0, 4)) == found


def test_dictated_type_covers_the_whole_newcomer() -> None:
    """Also the part that overlaps nothing gets the type that was met (S20b)."""
    found = check_insert(tree_of(entry(0, 2, WC)), 1, 4, UCM)
    assert isinstance(found, Inserted)
    assert entry(1, 4, WC) == found.entry


def test_first_means_lowest_start_and_oldest() -> None:
    """Of several overlaps of one type the first in tree order is reported."""
    tree = tree_of(entry(1, 3, WC), entry(0, 2, WC), entry(0, 3, WC))
    found = check_insert(tree, 0, 4, WC)
    assert entry(0, 2, WC) == found.overlap


def test_two_types_among_the_overlaps_conflict() -> None:
    """The request's type is irrelevant: the two neighbours disagree."""
    tree = tree_of(entry(0, 2, UCM), entry(2, 4, WC))
    for kind in CacheMode:
        assert Conflict(UCM, WC, entry(0, 2)) == check_insert(tree, 0, 4, kind)


def test_conflict_names_the_first_type_that_differs() -> None:
    """Overlaps equal to the first are passed over."""
    tree = tree_of(entry(0, 1, WC), entry(1, 2, WC), entry(2, 3, WT), entry(3, 4, UCM))
    assert Conflict(WC, WT, entry(0, 1, WC)) == check_insert(tree, 0, 4, UC)


@pytest.mark.parametrize("kind", CacheMode)
def test_without_return_pointer_any_difference_conflicts(kind: CacheMode) -> None:
    """set_memory_* on I/O memory accepts its own type only."""
    tree = tree_of(entry(0, 4, UCM))
    found = check_insert(tree, 0, 4, kind, has_ret=False)
    if kind is UCM:
        assert isinstance(found, Inserted)
    else:
        assert Conflict(kind, UCM, entry(0, 4)) == found


def test_closed_intervals_make_neighbours_overlap() -> None:
    """The mistake of the 5.5 merge window: WC below UC- becomes UC- (B20)."""
    tree = tree_of(entry(1, 2, UCM))
    right, wrong = check_insert(tree, 0, 1, WC), check_insert(tree, 0, 1, WC, closed=True)
    assert isinstance(right, Inserted)
    assert isinstance(wrong, Inserted)
    assert (WC, UCM) == (right.entry.type, wrong.entry.type)
    assert (None, entry(1, 2)) == (right.overlap, wrong.overlap)


def test_closed_intervals_reach_one_byte_and_no_further() -> None:
    """With a gap of one page even the mistake finds nothing."""
    found = check_insert(tree_of(entry(2, 3, UCM)), 0, 1, WC, closed=True)
    assert None is found.overlap


@pytest.mark.parametrize("end_match", [False, True])
def test_exact_match_removes_the_entry(end_match: bool) -> None:
    """The entry with both ends equal goes, and only one of several."""
    tree = tree_of(entry(0, 4), entry(0, 4), entry(1, 4))
    found = erase(tree, 0, 4, end_match=end_match)
    assert Erased((entry(0, 4), entry(1, 4)), entry(0, 4), None) == found


def test_exact_match_comes_before_end_match() -> None:
    """An entry that could be shrunk is left alone if another fits exactly."""
    tree = tree_of(entry(0, 4), entry(2, 4))
    assert Erased((entry(0, 4),), entry(2, 4), None) == erase(tree, 2, 4, end_match=True)


def test_exact_match_takes_the_oldest_of_equal_range() -> None:
    """Types are not compared: the first with these ends goes."""
    tree = tree_of(entry(0, 4, WC), entry(0, 4, UCM))
    found = erase(tree, 0, 4, end_match=False)
    assert found is not None
    assert entry(0, 4, WC) == found.entry


def test_end_match_shrinks() -> None:
    """Releasing a tail cuts the entry to what lies before."""
    tree = tree_of(entry(0, 4, WC))
    assert Erased((entry(0, 3, WC),), entry(0, 4, WC), entry(0, 3, WC)) == erase(
        tree, 3, 4, end_match=True
    )


def test_without_end_match_a_tail_is_not_found() -> None:
    """From 6.16 only exact ranges can be released."""
    assert None is erase(tree_of(entry(0, 4)), 3, 4, end_match=False)


@pytest.mark.parametrize(("start", "end"), [(0, 1), (1, 2), (0, 3), (0, 5), (3, 5), (4, 5)])
@pytest.mark.parametrize("end_match", [False, True])
def test_heads_middles_and_supersets_never_match(start: int, end: int, end_match: bool) -> None:
    """Only a common end helps, and only if the entry begins earlier."""
    assert None is erase(tree_of(entry(0, 4)), start, end, end_match=end_match)


def test_end_match_does_not_grow_backwards() -> None:
    """An entry that begins later than the released range is no match."""
    assert None is erase(tree_of(entry(2, 4)), 1, 4, end_match=True)


def test_end_match_takes_the_lowest_start_whoever_owns_it() -> None:
    """Somebody else's longer entry is shrunk before the releaser's own (H6)."""
    tree = tree_of(entry(0, 4), entry(1, 4))
    found = erase(tree, 3, 4, end_match=True)
    assert found is not None
    assert (entry(0, 3), entry(1, 4)) == found.tree


def test_shrunk_entry_goes_behind_its_equals() -> None:
    """Removal and re-insertion changes the order among equal starts."""
    tree = tree_of(entry(0, 4, WC), entry(0, 3, WC), entry(0, 2, WC))
    found = erase(tree, 3, 4, end_match=True)
    assert found is not None
    assert [(0, 3), (0, 2), (0, 3)] == [(e.start // PAGE, e.end // PAGE) for e in found.tree]
    assert entry(0, 3, WC) == found.shrunk
    marked = tree_of(entry(0, 4, WC), entry(0, 2, UCM))
    found = erase(marked, 3, 4, end_match=True)
    assert found is not None
    assert (entry(0, 2, UCM), entry(0, 3, WC)) == found.tree


def test_lookup_finds_the_first_overlap_of_the_page() -> None:
    """One page is asked for; entries that end or begin at its edges do not count."""
    tree = tree_of(entry(0, 2, UCM), entry(2, 4, WC), entry(2, 3, WC))
    assert entry(0, 2) == memtype_lookup(tree, PAGE)
    assert entry(2, 4, WC) == memtype_lookup(tree, 2 * PAGE)
    assert None is memtype_lookup(tree, 4 * PAGE)


def test_functions_leave_the_given_tree_alone() -> None:
    """A tree is a value: every function returns a new one."""
    tree = tree_of(entry(0, 4), entry(2, 6))
    copy = tuple(attrs.evolve(each) for each in tree)
    check_insert(tree, 1, 3, WC)
    erase(tree, 0, 4, end_match=True)
    erase(tree, 5, 6, end_match=True)
    assert copy == tree


# An independent implementation: a bag of entries with serial numbers, and sets of pages.


class Bag:
    """The tree as its documentation tells it, by brute force."""

    def __init__(self, *, end_match: bool) -> None:
        self.end_match = end_match
        self.serial = 0
        self.held: list[tuple[int, int, int, CacheMode]] = []

    def listing(self) -> list[tuple[int, int, CacheMode]]:
        """Entries by start, then by age."""
        ordered = sorted(self.held, key=lambda each: (each[0], each[1]))
        return [(start, end, kind) for start, _, end, kind in ordered]

    def hits(self, start: int, end: int) -> list[tuple[int, int, CacheMode]]:
        """Entries with a page in common."""
        wanted = set(range(start, end))
        return [each for each in self.listing() if wanted & set(range(each[0], each[1]))]

    def add(self, start: int, end: int, kind: CacheMode) -> None:
        """Put an entry in, the youngest of all."""
        self.serial += 1
        self.held.append((start, self.serial, end, kind))

    def reserve(self, start: int, end: int, kind: CacheMode, has_ret: bool) -> CacheMode | None:
        """The type granted, or None on conflict."""
        met = {each[2] for each in self.hits(start, end)}
        if not has_ret:
            met |= {kind}
        if len(met) > 1:
            return None
        granted = met.pop() if met else kind
        self.add(start, end, granted)
        return granted

    def release(self, start: int, end: int) -> bool:
        """Take out an entry of exactly this range, or cut one that ends with it."""
        ordered = sorted(self.held, key=lambda each: (each[0], each[1]))
        for each in ordered:
            if (each[0], each[2]) == (start, end):
                self.held.remove(each)
                return True
        for each in ordered if self.end_match else []:
            if each[2] == end and each[0] < start:
                self.held.remove(each)
                self.add(each[0], start, each[3])
                return True
        return False


ranges = st.tuples(st.integers(0, 9), st.integers(1, 5)).map(lambda r: (r[0], r[0] + r[1]))
few_modes = st.sampled_from([UCM, WC, WB])
steps = st.one_of(
    st.tuples(st.just("reserve"), ranges, few_modes, st.booleans()),
    st.tuples(st.just("release"), ranges, few_modes, st.booleans()),
)


@given(st.booleans(), st.lists(steps, max_size=30))
def test_tree_against_brute_force(
    end_match: bool, program: list[tuple[str, tuple[int, int], CacheMode, bool]]
) -> None:
    """Any sequence of reservations and releases has the results of the plain list."""
    tree: Tree = ()
    bag = Bag(end_match=end_match)
    for what, (start, end), kind, has_ret in program:
        if what == "reserve":
            done = check_insert(tree, start, end, kind, has_ret=has_ret)
            expected = bag.reserve(start, end, kind, has_ret)
            granted = done.entry.type if isinstance(done, Inserted) else None
            assert expected == granted
            tree = done.tree if isinstance(done, Inserted) else tree
        else:
            erased = erase(tree, start, end, end_match=end_match)
            assert bag.release(start, end) == (erased is not None)
            tree = erased.tree if erased is not None else tree
        assert bag.listing() == [(e.start // PAGE, e.end // PAGE, e.type) for e in tree]
    for page in range(16):
        first = next(iter(bag.hits(page, page + 1)), None)
        found = memtype_lookup(tree, page * PAGE)
        assert (first and first[2]) == (found and found.type)


@given(st.lists(st.tuples(ranges, few_modes), min_size=1, max_size=12), st.randoms())
def test_exact_releases_in_any_order_leave_nothing(
    wanted: list[tuple[tuple[int, int], CacheMode]], shuffle: object
) -> None:
    """Whoever releases exactly what he reserved leaves an empty tree, in every design."""
    tree: Tree = ()
    held = []
    for (start, end), kind in wanted:
        done = check_insert(tree, start, end, kind)
        if isinstance(done, Inserted):
            tree = done.tree
            held.append((start, end))
    assert held
    shuffle.shuffle(held)  # type: ignore[attr-defined]
    for start, end in held:
        found = erase(tree, start, end, end_match=True)
        assert found is not None
        assert None is found.shrunk
        tree = found.tree
    assert () == tree
