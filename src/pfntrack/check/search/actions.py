"""The finite alphabet of an exhaustive search: every operation within the bounds.

An action is a short program of operations performed as one: a plain operation,
or one with a failure armed before and disarmed after it. Actions are written
for process `A`, the first; `Action.by` moves one to another place. Their order
is fixed, and it breaks all ties.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from pfntrack.check.search.bounds import Bounds
from pfntrack.check.search.guards import ADVISED
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.mm.pagetable import PTRS_PER_PTE
from pfntrack.pat.cachemode import CacheMode

NAMES = "ABCDEFGH"
WINDOW = "H"
# With `latefail` the virtual pages begin here: the second has a page table of its own.
EDGE = PTRS_PER_PTE - 1
_FORK_SYMBOLS = ("vm_area_dup", "copy_page_range", "__pte_alloc", "memtype_reserve")
_MAP_SYMBOLS = ("__pte_alloc", "memtype_reserve")

# Who an action touches: one process, a process and a new child, nobody, or
# all processes that map pages of a file.
LOCAL, FORK, KERNEL, FILE = "local", "fork", "kernel", "file"


@attrs.frozen
class Action:
    """One transition: what it does (for process A), its group, and whom it touches."""

    group: str
    ops: tuple[Op, ...]
    reach: str = LOCAL

    @property
    def replaces(self) -> bool:
        """Does it take the place of what the process has mapped there?"""
        return self.group == "over"

    @property
    def op(self) -> Op:
        """The operation itself, without what arms a failure."""
        return next(op for op in self.ops if not isinstance(op, ops.Fail))

    def by(self, slot: int, living: int) -> tuple[Op, ...]:
        """The operations by the process in place `slot`, when `living` live."""
        return tuple(_by(op, NAMES[slot], NAMES[living]) for op in self.ops)


def _by(op: Op, name: str, child: str) -> Op:
    if isinstance(op, ops.Fork):
        return attrs.evolve(op, p=name, child=child)
    return attrs.evolve(op, p=name) if hasattr(op, "p") else op  # type: ignore[call-arg]


@attrs.frozen
class Files:
    """Descriptors that process A opens before the search begins."""

    opens: tuple[ops.Open, ...]

    def fd(self, **wanted: object) -> int:
        """The descriptor whose open has these fields."""
        return next(
            each.fd
            for each in self.opens
            if all(getattr(each, name) == value for name, value in wanted.items())
        )


def files(bounds: Bounds, groups: tuple[str, ...]) -> Files:
    """The files that the groups need, one per type of memory and way of mapping."""
    kinds: list[ops.Open] = []
    ways = [
        ("remap", 0, {"map", "over", "private", "mapfail", "latefail", "zap", "remap"}),
        ("remap", 1, {"part"}),
        ("fault", 0, {"fault", "insert"}),
        ("narrow", 0, {"narrow"}),
    ]
    for mode, pages, users in ways:
        if users & set(groups):
            kinds += [
                ops.Open("A", 0, "driver", WINDOW, mode=mode, cache=kind, pages=pages)
                for kind in bounds.types
            ]
    if "sysfs" in groups:
        wc = [kind is CacheMode.WC for kind in bounds.types]
        kinds += [ops.Open("A", 0, "sysfs", WINDOW, wc=each) for each in wc]
    return Files(tuple(attrs.evolve(each, fd=number) for number, each in enumerate(kinds)))


def alphabet(
    bounds: Bounds, groups: tuple[str, ...], symbols: frozenset[str] = frozenset()
) -> tuple[Action, ...]:
    """All actions, in the fixed order; `symbols` are the design's own failing steps."""
    menu = Menu(bounds, groups, files(bounds, groups), symbols)
    actions = (action for group in groups for action in _GROUPS[group](menu))
    return tuple(_behind(action, first_page(groups)) for action in actions)


def first_page(groups: tuple[str, ...]) -> int:
    """Where the virtual pages begin."""
    return EDGE if "latefail" in groups else 0


def _behind(action: Action, pages: int) -> Action:
    """The same action so many virtual pages further up."""
    if not pages:
        return action
    moved = []
    for op in action.ops:
        places = {name: getattr(op, name, None) for name in ("at", "to")}
        changed = {name: at + pages for name, at in places.items() if at is not None}
        moved.append(attrs.evolve(op, **changed))
    return attrs.evolve(action, ops=tuple(moved))


@attrs.frozen
class Menu:
    """What the actions of a group are made from."""

    bounds: Bounds
    groups: tuple[str, ...]
    files: Files
    symbols: frozenset[str]


def _ranges(pages: int) -> list[tuple[int, int]]:
    """(first, count) of every range inside `pages` pages."""
    return [(at, count) for at in range(pages) for count in range(1, pages - at + 1)]


def _mmaps(bounds: Bounds, fd: int, shortest: int = 1) -> Iterator[ops.Mmap]:
    for at, pages in _ranges(bounds.pages):
        for off in range(bounds.pfns - pages + 1):
            if pages >= max(shortest, bounds.least):
                yield ops.Mmap("A", at, pages, fd, off)


def _map(menu: Menu) -> Iterator[Action]:
    for kind in menu.bounds.types:
        fd = menu.files.fd(mode="remap", pages=0, cache=kind)
        for op in _mmaps(menu.bounds, fd):
            yield Action("map", (op,))


def _over(menu: Menu) -> Iterator[Action]:
    for action in _map(menu):
        yield attrs.evolve(action, group="over")


def _narrow(menu: Menu) -> Iterator[Action]:
    for kind in menu.bounds.types:
        fd = menu.files.fd(mode="narrow", cache=kind)
        for op in _mmaps(menu.bounds, fd, shortest=2):
            yield Action("narrow", (op,))


def _part(menu: Menu) -> Iterator[Action]:
    for kind in menu.bounds.types:
        fd = menu.files.fd(mode="remap", pages=1, cache=kind)
        for op in _mmaps(menu.bounds, fd, shortest=2):
            yield Action("part", (op,))


def _private(menu: Menu) -> Iterator[Action]:
    for action in _map(menu):
        yield Action("private", (attrs.evolve(action.op, shared=False),))  # type: ignore[call-arg]


def _mapfail(menu: Menu) -> Iterator[Action]:
    own = sorted(menu.symbols & {"track_pfn_remap", "pfnmap_track", "pfnmap_track_ctx_alloc"})
    for symbol in (*_MAP_SYMBOLS, *own):
        for action in _map(menu):
            yield _failing("mapfail", symbol, action.op, LOCAL)


def _failing(group: str, symbol: str, op: Op, reach: str, nth: int = 1) -> Action:
    return Action(group, (ops.Fail("A", symbol, nth), op, ops.Unfail("A")), reach)


def _latefail(menu: Menu) -> Iterator[Action]:
    for action in _map(menu):
        # All pages but the first are in the second table.
        if isinstance(action.op, ops.Mmap) and action.op.at == 0 and action.op.pages > 1:
            yield _failing("latefail", "__pte_alloc", action.op, LOCAL, 2)


def _sysfs(menu: Menu) -> Iterator[Action]:
    for kind in menu.bounds.types:
        fd = menu.files.fd(target="sysfs", wc=kind is CacheMode.WC)
        for op in _mmaps(menu.bounds, fd):
            yield Action("sysfs", (op,))


def _fault(menu: Menu) -> Iterator[Action]:
    for kind in menu.bounds.types:
        fd = menu.files.fd(mode="fault", cache=kind)
        for op in _mmaps(menu.bounds, fd):
            yield Action("fault", (op,))
    for at in range(menu.bounds.pages):
        yield Action("fault", (ops.Read("A", at),))


def _munmap(menu: Menu) -> Iterator[Action]:
    for at, pages in _ranges(menu.bounds.pages):
        yield Action("munmap", (ops.Munmap("A", at, pages),))


def _protect(menu: Menu) -> Iterator[Action]:
    for at, pages in _ranges(menu.bounds.pages):
        yield Action("protect", (ops.Mprotect("A", at, pages, "r"),))


def _advise(menu: Menu) -> Iterator[Action]:
    # All other advice to a raw pfn mapping is refused, does nothing, or does what the
    # second of these does: split the VMA for a flag that matters to nobody.
    for advice in ADVISED:
        for at, pages in _ranges(menu.bounds.pages):
            yield Action("advise", (ops.Madvise("A", at, pages, advice),))


def _shrink(menu: Menu) -> Iterator[Action]:
    for at, pages in _ranges(menu.bounds.pages):
        for new in range(1, pages):
            yield Action("shrink", (ops.Mremap("A", at, pages, new),))


def _move(menu: Menu) -> Iterator[Action]:
    for at, pages in _ranges(menu.bounds.pages):
        for to in range(menu.bounds.pages - pages + 1):
            if to + pages <= at or at + pages <= to:
                op = ops.Mremap("A", at, pages, pages, maymove=True, fixed=True, to=to)
                yield Action("move", (op,))


def _write(menu: Menu) -> Iterator[Action]:
    for at in range(menu.bounds.pages):
        yield Action("write", (ops.Write("A", at),))


def _zap(menu: Menu) -> Iterator[Action]:
    fd = next(each.fd for each in menu.files.opens if each.target == "driver")
    private = "private" in menu.groups
    for off, pages in _ranges(menu.bounds.pfns):
        yield Action("zap", (ops.Zap("A", fd, off, pages),), FILE)
        if private:
            # A private mapping stands in the file's index under its first pfn.
            for even_cows in (True, False):
                op = ops.Zap("A", fd, off, pages, even_cows, window=WINDOW)
                yield Action("zap", (op,), FILE)


def _zapvma(menu: Menu) -> Iterator[Action]:
    for at, pages in _ranges(menu.bounds.pages):
        yield Action("zapvma", (ops.ZapVma("A", at, pages),))


def _remap(menu: Menu) -> Iterator[Action]:
    for kind in menu.bounds.types:
        for at, pages in _ranges(menu.bounds.pages):
            for off in range(menu.bounds.pfns - pages + 1):
                yield Action("remap", (ops.Remap("A", at, pages, WINDOW, off, kind),))


def _insert(menu: Menu) -> Iterator[Action]:
    for at in range(menu.bounds.pages):
        for off in range(menu.bounds.pfns):
            yield Action("insert", (ops.InsertPfn("A", at, WINDOW, off),))


def _fork(_menu: Menu) -> Iterator[Action]:
    yield Action("fork", (ops.Fork("A", "B"),), FORK)


def _forkfail(menu: Menu) -> Iterator[Action]:
    for symbol in (*_FORK_SYMBOLS, *sorted(menu.symbols & {"track_pfn_copy"})):
        yield _failing("forkfail", symbol, ops.Fork("A", "B"), FORK)


def _exit(_menu: Menu) -> Iterator[Action]:
    yield Action("exit", (ops.Exit("A"),))


def _ioremap(menu: Menu) -> Iterator[Action]:
    for kind in menu.bounds.kernel_types or menu.bounds.types:
        for off, pages in _ranges(menu.bounds.pfns):
            name = f"k{off}to{off + pages}{'wc' if kind is CacheMode.WC else kind.name.lower()}"
            op = ops.Ioremap(name.replace("_", ""), WINDOW, off, pages, kind)
            yield Action("ioremap", (op,), KERNEL)
            yield Action("ioremap", (ops.Iounmap(op.id),), KERNEL)


def _reserve(menu: Menu) -> Iterator[Action]:
    for off, pages in _ranges(menu.bounds.pfns):
        yield Action("reserve", (ops.WcReserve(WINDOW, off, pages),), KERNEL)
        yield Action("reserve", (ops.WcFree(WINDOW, off, pages),), KERNEL)


def _claim(menu: Menu) -> Iterator[Action]:
    for off, pages in _ranges(menu.bounds.pfns):
        yield Action("claim", (ops.Request(WINDOW, off, pages),), FILE)
        yield Action("claim", (ops.Release(WINDOW, off, pages),), KERNEL)


_GROUPS = {
    "map": _map,
    "over": _over,
    "part": _part,
    "narrow": _narrow,
    "private": _private,
    "sysfs": _sysfs,
    "fault": _fault,
    "munmap": _munmap,
    "protect": _protect,
    "advise": _advise,
    "shrink": _shrink,
    "move": _move,
    "write": _write,
    "zap": _zap,
    "zapvma": _zapvma,
    "remap": _remap,
    "insert": _insert,
    "fork": _fork,
    "forkfail": _forkfail,
    "mapfail": _mapfail,
    "latefail": _latefail,
    "exit": _exit,
    "ioremap": _ioremap,
    "reserve": _reserve,
    "claim": _claim,
}
