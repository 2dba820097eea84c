"""One schedule as rows: who did what, what was held then, and what broke."""

from __future__ import annotations

import attrs

from pfntrack.check.judged.properties import Violation
from pfntrack.check.race.moments import judge_moment, judge_part
from pfntrack.mm.ops import Result
from pfntrack.pat.events import Added, Event, Freed, Overlap
from pfntrack.releases.kernel import Kernel
from pfntrack.releases.together import Moment, Part
from pfntrack.releases.world import Course

# Only `debugpat` prints these.
_DEBUG = (Added, Freed, Overlap)


@attrs.frozen
class Row:
    """One part of a call: `call` is 0 for the left one and 1 for the right one.

    `held` are the locks of both calls behind it, as pairs of call and words; `stale`
    says that some CPU may still use what was cleared; `result` is set where the call returned.
    """

    call: int
    function: str
    what: str
    held: tuple[tuple[int, str], ...]
    stale: bool
    log: tuple[str, ...]
    broken: tuple[Violation, ...]
    result: Result | None


def rows(kernel: Kernel, course: Course) -> list[Row]:
    """The rows of a course; what broke is told once, where it broke first."""
    known: set[Violation] = set()
    found = []
    for before, part, after in zip(course.moments, course.parts, course.moments[1:], strict=False):
        broken = [*judge_part(kernel, before, part, after), *judge_moment(kernel, after)]
        fresh = tuple(each for each in dict.fromkeys(broken) if each not in known)
        known.update(fresh)
        found.append(_row(part, after, fresh))
    return found


def _row(part: Part, after: Moment, fresh: tuple[Violation, ...]) -> Row:
    held = {(each.call, str(each)) for each in after.held}
    return Row(
        part.call,
        part.pause.function,
        part.pause.what,
        tuple(sorted(held)),
        bool(after.stale),
        tuple(text for event in part.events if (text := _line(event))),
        fresh,
        part.result,
    )


def _line(event: Event) -> str:
    return "" if isinstance(event, _DEBUG) else event.text() or ""
