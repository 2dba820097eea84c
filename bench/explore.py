"""The searches of the checker against each other: counts first, then times.

Every row is one release within one set of bounds. The searches must agree on
states, transitions and verdicts before any time is shown. The last rows are
too large for whole worlds.
"""

from __future__ import annotations

from pfntrack.check.report import Cost, Found
from pfntrack.check.search import plain
from pfntrack.check.search.bounds import Bounds
from pfntrack.check.search.explore import explore
from pfntrack.check.search.setting import Setting
from pfntrack.releases import RELEASES

PROPERTIES = frozenset({"I1", "I2", "I3", "I4", "I5"})
BOTH = (
    ("6.12", Bounds(1, 2, 2, 2, 2)),
    ("7.3", Bounds(1, 2, 2, 2, 2)),
    ("6.12", Bounds(2, 2, 1, 2, 2)),
    ("7.3", Bounds(2, 2, 1, 2, 2)),
)
TABLES_ONLY = (("7.3", Bounds(2, 2, 2, 2, 2)), ("6.12", Bounds(2, 2, 2, 2, 2)))


def cost(found: Found) -> Cost:
    """What a search took."""
    return found.cost or Cost(0)


def row(name: str, found: Found) -> str:
    """One search in one line."""
    took = cost(found)
    each = found.transitions / took.seconds
    return (
        f"  {name:<18} {took.evaluations:>10,} evaluations "
        f"{took.seconds:>8.2f} s {each:>12,.0f} transitions/s"
    )


def head(release: str, bounds: Bounds, found: Found) -> str:
    """What was searched and found."""
    broken = ", ".join(f"{name} after {n}" for name, n in found.verdicts.items())
    return (
        f"{release} within {bounds}:\n"
        f"  {found.states:,} states, {found.transitions:,} transitions; "
        f"broken: {broken or 'nothing'}"
    )


def main() -> int:
    """Compare; 1 if two searches disagree."""
    explore(Setting(RELEASES["7.3"], Bounds(1, 1, 1, 1, 1)), PROPERTIES)  # loads the kernel
    for release, bounds in BOTH:
        setting = Setting(RELEASES[release], bounds)
        whole, tables = plain.explore(setting, PROPERTIES), explore(setting, PROPERTIES)
        print(head(release, bounds, whole))
        if whole != tables:
            print("  the searches disagree; no times are shown")
            return 1
        print(row("whole worlds", whole))
        print(row("tables", tables))
        ratio = cost(whole).evaluations / cost(tables).evaluations
        faster = cost(whole).seconds / cost(tables).seconds
        print(f"  {ratio:.1f} times fewer evaluations, {faster:.1f} times faster")
    for release, bounds in TABLES_ONLY:
        setting = Setting(RELEASES[release], bounds)
        one, two = (explore(setting, PROPERTIES, workers=number) for number in (1, 2))
        print(head(release, bounds, one))
        if one != two:
            print("  one worker and two disagree; no times are shown")
            return 1
        print(row("tables, 1 worker", one))
        print(row("tables, 2 workers", two))
        took = cost(one)
        ratio = one.transitions / took.evaluations
        print(
            f"  {ratio:.1f} transitions for each evaluation, "
            f"{took.state_bytes / one.states:.1f} bytes per state, "
            f"tables {took.table_bytes / 2**20:.1f} MiB"
        )
    return 0
