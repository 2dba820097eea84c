"""Replay of debugpat lines into the kernel's reservation tree.

With the boot option debugpat every reservation and release is printed. Feeding the
lines through the same tree shows which reservation each release took, where the
log first departs from what the owner meant, and what is left at the end.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from pfntrack.field.read.facts import Fact, hex_range
from pfntrack.pat.cachemode import BY_CATTR, CacheMode
from pfntrack.pat.memtype_interval import (
    Conflict,
    Memtype,
    Tree,
    insert,
    memtype_check_insert,
    memtype_erase,
    overlaps,
)

# The tree is a plain tuple; this keeps a hostile log from costing quadratic time.
MAX_ENTRIES = 2_000


@attrs.frozen(slots=True)
class Step:
    """One replayed line: what the tree did, and what is remarkable about it."""

    line: int
    action: str
    note: str = ""
    wrong_owner: bool = False


@attrs.frozen(slots=True)
class Replay:
    """The outcome: steps, the first step that went wrong, and the entries left at the end."""

    steps: tuple[Step, ...]
    residue: Tree
    first_wrong: Step | None
    missed: tuple[Fact, ...]
    silent_neighbour: tuple[Fact, ...]
    explained_conflicts: int
    complete: bool


def replay(events: Sequence[Fact]) -> Replay | None:
    """Replay the events of a log; None when it holds no debugpat lines."""
    if not any(event.kind in ("debug_added", "debug_free") for event in events):
        return None
    tree: Tree = ()
    steps: list[Step] = []
    missed: list[Fact] = []
    neighbours: list[Fact] = []
    explained = 0
    complete = True
    # 6.16 dropped the end match; a release that only it explains shows which rule is in force.
    for event in events:
        if not event.has_range or len(tree) > MAX_ENTRIES:
            complete = False
            continue
        start, end = event.span
        if start >= end:
            continue
        if event.kind == "debug_added":
            step, tree, silent = _added(tree, event)
            steps.append(step)
            if silent:
                neighbours.append(event)
        elif event.kind == "debug_free":
            step, tree, known = _freed(tree, event)
            steps.append(step)
            complete = complete and known
        elif event.kind == "free_invalid":
            missed.append(event)
            steps.append(_missed(tree, event))
        elif event.kind == "conflict":
            mode = BY_CATTR.get(event.text_of("type_a"), CacheMode.UC_MINUS)
            result = memtype_check_insert(tree, start, end, mode, has_ret=True)
            same = isinstance(result, Conflict) and (result.found.cattr, result.other.cattr) == (
                event.text_of("type_a"),
                event.text_of("type_b"),
            )
            explained += same
            steps.append(
                Step(
                    event.line,
                    f"conflict for {hex_range(start, end)}",
                    "follows from the entries in the log" if same else "needs entries from before",
                )
            )
    wrong = next((step for step in steps if step.wrong_owner), None)
    return Replay(tuple(steps), tree, wrong, tuple(missed), tuple(neighbours), explained, complete)


def _added(tree: Tree, event: Fact) -> tuple[Step, Tree, bool]:
    start, end = event.span
    got = BY_CATTR.get(event.text_of("type"), CacheMode.UC_MINUS)
    asked = BY_CATTR.get(event.text_of("req"), got)
    hits = overlaps(tree, start, end)
    beside = [e for e in overlaps(tree, start, end, closed=True) if e not in hits and e.type is got]
    # WB is turned into UC- by an MTRR hint, so only other requests can be judged.
    silent = asked is not got and asked is not CacheMode.WB and not hits and bool(beside)
    note = ""
    if silent:
        note = f"asked {asked.cattr}, got the type of a neighbour that does not overlap"
    elif asked is not got and hits:
        note = f"asked {asked.cattr}, silently given {got.cattr} of an overlapping entry"
    step = Step(event.line, f"reserve {hex_range(start, end)} {got.cattr}", note)
    return step, insert(tree, Memtype(start, end, got)), silent


def _freed(tree: Tree, event: Fact) -> tuple[Step, Tree, bool]:
    start, end = event.span
    action = f"release {hex_range(start, end)}"
    result = memtype_erase(tree, start, end, end_match=True)
    if result is None:
        return Step(event.line, action, "reserved before the log begins"), tree, False
    if result.shrunk is None:
        return Step(event.line, action, "exact match"), result.tree, True
    note = f"cut off the end of {hex_range(result.entry.start, result.entry.end)}"
    # A piece of another entry was meant if one contains the range without ending there,
    # or if the released range is all that is left of it.
    others = [
        e
        for e in overlaps(tree, start, end)
        if e is not result.entry and e.start <= start and e.end >= end
    ]
    if others:
        note += f", but {hex_range(others[0].start, others[0].end)} covers the range as well"
    return Step(event.line, action, note, bool(others)), result.tree, True


def _missed(tree: Tree, event: Fact) -> Step:
    start, end = event.span
    action = f"release {hex_range(start, end)} found nothing"
    hits = overlaps(tree, start, end)
    if not hits:
        return Step(event.line, action, "no entry overlaps the range")
    names = ", ".join(hex_range(e.start, e.end) for e in hits[:4])
    return Step(event.line, action, f"the entries there are {names}")
