"""Which function of the model performs an operation of one process.

A call that takes the fields of its operation in their order, and returns 0 or a negative
errno, says so where it is defined: `@performs(ops.Mseal)`. What needs more is written out
in `releases/calls.py`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import attrs

from pfntrack.mm.ops import Op, Result
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import File

LocalCall = Callable[[Step, Mm, Any, File | None], Result]
Call = Callable[..., int]

PERFORMED: dict[type[Op], LocalCall] = {}


def errno_result(error: int) -> Result:
    """The result of a call that returns 0 or a negative errno."""
    if not error:
        return Result()
    # Python prefers the other name of this one.
    name = "EOPNOTSUPP" if -error == errno.EOPNOTSUPP else errno.errorcode[-error]
    return Result(-1, name)


def performs(kind: type[Op]) -> Callable[[Call], Call]:
    """The decorated call performs operations of this kind: flags by name, the rest in order."""
    fields = [field for field in attrs.fields(kind) if field.name != "p"]
    plain = [field.name for field in fields if not isinstance(field.default, bool)]
    flags = [field.name for field in fields if isinstance(field.default, bool)]

    def declare(function: Call) -> Call:
        def perform(step: Step, mm: Mm, op: Any, _file: File | None) -> Result:
            named = {name: getattr(op, name) for name in flags}
            return errno_result(function(step, mm, *(getattr(op, n) for n in plain), **named))

        PERFORMED[kind] = perform
        return function

    return declare
