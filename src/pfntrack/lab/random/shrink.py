"""The shortest program that still shows a difference.

Operations are dropped in ever smaller chunks, then ranges are made smaller;
a candidate counts if the model finds it legal and kernel and model still
disagree about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs

from pfntrack.mm import ops
from pfntrack.mm.ops import Op

Fails = Callable[[Sequence[Op]], int | None]
"""After how many steps a program first shows a difference, None if it does not."""
Steps = tuple[Op, ...]


def shrink(steps: Sequence[Op], fails: Fails, *, tries: int = 250) -> Steps:
    """The shortest program found in so many tries."""
    hunt = _Hunt(tuple(steps), fails, tries)
    while hunt.left:
        before = hunt.best
        hunt.drop()
        hunt.disarm()
        hunt.simplify()
        if hunt.best == before:
            break
    return hunt.best


@attrs.define(slots=True)
class _Hunt:
    """The shortest program so far, and how many more may be tried."""

    best: Steps
    fails: Fails
    left: int

    def _shows(self, candidate: Steps) -> bool:
        if not self.left:
            return False
        self.left -= 1
        at = self.fails(candidate)
        if at is not None:
            self.best = candidate[:at]
        return at is not None

    def drop(self) -> None:
        """Without parts, large ones first, late ones first."""
        size = max(len(self.best) // 2, 1)
        while size:
            end = len(self.best)
            while end > 0:
                start = max(end - size, 0)
                self._shows(self.best[:start] + self.best[end:])
                end = min(start, len(self.best))
            size //= 2

    def disarm(self) -> None:
        """A failure goes together with what disarms it."""
        for number in reversed(range(len(self.best))):
            op = self.best[number] if number < len(self.best) else None
            if isinstance(op, ops.Fail):
                after = range(number + 1, len(self.best))
                gone = {number, *(n for n in after if self.best[n] == ops.Unfail(op.p))}
                self._shows(tuple(each for n, each in enumerate(self.best) if n not in gone))

    def simplify(self) -> None:
        """With operations of fewer pages and nearer places."""
        number = len(self.best) - 1
        while number >= 0:
            tail = self.best[number + 1 :]
            smaller = (
                self._shows((*self.best[:number], simpler, *tail))
                for simpler in _simpler(self.best[number])
            )
            if not any(smaller):
                number -= 1
            number = min(number, len(self.best) - 1)


_LEAST = {"pages": 1, "old": 1, "new": 1}


def _simpler(op: Op) -> Iterator[Op]:
    for name in ("off", "at", "to", "pages", "old", "new", "first"):
        value, least = getattr(op, name, None), _LEAST.get(name, 0)
        if isinstance(value, int) and value > least:
            for smaller in sorted({least, value // 2, value - 1}):
                if least <= smaller < value:
                    yield attrs.evolve(op, **{name: smaller})
    if isinstance(op, ops.Open) and op.target == "driver" and op.mode != "remap":
        yield attrs.evolve(op, mode="remap")
    if isinstance(op, ops.Mmap) and not op.shared:
        yield attrs.evolve(op, shared=True)
    if isinstance(op, ops.Mmap) and op.prot != "rw":
        yield attrs.evolve(op, prot="rw")
