"""Whether every entry of a kernel with contexts can have a VMA of its own.

Text files show neither contexts nor which entry a VMA belongs to: any entry that
contains its range may be the one. An entry is without holder only if no way of
dealing out the VMAs gives it one. Starting from a guess, a VMA is moved to an
entry that lacks one along a chain of entries, each of which takes another in its
stead, until one had more than it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pfntrack.audit.read.users import User
from pfntrack.pat.intervals import Intervals, Range

# A VMA or a reservation with more counterparts than this is described by the first ones.
MAX_PARTNERS = 32


class Sharing:
    """Entries by range, and the VMAs that are guessed to belong to each; changed in place."""

    def __init__(
        self,
        entries: Mapping[Range, Sequence[int]],
        dealt: dict[Range, list[User]],
        people: Sequence[User],
    ) -> None:
        self._entries = entries
        self._dealt = dealt
        self._people = [u for u in people if u.phys is not None and u.tracked is not False]
        self._index = Intervals([user.phys for user in self._people if user.phys is not None])
        self._of = {id(user): span for span, users in dealt.items() for user in users}

    def inside(self, span: Range) -> list[User]:
        """The first VMAs whose range lies in the entry."""
        found = []
        for at in self._index.overlapping(*span):
            start, end = self._people[at].phys or span
            if span[0] <= start and end <= span[1]:
                found.append(self._people[at])
            if len(found) >= MAX_PARTNERS:
                break
        return found

    def settle(self, span: Range) -> bool:
        """Find a VMA for each entry of a range that lacks one; false if that cannot be done."""
        while len(self._dealt.get(span, ())) < len(self._entries[span]):
            if not self._move_one_to(span):
                return False
        return True

    def _move_one_to(self, wanting: Range) -> bool:
        came: dict[Range, tuple[Range, User]] = {}
        queue = [wanting]
        for span in queue:
            for user in self.inside(span):
                giver = self._of.get(id(user))
                if giver is None or giver == wanting or giver in came:
                    continue
                came[giver] = span, user
                if len(self._dealt[giver]) > len(self._entries[giver]):
                    self._follow(giver, came, wanting)
                    return True
                queue.append(giver)
        return False

    def _follow(self, giver: Range, came: dict[Range, tuple[Range, User]], wanting: Range) -> None:
        while giver != wanting:
            taker, user = came[giver]
            self._dealt[giver] = [each for each in self._dealt[giver] if each is not user]
            self._dealt.setdefault(taker, []).append(user)
            self._of[id(user)] = taker
            giver = taker
