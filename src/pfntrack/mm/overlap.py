"""Two operations at the same time, as one step of a program."""

from __future__ import annotations

import attrs

from pfntrack.mm.ops import Op


@attrs.frozen
class Overlap(Op):
    """Two operations at the same time.

    `schedule` says who goes on for how many parts: pairs of 0 (left) or 1 (right) and a
    number, 0 for "until it returns". Behind its end, the left one is finished first.
    """

    left: Op
    right: Op
    schedule: tuple[tuple[int, int], ...] = ()
