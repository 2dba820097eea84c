"""What one step changed, as short lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import attrs

from pfntrack.state import Entry, State, VmaState


def changes(before: State, after: State) -> list[tuple[str, str]]:
    """(kind, line) pairs: reservations, VMAs, entries, contexts, the kernel's mappings."""
    lines = [("reservations", line) for line in _multiset(_held(before), _held(after))]
    lines += [("RAM types", line) for line in _multiset(_ram(before), _ram(after))]
    old = {process.name: process for process in before.processes}
    new = {process.name: process for process in after.processes}
    for name in sorted(old.keys() | new.keys()):
        was = old[name].vmas if name in old else ()
        now = new[name].vmas if name in new else ()
        lines += [("mappings", f"{name} {line}") for line in _vmas(was, now)]
        lines += [("entries", f"{name} {line}") for line in _entries(was, now)]
    shown = [[f"context {c.id}: {c.place or hex(c.start)}, {c.refs} held" for c in state.contexts]
             for state in (before, after)]  # fmt: skip
    lines += [("contexts", line) for line in _multiset(*shown)]
    kept = [[f"{m.owner}: [{m.start:#x},{m.end:#x}) {m.type}" for m in state.kernel_mappings]
            for state in (before, after)]  # fmt: skip
    lines += [("kernel", line) for line in _multiset(*kept)]
    return lines


def _held(state: State) -> list[str]:
    return [str(reservation) for reservation in state.reservations]


def _ram(state: State) -> list[str]:
    return [f"pfns [{first:#x},{end:#x}) {kind}" for first, end, kind in state.ram_types]


def _multiset(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """Lines that went (`-`) and came (`+`), duplicates counted."""
    old, new = Counter(before), Counter(after)
    gone = [f"- {line}" for line in (old - new).elements()]
    return gone + [f"+ {line}" for line in (new - old).elements()]


def _vmas(before: tuple[VmaState, ...], after: tuple[VmaState, ...]) -> list[str]:
    return _multiset(map(str, before), map(str, after))


def _entries(before: tuple[VmaState, ...], after: tuple[VmaState, ...]) -> list[str]:
    """Changed runs, joined across VMAs so that a split alone shows nothing."""
    return _multiset(_runs(before), _runs(after))


def _runs(vmas: tuple[VmaState, ...]) -> list[str]:
    joined: list[Entry] = []
    for entry in (entry for vma in vmas for entry in vma.entries):
        if joined and _follows(joined[-1], entry):
            last = joined[-1]
            place = last.place
            if place is not None and entry.place is not None:
                place = attrs.evolve(place, end=entry.place.end)
            joined[-1] = attrs.evolve(last, end=entry.end, place=place)
        else:
            joined.append(entry)
    return [str(entry) for entry in joined]


def _follows(last: Entry, entry: Entry) -> bool:
    """Does `entry` continue `last` in both virtual and physical pages?"""
    pfn = None if last.pfn is None else last.pfn + last.end - last.start
    begun = attrs.evolve(last, start=entry.start, end=entry.end, pfn=entry.pfn, place=entry.place)
    return last.end == entry.start and pfn == entry.pfn and begun == entry
