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
    best = tuple(steps)
    left = tries
    while True:
        before = best
        for simpler in (_without, _smaller):
            best, left = _pass(best, fails, simpler, left)
        if best == before or left <= 0:
            return best


def _pass(
    best: Steps, fails: Fails, simpler: Callable[[Steps], Iterator[Steps]], left: int
) -> tuple[Steps, int]:
    progress = True
    while progress and left > 0:
        progress = False
        for candidate in simpler(best):
            if left <= 0:
                break
            left -= 1
            if (at := fails(candidate)) is not None:
                best, progress = candidate[:at], True
                break
    return best, left


def _without(steps: Steps) -> Iterator[Steps]:
    """Programs that lack a part, large parts first, late ones first."""
    size = len(steps) // 2
    while size:
        for end in range(len(steps), 0, -size):
            yield steps[: max(end - size, 0)] + steps[end:]
        size //= 2
    for number, op in enumerate(steps):
        # A failure goes together with what disarms it.
        if isinstance(op, ops.Fail):
            rest = [n for n, each in enumerate(steps) if n > number and each == ops.Unfail(op.p)]
            if rest:
                gone = {number, rest[0]}
                yield tuple(each for n, each in enumerate(steps) if n not in gone)


def _smaller(steps: Steps) -> Iterator[Steps]:
    """Programs of which one operation is simpler."""
    for number, op in enumerate(steps):
        for simpler in _simpler(op):
            yield (*steps[:number], simpler, *steps[number + 1 :])


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
