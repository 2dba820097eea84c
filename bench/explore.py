"""The searches of the checker against each other: counts first, then times.

Every row is one release within one set of bounds. The searches must agree on
states, transitions and verdicts before any time is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

from pfntrack.check import plain, search
from pfntrack.check.bounds import Bounds
from pfntrack.check.report import Found
from pfntrack.check.setting import Setting
from pfntrack.releases import RELEASES

PROPERTIES = frozenset({"I1", "I2", "I3", "I4", "I5"})
CASES = (
    ("6.12", Bounds(1, 2, 2, 2, 2)),
    ("7.3", Bounds(1, 2, 2, 2, 2)),
    ("6.12", Bounds(2, 2, 1, 2, 2)),
    ("7.3", Bounds(2, 2, 1, 2, 2)),
)


@attrs.frozen
class Timed:
    """What a search found, and how long it took in seconds."""

    found: Found
    seconds: float

    def row(self, name: str) -> str:
        found = self.found
        each = found.transitions / self.seconds
        return (
            f"  {name:<18} {found.evaluations:>10,} evaluations "
            f"{self.seconds:>8.2f} s {each:>12,.0f} transitions/s"
        )


def timed(search_with: Callable[..., Found], setting: Setting) -> Timed:
    """Run one search."""
    began = time.perf_counter()
    found = search_with(setting, PROPERTIES)
    return Timed(found, time.perf_counter() - began)


def main() -> int:
    """Compare; 1 if two searches disagree."""
    for release, bounds in CASES:
        whole = timed(plain.explore, Setting(RELEASES[release], bounds))
        tables = timed(search.explore, Setting(RELEASES[release], bounds))
        found = whole.found
        print(f"{release} within {bounds}:")
        if attrs.evolve(tables.found, evaluations=0) != attrs.evolve(found, evaluations=0):
            print("  the searches disagree; no times are shown")
            return 1
        broken = ", ".join(f"{name} after {n}" for name, n in found.verdicts.items())
        print(f"  {found.states:,} states, {found.transitions:,} transitions, agreed")
        print(f"  broken: {broken or 'nothing'}")
        print(whole.row("whole worlds"))
        print(tables.row("tables"))
        ratio = found.evaluations / tables.found.evaluations
        print(f"  {ratio:.1f} times fewer evaluations, {whole.seconds / tables.seconds:.1f} faster")
    return 0
