"""Does a prediction agree with a kernel?

The prediction is a function from a program to a trace; whoever has a model
supplies it.  Nothing here knows what a model is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs

from pfntrack.lab.compare import FIELDS, Difference, differences
from pfntrack.lab.kernels import Kernel
from pfntrack.lab.record import Outcome, Program, Trace, record

Predict = Callable[[Program, str], Trace]
"""The trace a model expects of a program on a kernel series."""


@attrs.frozen(slots=True)
class Verdict:
    """How one program came out."""

    program: str
    series: str
    differences: tuple[Difference, ...]
    error: str = ""

    @property
    def agrees(self) -> bool:
        """True if the kernel did what was predicted."""
        return not self.differences and not self.error

    @property
    def first(self) -> str:
        """The first thing to look at, empty if all agrees."""
        if self.error:
            return self.error
        return str(self.differences[0]) if self.differences else ""


def judge(
    outcome: Outcome, predict: Predict, series: str, fields: tuple[str, ...] = FIELDS
) -> Verdict:
    """Compare one outcome with its prediction."""
    name = str(outcome.program["name"])
    if outcome.trace is None:
        return Verdict(name, series, (), outcome.error)
    expected = predict(outcome.program, series)
    found = tuple(differences(expected, outcome.trace, fields=fields))
    return Verdict(name, series, found)


def conform(
    kernel: Kernel,
    programs: Sequence[Program],
    predict: Predict,
    *,
    fields: tuple[str, ...] = FIELDS,
    jobs: int = 1,
) -> Iterator[Verdict]:
    """Play programs on a kernel and compare each with its prediction.

    Raises GuestError: the kernel cannot be prepared or does not boot.
    """
    for outcome in record(kernel, programs, jobs=jobs):
        yield judge(outcome, predict, kernel.series, fields)
