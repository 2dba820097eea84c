"""What a state of the schema and a step's events show, in the form that claims are judged by."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from pfntrack.mm.ops import Result
from pfntrack.pat import events as ev
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.scenario.evaluate import Area, Reservation
from pfntrack.scenario.expect import Entries, Pages, Said
from pfntrack.state import Reservation as StateReservation
from pfntrack.state import State, VmaState

# Only `debugpat` prints these, or another line says the same.
_SILENT = (
    ev.Added,
    ev.Freed,
    ev.Overlap,
    ev.ReserveFailed,
    ev.WrongOwner,
    ev.Call,
    ev.Note,
)


@attrs.frozen
class Seen:
    """An `Observation` of one step; `sides` are the results of overlapping calls."""

    result: Result
    reservations: tuple[Reservation, ...] = ()
    log: tuple[Said, ...] = ()
    processes: dict[str, tuple[Area, ...]] = attrs.field(factory=dict)
    broken: frozenset[str] = frozenset()
    sides: tuple[Result, ...] = ()


def seen(
    start: State,
    state: State,
    result: Result,
    events: Iterable[ev.Event],
    broken: Iterable[str] = (),
    sides: tuple[Result, ...] = (),
) -> Seen:
    """The observation of a step that left `state`; `start` is the state after boot."""
    return Seen(
        result,
        reservations(start, state),
        tuple(_said(state, event) for event in events if not isinstance(event, _SILENT)),
        {process.name: tuple(map(_area, process.vmas)) for process in state.processes},
        frozenset(broken),
        sides,
    )


def reservations(start: State, state: State) -> tuple[Reservation, ...]:
    """Entries inside the windows, in list order, that `start` does not have."""
    boot = list(start.reservations)
    found = []
    for entry in state.reservations:
        if _take(boot, entry) or entry.place is None:
            continue
        found.append((entry.place.window, entry.place.first, entry.place.end, entry.type))
    return tuple(found)


def _take(boot: list[StateReservation], entry: StateReservation) -> bool:
    """Strike one equal entry off the list of those from boot."""
    for known in boot:
        if (known.start, known.end, known.type) == (entry.start, entry.end, entry.type):
            boot.remove(known)
            return True
    return False


def _area(vma: VmaState) -> Area:
    entries = []
    for entry in vma.entries:
        if not entry.accessible:
            continue
        pages = entry.end - entry.start
        if entry.pfn is None:
            entries.append(Entries(entry.start, pages))
            continue
        place = entry.place
        to = (
            Pages(place.window, place.first, place.end)
            if place
            else Pages("pfn", entry.pfn, entry.pfn + pages)
        )
        entries.append(Entries(entry.start, pages, to, entry.type))
    return Area(vma.start, vma.end - vma.start, vma.tracked, tuple(entries))


def _said(state: State, event: ev.Event) -> Said:
    match event:
        case ev.FreeInvalid(start=start, end=end):
            return Said("freeing_invalid", _pages(state, start, end))
        case ev.ConflictingTypes(start=start, end=end, a=a, b=b):
            return Said("conflicting_types", _pages(state, start, end), (a, b))
        case ev.ExpectedType(start=start, end=end, want=want, got=got):
            return Said("expected_type", _pages(state, start, end), (want, got))
        case ev.RamType(want=want, got=got):
            return Said("ram_type", types=(want, got))
        case ev.IoremapError(start=start, end=end, req=want, got=got):
            return Said("ioremap_error", _pages(state, start, end), (want, got))
        case ev.Warn(chain=chain):
            return Said("warn", text=" ".join(chain))
        case ev.Oops(function=function):
            return Said("bug", text=function)
        case _:
            return Said("line", text=event.text() or event.kind)


def _pages(state: State, start: int, end: int) -> Pages:
    for window in state.windows:
        if window.start <= start and end <= window.end:
            first = (start - window.start) >> PAGE_SHIFT
            return Pages(window.name, first, first + ((end - start) >> PAGE_SHIFT))
    return Pages("pfn", start >> PAGE_SHIFT, -(-end >> PAGE_SHIFT))
