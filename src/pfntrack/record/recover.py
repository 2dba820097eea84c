"""From moves to steps: operations of the model, with alternatives where the recording is silent.

A step says what it has to explain: changes of the reservations in their order, and what the call
returned. `Step.ways` are programs of operations of which one is what happened.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence

import attrs

from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.layout import FULL
from pfntrack.pat.physical import Window
from pfntrack.record.calls import Act, Call
from pfntrack.record.moves import REMAPS, Move, moves_of
from pfntrack.record.places import Close, Windows
from pfntrack.record.spaces import Area, Mapping, Space, runs

_PAGE = 12
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ADVICE = {
    **dict(enumerate("normal random sequential willneed dontneed".split())),
    8: "free",
    **dict(enumerate("remove dontfork dofork mergeable unmergeable hugepage".split(), 9)),
    **dict(enumerate("nohugepage dontdump dodump wipeonfork keeponfork cold".split(), 15)),
    **dict(enumerate("pageout populate_read populate_write dontneed_locked".split(), 21)),
    25: "collapse",
}
_PROT = ((1, "r"), (2, "w"), (4, "x"))


@attrs.frozen(slots=True)
class Step:
    """One call as operations of the model.

    `kind` is `call`, `other` for a change of the books that no followed process made, or `stray`
    for one that a followed process made outside its recorded calls, which nothing explains.
    `errno` is what the call returned (0, or a positive errno), None if that cannot be compared.
    `checked` counts how many of its last operations have that result.
    """

    kind: str
    call: Call
    process: str
    ways: tuple[tuple[Op, ...], ...]
    acts: tuple[Act, ...]
    errno: int | None
    said: str
    made: tuple[Op, ...] = ()


@attrs.frozen(slots=True)
class Recovered:
    """What a recording says in operations: windows, RAM, steps; processes by name and pid."""

    windows: tuple[Window, ...]
    ram: tuple[tuple[int, int], ...]
    steps: tuple[Step, ...]
    processes: dict[str, tuple[int, str]]
    unsure: tuple[str, ...]


def recover(items: Sequence[Call], roots: Sequence[int], places: Windows) -> Recovered:
    """Operations of the calls of a recording."""
    moves, mappings = moves_of(items, roots)
    return _Recovery(moves, mappings, places).run()


def drivers_name(mapping: Mapping) -> str:
    """Who mapped: a file of the kernel, or a module and function."""
    call = mapping.call
    names = {
        each.name for each in call.inside("devmem", "devmemprep", "pcimap", "vfiomap", "vfiomapold")
    }
    if names & {"devmem", "devmemprep"}:
        return "/dev/mem"
    if "pcimap" in names:
        return "sysfs resource"
    if names:
        return "vfio-pci"
    for each in (*call.inside(*REMAPS, "fault"), *mapping.late):
        if each.module or each.site:
            return f"{each.site} [{each.module}]" if each.module else each.site
    return "a driver"


class _Recovery:
    def __init__(self, moves: list[Move], mappings: dict[int, Mapping], places: Windows) -> None:
        self.moves = moves
        self.places = places
        self.mappings = [each for each in mappings.values() if each.device]
        self.close = Close(self._used())
        self.names: dict[str, tuple[int, str]] = {}
        self.files: dict[tuple[object, ...], int] = {}
        self.open: dict[int, set[int]] = {}
        self.spaces: dict[int, Space] = {}
        self.unsure: list[str] = []
        self.pointers: dict[int, str] = {}

    def _used(self) -> Iterator[tuple[int, int]]:
        for move in self.moves:
            yield from ((a.start, a.end) for a in move.areas)
            call = move.call
            if move.kind == "map":
                at = _place(call)
                yield at, at + -(-call.args[1] >> _PAGE)
            elif move.kind == "mremap":
                start = call.args[0] >> _PAGE
                yield start, start + max(-(-call.args[1] >> _PAGE), -(-call.args[2] >> _PAGE), 1)
                if call.args[3] & 2 or not _failed(call):
                    to = (call.args[4] if _failed(call) else call.ret or 0) >> _PAGE
                    yield to, to + -(-call.args[2] >> _PAGE)

    def run(self) -> Recovered:
        steps = []
        for move in self.moves:
            try:
                step = self._step(move)
            except LookupError:
                # Events are missing: what a call did cannot be put together.
                self.unsure.append(
                    f"line {move.call.line}: the events of this call are not complete"
                )
                break
            if step is not None:
                steps.append(step)
        return Recovered(
            tuple(self.places.made),
            self.places.ram,
            tuple(steps),
            self.names,
            tuple(dict.fromkeys(self.unsure)),
        )

    # names -----------------------------------------------------------------

    def _name(self, space: Space) -> str:
        if not space.name:
            count = len(self.names)
            space.name = _LETTERS[count] if count < len(_LETTERS) else f"P{count + 1}"
            self.names[space.name] = space.pid, space.comm
        return space.name

    def _at(self, page: int) -> int:
        return self.close.page(page)

    def _runs(self, move: Move) -> list[tuple[int, int]]:
        return [(self._at(start), end - start) for start, end in runs(list(move.areas))]

    def _call(
        self,
        move: Move,
        *ways: tuple[Op, ...],
        said: str,
        made: tuple[Op, ...] = (),
        compare: bool = True,
    ) -> Step:
        ret = move.call.ret
        number = -ret if ret is not None and -4096 < ret < 0 else 0
        space = move.space
        name = self._name(space) if space else ""
        return Step(
            "call", move.call, name, ways, move.acts, number if compare else None, said, made
        )

    def _step(self, move: Move) -> Step | None:
        call = move.call
        match move.kind:
            case "other" | "stray":
                return Step(move.kind, call, "", ((),), move.acts, None, move.acts[0].shown())
            case "map":
                return self._map(move)
            case "late":
                return self._late(move)
            case "zap":
                return self._zap(move)
            case "claim":
                return self._claim(move)
            case "fork":
                return self._fork(move)
            case "exit":
                assert move.space is not None  # noqa: S101
                name = self._name(move.space)
                return self._call(move, (ops.Exit(name),), said=f"{name} exits", compare=False)
            case "replace" | "refused":
                return self._replace(move)
            case "mremap":
                return self._mremap(move)
            case "zapvma":
                assert move.space is not None  # noqa: S101
                program = tuple(
                    ops.ZapVma(self._name(move.space), at, pages) for at, pages in self._runs(move)
                )
                return self._call(move, program, said="a driver zaps", compare=False)
            case _:
                return self._range(move)

    # ranges ----------------------------------------------------------------

    def _range(self, move: Move) -> Step | None:
        assert move.space is not None  # noqa: S101
        call, name = move.call, self._name(move.space)
        found = self._runs(move)
        whole = sum(pages for _, pages in found) == -(-call.args[1] >> _PAGE)
        program: tuple[Op, ...]
        if call.name == "munmap":
            program = tuple(ops.Munmap(name, at, pages) for at, pages in found)
        elif call.name in ("mprotect", "pkey_mprotect"):
            prot = "".join(letter for bit, letter in _PROT if call.args[2] & bit) or "-"
            program = tuple(ops.Mprotect(name, at, pages, prot) for at, pages in found)
        elif call.name == "madvise":
            advice = _ADVICE.get(call.args[2])
            if advice is None:
                self.unsure.append(f"line {call.line}: madvise {call.args[2]} is not modelled")
                return None
            program = tuple(ops.Madvise(name, at, pages, advice) for at, pages in found)
        else:
            if call.inside("split"):
                self.unsure.append(f"line {call.line}: {call.name} of a mapping is not modelled")
            return None
        if call.ret and "mprotect" in call.name and not whole:
            # What lies before a hole, or before what refuses, has been changed.
            ways = [program[:count] for count in range(len(program), -1, -1)]
            return self._call(move, *ways, said=f"{call.name} fails", compare=False)
        if call.ret and not move.acts and call.name != "madvise":
            # It failed before, or in, what the recording does not show.
            return self._call(move, program, (), said=f"{call.name} fails", compare=len(found) == 1)
        return self._call(move, program, said=call.name, compare=whole and len(found) == 1)

    def _replace(self, move: Move) -> Step:
        assert move.space is not None  # noqa: S101
        name, found = self._name(move.space), self._runs(move)
        if move.kind == "refused":
            gone = tuple(ops.Munmap(name, at, pages) for at, pages in found)
            return self._call(
                move, gone, (), said="a mmap that is refused over a mapping", compare=False
            )
        prot = "".join(letter for bit, letter in _PROT if move.call.args[2] & bit) or "-"
        if move.call.name != "mmap":
            prot = "rw"
        over = tuple(ops.AnonOver(name, at, pages, prot) for at, pages in found)
        return self._call(move, over, said="something else is mapped there", compare=False)

    def _mremap(self, move: Move) -> Step:
        assert move.space is not None  # noqa: S101
        call, name = move.call, self._name(move.space)
        old, new, flags = -(-call.args[1] >> _PAGE), -(-call.args[2] >> _PAGE), call.args[3]
        fixed = bool(flags & 2)
        to: int | None = None
        if fixed:
            to = self._at(call.args[4] >> _PAGE)
        elif not _failed(call) and (call.ret or 0) >> _PAGE != call.args[0] >> _PAGE:
            to = self._at((call.ret or 0) >> _PAGE)
        program = ops.Mremap(
            name,
            self._at(call.args[0] >> _PAGE),
            old,
            new,
            bool(flags & 1),
            fixed,
            bool(flags & 4),
            to,
        )
        return self._call(move, (program,), said="mremap")

    def _fork(self, move: Move) -> Step:
        assert move.space is not None  # noqa: S101
        parent = self._name(move.space)
        if move.child is not None:
            child = self._name(move.child)
            self.open[id(move.child)] = set(self.open.get(id(move.space), ()))
        else:
            child = "Z" if len(self.names) < len(_LETTERS) else "PX"
        ret = move.call.ret
        failed = _failed(move.call) if ret is not None else move.child is None
        step = self._call(move, (ops.Fork(parent, child),), said=f"{parent} forks {child}")
        return attrs.evolve(step, errno=errno.ENOMEM if failed else 0)

    # drivers ---------------------------------------------------------------

    def _fd(self, space: Space, key: tuple[object, ...]) -> tuple[int, bool]:
        """The model's descriptor for a file, and whether it has to be opened."""
        fd = self.files.setdefault(key, len(self.files))
        opened = self.open.setdefault(id(space), set())
        new = fd not in opened
        opened.add(fd)
        self.spaces[id(space)] = space
        return fd, new

    def _map(self, move: Move) -> Step:
        assert move.space is not None and move.mapping is not None  # noqa: S101
        mapping, call, name = move.mapping, move.call, self._name(move.space)
        at, pages = self._at(_place(call)), mapping.pages
        kinds = {each.name for each in call.inner}
        remaps = call.inside(*REMAPS)
        said = f"{name} maps {drivers_name(mapping)}"
        opened: ops.Open
        window, off = "", mapping.offset
        extra: tuple[Op, ...] = ()
        if kinds & {"devmem", "devmemprep"} and remaps:
            sync = _type(remaps[0]) is not CacheMode.WB
            opened = ops.Open(name, 0, "devmem", sync=sync)
            if not self.places.is_ram(off, pages):
                holder = self.places.holding(off, pages)
                window, off = holder.name, off - holder.pfn
        elif "pcimap" in kinds and remaps:
            (info,) = call.inside("pcimap")[:1]
            first = remaps[0].values.get("pfn", 0) - mapping.offset
            number = info.values.get("bar", 0)
            bar = self.places.bar(first, mapping.offset + pages, number)
            opened = ops.Open(name, 0, "sysfs", bar.name, wc=_type(remaps[0]) is CacheMode.WC)
        else:
            opened, off, extra = self._driver(mapping, call, name)
        fd, new = self._fd(move.space, (opened, drivers_name(mapping)))
        opened = attrs.evolve(opened, fd=fd)
        mapping.file = (opened.target, fd)
        program: list[Op] = [opened] if new else []
        program.append(ops.Mmap(name, at, pages, fd, off, mapping.shared, mapping.prot, window))
        program += extra
        if extra and _failed(call):
            program.append(ops.Munmap(name, at, pages))
            return self._call(move, tuple(program), said=said, compare=False)
        return self._call(move, tuple(program), said=said, compare=not extra)

    def _driver(
        self, mapping: Mapping, call: Call, name: str
    ) -> tuple[ops.Open, int, tuple[Op, ...]]:
        """The parametric driver that does what this driver did; file offset; what follows."""
        start = _place(call)
        done = [*call.inside(*REMAPS, "fault"), *mapping.late]
        if not done:
            raise LookupError("nobody saw what the driver did")
        first = done[0]
        into = (first.values.get("addr", 0) >> _PAGE) - start
        into = max(into, 0) if first in call.inside(*REMAPS, "fault") else 0
        pfn = first.values.get("pfn", 0) - into
        if first in mapping.late:
            # Where it began is known only if the mapping has not been moved since.
            into = max((first.values.get("addr", 0) - first.values.get("vs", 0)) >> _PAGE, 0)
            pfn = first.values.get("pfn", 0) - into
        base = self.places.holding(max(pfn, 0), mapping.pages)
        off = pfn - base.pfn
        mapping.delta = off - mapping.offset
        remaps = call.inside(*REMAPS)
        mode, begin, count, extra = self._shape(remaps, call, start, mapping, name)
        cache = _type(first)
        opened = ops.Open(
            name, 0, "driver", base.name, mode=mode, cache=cache, first=begin, pages=count
        )
        return opened, off, extra

    def _shape(
        self, remaps: list[Call], call: Call, start: int, mapping: Mapping, name: str
    ) -> tuple[str, int, int, tuple[Op, ...]]:
        """How a driver maps, as a mode; or remaps one by one if no mode says it."""
        spans = []
        pfn0 = remaps[0].values.get("pfn", 0) if remaps else 0
        linear = True
        for each in remaps:
            first = (each.values.get("addr", 0) >> _PAGE) - start
            spans.append((first, -(-each.values.get("size", 0) >> _PAGE)))
            linear &= each.values.get("pfn", 0) - pfn0 == first - spans[0][0]
            linear &= _type(each) is _type(remaps[0])
        inserts = call.inside("fault")
        if not remaps and not inserts:
            return "fault", 0, 0, ()
        worked = not _failed(call)
        fine = bool(remaps) and linear and not inserts
        narrow = (
            fine
            and any(r.values.get("ve", 0) - r.values.get("vs", 0) == 1 << _PAGE for r in remaps)
            and mapping.pages > 1
        )
        if fine and not narrow and (worked or remaps[-1].ret):
            if len(spans) == 1:
                first, pages = spans[0]
                return (
                    ("remap", 0, 0, ()) if pages == mapping.pages else ("remap", first, pages, ())
                )
            half = mapping.pages // 2
            if spans == [(0, half), (half, mapping.pages - half)] and half > 1:
                return "two", 0, 0, ()
            if all(s == (spans[0][0] + n, 1) for n, s in enumerate(spans)) and worked:
                return "pagewise", spans[0][0], len(spans), ()
        if fine and not narrow and len(spans) == 1 and spans[0][1] == mapping.pages:
            return "remap_then_fail", 0, 0, ()
        if narrow and len(spans) == mapping.pages and worked:
            return "narrow", 0, 0, ()
        return "fault", 0, 0, tuple(self._one(each, name) for each in (*remaps, *inserts))

    def _one(self, each: Call, name: str) -> Op:
        """One remap or insertion as an operation of its own."""
        pfn = each.values.get("pfn", 0)
        pages = max(-(-each.values.get("size", 1) >> _PAGE), 1)
        window = self.places.holding(pfn, pages)
        at = self._at(each.values.get("addr", 0) >> _PAGE)
        if each.name == "fault":
            return ops.InsertPfn(name, at, window.name, pfn - window.pfn)
        return ops.Remap(name, at, pages, window.name, pfn - window.pfn, _type(each))

    def _late(self, move: Move) -> Step:
        assert move.space is not None  # noqa: S101
        name = self._name(move.space)
        what = "inserts a page" if move.call.name == "fault" else "remaps"
        op = self._one(move.call, name)
        compare = move.call.name != "fault"
        return self._call(move, (op,), said=f"{name}: a driver {what}", compare=compare)

    def _zap(self, move: Move) -> Step:
        call = move.call
        ways: list[tuple[Op, ...]] = []
        for fd, delta in self._targets(move.live):
            holder = next(
                (s for s, _ in move.live if fd in self.open.get(id(s), ()) and s.name), None
            )
            if holder is None:
                continue
            if call.name == "zaprange":
                first = (call.values.get("hole", 0) >> _PAGE) + delta
                length = call.values.get("len", 0)
                pages = -(-length >> _PAGE)
            else:
                first = call.values.get("first", 0) + delta
                pages = call.values.get("pages", 0)
            if first >= 1 << 50 or pages >= 1 << 50:
                pages = 0
            cows = bool(call.values.get("cows", 1))
            way = (ops.Zap(holder.name, fd, max(first, 0), pages, cows),)
            if way not in ways:
                ways.append(way)
        return attrs.evolve(
            self._call(move, *ways, (), said=f"{call.site or 'the kernel'} zaps", compare=False),
            made=(),
        )

    def _targets(self, live: Sequence[tuple[Space, Sequence[Area]]]) -> list[tuple[int, int]]:
        """Files that a zap may mean: descriptor, and what to add to offsets; each once."""
        found: dict[tuple[str, int], tuple[int, int]] = {}
        for _, areas in live:
            for area in areas:
                if not area.mapping.device or not area.mapping.file:
                    continue
                target, fd = area.mapping.file
                shared = target in ("devmem", "sysfs")
                delta = 0 if shared else area.mapping.delta
                key = ("iomem" if shared else "driver", delta)
                found.setdefault(key, (int(str(fd)), delta))
        return list(found.values())

    def _claim(self, move: Move) -> Step | None:
        call = move.call
        start, size = call.values.get("start", 0), call.values.get("size", 0)
        first, pages = start >> _PAGE, max(-(-size >> _PAGE), 1)
        touched = any(
            first < pfn + count and pfn < first + pages
            for _, areas in move.live
            for area in areas
            for each in (*area.mapping.call.inside(*REMAPS), *area.mapping.late)
            for pfn, count in [
                (each.values.get("pfn", 0), -(-each.values.get("size", 4096) >> _PAGE))
            ]
        )
        if not touched:
            return None
        window = self.places.holding(first, pages)
        op = ops.Request(window.name, first - window.pfn, pages)
        return self._call(move, (op,), (), said="a driver claims the range", compare=False)


def _place(call: Call) -> int:
    """The first page of a mmap."""
    return (
        ((call.args[0] if _failed(call) else call.ret or 0) >> _PAGE)
        if not _vma(call)
        else _vma(call)
    )


def _vma(call: Call) -> int:
    """The place of a refused mmap without MAP_FIXED is that of the VMA the driver was given."""
    if not _failed(call):
        return 0
    found = call.inside(*REMAPS)
    return found[0].values.get("vs", 0) >> _PAGE if found else 0


def _failed(call: Call) -> bool:
    return call.ret is not None and -4096 < call.ret < 0


def _type(call: Call) -> CacheMode:
    """The type that a remap asks for, from the bits of its pgprot."""
    return FULL.decode(call.values.get("prot", 0))


__all__ = ["Area", "Recovered", "Step", "drivers_name", "recover"]
