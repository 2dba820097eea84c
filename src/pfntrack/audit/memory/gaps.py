"""What could not be read: counted per group, so that no answer rests on a hole."""

from __future__ import annotations

from collections import Counter
from types import TracebackType

from drgn import BadDataError, FaultError

from pfntrack.field.read.lines import printable

# Missing pages, missing symbols and members, and values that make no sense
# once some of what they rest on is missing.
UNREADABLE = (FaultError, LookupError, AttributeError, ValueError, OverflowError, BadDataError)
_SHOWN = 3


class Attempt:
    """Swallows the errors of unreadable memory and notes them; all others pass."""

    def __init__(self, gaps: Gaps, group: str, what: str) -> None:
        self._gaps, self._group, self._what = gaps, group, what

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, UNREADABLE):
            return False
        self._gaps.add(self._group, f"{self._what}: {printable(str(error).split(chr(10), 1)[0])}")
        return True


class Gaps:
    """Holes by group of the state: the first few in words, all of them counted."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._texts: dict[str, list[str]] = {}

    def trying(self, group: str, what: str) -> Attempt:
        """A context for a piece of reading; what it cannot reach is a gap of `group`."""
        return Attempt(self, group, what)

    def add(self, group: str, text: str) -> None:
        """Note a gap."""
        self._counts[group] += 1
        texts = self._texts.setdefault(group, [])
        if len(texts) < _SHOWN:
            texts.append(text)

    def __contains__(self, group: str) -> bool:
        return group in self._counts

    def groups(self) -> frozenset[str]:
        """The groups that have a gap."""
        return frozenset(self._counts)

    def lines(self) -> list[str]:
        """One line per gap that is kept in words, and how many more there are."""
        found = []
        for group, texts in self._texts.items():
            found += [f"{group}: {text}" for text in texts]
            more = self._counts[group] - len(texts)
            if more:
                found.append(f"{group}: {more} more")
        return found
