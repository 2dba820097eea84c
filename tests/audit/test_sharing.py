"""Dealing VMAs out to entries: held against all ways of doing it."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pfntrack.audit.judged.sharing import Sharing
from pfntrack.audit.read.users import User
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.intervals import Range
from pfntrack.state import VmaState

_range = st.tuples(st.integers(0, 4), st.integers(1, 4)).map(lambda pair: (pair[0], sum(pair)))


def _user(number: int, phys: Range) -> User:
    vma = VmaState(
        number * 16, number * 16 + phys[1] - phys[0], "rw-s", "", phys[0], "mem", False, None,
        CacheMode.UC_MINUS, ()
    )  # fmt: skip
    return User(1, "A", vma, "devmem", phys, None, None)


def _fits(user: User, span: Range) -> bool:
    return user.phys is not None and span[0] <= user.phys[0] and user.phys[1] <= span[1]


def _most(rows: list[Range], people: list[User]) -> int:
    """By trying all: how many entries can have a VMA of their own."""
    best = 0
    for count in range(min(len(rows), len(people)), 0, -1):
        for some in itertools.combinations(range(len(rows)), count):
            for dealt in itertools.permutations(people, count):
                if all(_fits(user, rows[at]) for at, user in zip(some, dealt, strict=True)):
                    return count
    return best


@given(
    st.lists(_range, min_size=1, max_size=5),
    st.lists(_range, max_size=5),
    st.lists(st.integers(0, 9), min_size=5, max_size=5),
)
def test_as_many_entries_are_held_as_can_be(
    rows: list[Range], where: list[Range], guesses: list[int]
) -> None:
    """From any guess: what stays without a VMA is what must, and nothing is dealt twice."""
    people = [_user(number, phys) for number, phys in enumerate(where)]
    entries: dict[Range, list[int]] = {}
    for at, row in enumerate(rows):
        entries.setdefault(row, []).append(at)
    dealt: dict[Range, list[User]] = {}
    for user, guess in zip(people, guesses, strict=False):
        fitting = [span for span in entries if _fits(user, span)]
        if fitting:
            dealt.setdefault(fitting[guess % len(fitting)], []).append(user)
    sharing = Sharing(entries, dealt, people)
    settled = [sharing.settle(span) for span in entries]
    held = sum(min(len(dealt.get(span, ())), len(ats)) for span, ats in entries.items())
    assert held == _most(rows, people)
    assert all(settled) == (held == len(rows))
    given = [id(user) for users in dealt.values() for user in users]
    assert len(given) == len(set(given))
    assert all(_fits(user, span) for span, users in dealt.items() for user in users)
