"""From calls to moves: what each call meant for mappings of devices, still with real addresses.

A first walk finds out which mappings are of devices (some show it only at a later fault); a
second one keeps the calls that touch them. All other changes of the reservations are the doing
of others, and are applied as they were seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from pfntrack.record.calls import Act, Call
from pfntrack.record.spaces import Area, Mapping, Space

_FIXED, _ANONYMOUS, _SHARED, _NOREPLACE = 0x10, 0x20, 0x01, 0x100000
_CLONE_VM = 0x100
_PAGE = 12
EVIDENCE = (
    *("devmem", "devmemprep", "pcimap", "vfiomap", "vfiomapold"),
    *("remap", "remaptrack", "fault"),
)
REMAPS = ("remap", "remaptrack")
ZAPS = ("zaprange", "zappages")
# Files of ordinary file systems are truncated all the time; devices are not.
ORDINARY = ("truncate_", "simple_setattr", "shmem_", "filemap_", "invalidate_inode", "dax_")


@attrs.frozen(slots=True)
class Move:
    """One call that matters: `kind` is a word of `recover`, `areas` what of devices it touched.

    `acts` are the changes of reservations that it has to explain.
    """

    kind: str
    call: Call
    space: Space | None
    areas: tuple[Area, ...] = ()
    acts: tuple[Act, ...] = ()
    mapping: Mapping | None = None
    child: Space | None = None
    live: tuple[tuple[Space, tuple[Area, ...]], ...] = ()


def moves_of(items: Sequence[Call], roots: Sequence[int]) -> tuple[list[Move], dict[int, Mapping]]:
    """The moves of a recording in order, and its mappings by the line of their call."""
    ordered = sorted(items, key=_when)
    first = _Walk(roots, {})
    for call in ordered:
        for _ in first.take(call):
            pass
    second = _Walk(roots, first.mappings)
    found: list[Move] = []
    for call in ordered:
        taken: set[int] = set()
        for move in second.take(call):
            found.append(move)
            taken |= {act.stamp for act in move.acts}
        rest = tuple(act for act in call.all_acts() if act.stamp not in taken)
        found += [Move(second.whose(act), call, None, acts=(act,)) for act in rest]
    return found, first.mappings


def _when(call: Call) -> int:
    """When a call took effect: its first change of the books, or its end."""
    if call.name == "clone":
        born = [each.end for each in call.inner if each.name == "fork"]
        return born[0] if born else call.end
    acts = call.all_acts()
    return acts[0].stamp if acts else (call.end or call.start)


def _own_acts(call: Call) -> tuple[Act, ...]:
    """Acts that are not those of the kernel's own mappings."""
    found = [act for act in call.all_acts() if not {"ioremap", "iounmap"} & set(act.inside)]
    return tuple(found)


def _prot(bits: int) -> str:
    return "".join(letter for bit, letter in ((1, "r"), (2, "w"), (4, "x")) if bits & bit) or "-"


def _pages(length: int) -> int:
    return -(-length >> _PAGE) if length >= 0 else 0


class _Walk:
    def __init__(self, roots: Sequence[int], known: dict[int, Mapping]) -> None:
        self.spaces: dict[int, Space] = {pid: Space(pid, "") for pid in roots}
        self.all: list[Space] = list(self.spaces.values())
        self.mappings = known

    def space(self, call: Call) -> Space:
        found = self.spaces.get(call.pid)
        if found is None:
            found = self.spaces[call.pid] = Space(call.pid, call.comm)
            self.all.append(found)
        found.comm = call.comm
        return found

    def whose(self, act: Act) -> str:
        """`stray` is a change by a process that is followed, in none of its recorded calls."""
        kernels = {"ioremap", "iounmap"} & set(act.inside)
        return "stray" if act.pid in self.spaces and not kernels else "other"

    def living(self) -> tuple[tuple[Space, tuple[Area, ...]], ...]:
        """Spaces with mappings of devices, and these as they are now."""
        return tuple(
            (space, tuple(a for a in space.areas if a.mapping.device))
            for space in self.all
            if space.alive and space.devices()
        )

    def take(self, call: Call) -> Iterator[Move]:
        """Moves of one outermost call."""
        match call.name:
            case "mmap" if call.kind == "sys":
                yield from self._mmap(call)
            case "munmap" | "mprotect" | "pkey_mprotect" | "madvise" | "mbind":
                yield from self._range(call)
            case "mremap":
                yield from self._mremap(call)
            case "clone":
                yield from self._clone(call)
            case "exec":
                self._leave(call)
            case "exitmm":
                yield from self._exit(call)
            case "died":
                pass
            case _:
                yield from self._late(call)

    # mmap and what changes mappings ----------------------------------------

    def _mmap(self, call: Call) -> Iterator[Move]:
        if len(call.args) < 6 or call.ret is None:
            return
        address, length, prot, flags, _, offset = call.args[:6]
        space, pages = self.space(call), _pages(length)
        worked = not -4096 < call.ret < 0
        at = (call.ret if worked else address) >> _PAGE
        fixed = bool(flags & _FIXED) and not flags & _NOREPLACE
        gone = tuple(a for a in space.within(at, at + pages) if a.mapping.device)
        evidence = call.inside(*EVIDENCE)
        mapping = None
        if not flags & _ANONYMOUS:
            mapping = self.mappings.get(call.line)
            if mapping is None:
                mapping = Mapping(
                    call,
                    len(self.mappings),
                    pages,
                    offset >> _PAGE,
                    bool(flags & _SHARED),
                    _prot(prot),
                    bool(evidence),
                )
                self.mappings[call.line] = mapping
        acts = _own_acts(call)
        device = mapping is not None and mapping.device
        if device and (worked or call.inside(*REMAPS)):
            yield Move("map", call, space, gone, acts, mapping)
        elif gone and fixed:
            kind = "replace" if worked else "refused"
            yield Move(kind, call, space, gone, acts)
        if worked:
            space.clear(at, at + pages)
            if mapping is not None:
                space.put(at, at + pages, mapping)
        elif fixed and device:
            space.clear(at, at + pages)

    def _range(self, call: Call) -> Iterator[Move]:
        if len(call.args) < 3 - (call.name == "munmap") or call.ret is None:
            return
        space = self.space(call)
        start, end = call.args[0] >> _PAGE, (call.args[0] >> _PAGE) + _pages(call.args[1])
        areas = tuple(a for a in space.within(start, end) if a.mapping.device)
        if areas:
            yield Move(call.name, call, space, areas, _own_acts(call))
        if call.name == "munmap" and call.ret == 0:
            space.clear(start, end)

    def _mremap(self, call: Call) -> Iterator[Move]:
        if len(call.args) < 5 or call.ret is None:
            return
        space = self.space(call)
        start, old, new = call.args[0] >> _PAGE, _pages(call.args[1]), _pages(call.args[2])
        worked = not -4096 < call.ret < 0
        to = (call.ret if worked else call.args[4]) >> _PAGE
        target = bool(call.args[3] & 2)
        areas = tuple(a for a in space.within(start, start + max(old, 1)) if a.mapping.device)
        hit = tuple(a for a in space.within(to, to + new) if a.mapping.device) if target else ()
        if areas:
            yield Move("mremap", call, space, areas, _own_acts(call))
        elif hit:
            yield Move("replace" if worked else "refused", call, space, hit, _own_acts(call))
        if not worked:
            return
        moved = space.within(start, start + min(old, new))
        if to != start or target:
            space.clear(to, to + new)
            if not call.args[3] & 4:
                space.clear(start, start + old)
            for a in moved:
                space.put(a.start - start + to, a.end - start + to, a.mapping)
        elif new < old:
            space.clear(start + new, start + old)

    # processes -------------------------------------------------------------

    def _clone(self, call: Call) -> Iterator[Move]:
        space = self.space(call)
        born = [each.ret for each in call.inner if each.name == "fork" and each.ret]
        acts = _own_acts(call)
        if call.values.get("flags", 0) & _CLONE_VM:
            for pid in born:
                self.spaces[pid] = space
            return
        child = Space(born[0] if born else 0, call.comm, list(space.areas), space)
        if born:
            self.spaces[born[0]] = child
            self.all.append(child)
        if space.devices() or acts:
            yield Move("fork", call, space, (), acts, child=child if born else None)

    def _leave(self, call: Call) -> None:
        """exec: new memory; the old one has gone by itself, or lives on in others."""
        self.spaces[call.pid] = Space(call.pid, call.comm)
        self.all.append(self.spaces[call.pid])

    def _exit(self, call: Call) -> Iterator[Move]:
        space = self.space(call)
        acts = _own_acts(call)
        if space.devices() or acts:
            yield Move("exit", call, space, tuple(space.areas), acts)
        space.areas, space.alive = [], False
        self.spaces[call.pid] = Space(call.pid, call.comm)
        self.all.append(self.spaces[call.pid])

    # drivers ---------------------------------------------------------------

    def _late(self, call: Call) -> Iterator[Move]:
        """A remap, an insertion or a zap outside of mmap."""
        if call.name in (*REMAPS, "fault") and call.pid in self.spaces:
            space = self.spaces[call.pid]
            at = call.values.get("addr", 0) >> _PAGE
            for area in space.within(at, at + 1):
                area.mapping.device = True
                if all(each.line != call.line for each in area.mapping.late):
                    area.mapping.late.append(call)
                yield Move("late", call, space, (area,), _own_acts(call), area.mapping)
        elif call.name in ("zapvma", "zapspecial"):
            start = call.values.get("addr", 0)
            for space, _ in self.living():
                areas = tuple(
                    a
                    for a in space.within(
                        start >> _PAGE, (start >> _PAGE) + _pages(call.values.get("size", 0))
                    )
                    if a.mapping.device
                )
                if areas and self.spaces.get(call.pid) in (space, None):
                    yield Move("zapvma", call, space, areas, _own_acts(call))
                    return
        elif call.name in ZAPS and not call.site.startswith(ORDINARY):
            living = self.living()
            if living:
                yield Move("zap", call, None, (), _own_acts(call), live=living)
        elif call.name == "claim":
            yield from self._claim(call)

    def _claim(self, call: Call) -> Iterator[Move]:
        if call.ret and self.living():
            yield Move("claim", call, None, (), _own_acts(call), live=self.living())
