"""Address spaces as system calls show them: which pages belong to which mapping of a file."""

from __future__ import annotations

import attrs

from pfntrack.record.calls import Call


@attrs.define(slots=True, eq=False)
class Mapping:
    """One successful (or refused) mmap of a file: what it asked for, what the driver did in it.

    `late` are insertions and remaps that came after it, at faults or by a driver's call.
    `delta` is what the model's file offset has more than the real one, in pages.
    """

    call: Call
    number: int
    pages: int
    offset: int
    shared: bool
    prot: str
    device: bool = False
    late: list[Call] = attrs.field(factory=list)
    delta: int = 0
    file: tuple[object, ...] = ()


@attrs.frozen(slots=True)
class Area:
    """Pages `[start, end)` of one mapping."""

    start: int
    end: int
    mapping: Mapping


@attrs.define(slots=True, eq=False)
class Space:
    """The memory of a process; `name` once the model knows it."""

    pid: int
    comm: str
    areas: list[Area] = attrs.field(factory=list)
    parent: Space | None = None
    name: str = ""
    alive: bool = True

    def within(self, start: int, end: int) -> list[Area]:
        """Parts of areas inside `[start, end)`, ascending."""
        return [
            Area(max(a.start, start), min(a.end, end), a.mapping)
            for a in self.areas
            if a.start < end and start < a.end
        ]

    def clear(self, start: int, end: int) -> None:
        """Nothing is mapped in `[start, end)` any more."""
        kept = []
        for a in self.areas:
            if a.end <= start or end <= a.start:
                kept.append(a)
                continue
            if a.start < start:
                kept.append(Area(a.start, start, a.mapping))
            if end < a.end:
                kept.append(Area(end, a.end, a.mapping))
        self.areas = sorted(kept, key=lambda a: a.start)

    def put(self, start: int, end: int, mapping: Mapping) -> None:
        """`mapping` is what `[start, end)` holds."""
        self.clear(start, end)
        self.areas = sorted((*self.areas, Area(start, end, mapping)), key=lambda a: a.start)

    def devices(self) -> bool:
        """Has it a mapping of a device?"""
        return any(area.mapping.device for area in self.areas)


def runs(areas: list[Area]) -> list[tuple[int, int]]:
    """Areas of devices as few ranges, ascending."""
    found: list[list[int]] = []
    for a in areas:
        if not a.mapping.device:
            continue
        if found and found[-1][1] == a.start:
            found[-1][1] = a.end
        else:
            found.append([a.start, a.end])
    return [(start, end) for start, end in found]
