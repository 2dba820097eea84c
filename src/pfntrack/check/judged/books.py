"""An exhaustive search of the reservation tree alone: programs of reserve and free.

No process, no page table, no design: `memtype_reserve()` and `memtype_free()`
of `pfntrack.pat` on a few pages, judged by who really holds what. What is
found here is a defect of the tree or of the arithmetic around it, and breaks
every tracking built on them.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from pfntrack.mm import ops
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.context import Context, PatQuirks
from pfntrack.pat.events import Event, FreeInvalid, Task, Warn
from pfntrack.pat.memtype import is_new_memtype_allowed, memtype_free, memtype_reserve
from pfntrack.pat.memtype_interval import Tree
from pfntrack.pat.physical import Machine, Physical, Window
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.scenario import MachineSpec, Scenario, Step

WINDOW = "W"


@attrs.frozen
class BooksSetting:
    """What is searched: the rules, pages `[pfn, pfn + pages)`, and how many are held at a time.

    The tree may grow to `entries`: where releases fail it would grow for ever.
    """

    quirks: PatQuirks
    pfn: int
    pages: int = 3
    held: int = 2
    entries: int = 4
    types: tuple[CacheMode, ...] = (CacheMode.UC_MINUS, CacheMode.WC)

    def __str__(self) -> str:
        kinds = " and ".join(kind.short for kind in self.types)
        return (
            f"{self.pages} physical pages from pfn {self.pfn:#x}, <= {self.held} held, "
            f"<= {self.entries} entries, {kinds}"
        )


@attrs.frozen
class Reserve:
    """`memtype_reserve()` of pages `[off, off + pages)` with `type`."""

    off: int
    pages: int
    type: CacheMode

    def __str__(self) -> str:
        return f"reserve pages [{self.off},{self.off + self.pages}) as {self.type.short}"


@attrs.frozen
class Free:
    """`memtype_free()` of what a `Reserve` of these pages got."""

    off: int
    pages: int

    def __str__(self) -> str:
        return f"free pages [{self.off},{self.off + self.pages})"


Call = Reserve | Free
# What somebody holds: (off, pages, type granted).
Held = tuple[int, int, CacheMode]


@attrs.frozen
class Books:
    """A state: the tree, and who holds what, sorted."""

    tree: Tree = ()
    held: tuple[Held, ...] = ()


@attrs.frozen
class BooksFound:
    """The result: for each broken property the shortest program; how far the search went."""

    states: int
    transitions: int
    depth: int
    programs: dict[str, tuple[Call, ...]]


def calls(setting: BooksSetting, state: Books) -> Iterator[Call]:
    """Everything that can be done next, in a fixed order."""
    if len(state.held) < setting.held:
        for kind in setting.types:
            for off in range(setting.pages):
                for pages in range(1, setting.pages - off + 1):
                    yield Reserve(off, pages, kind)
    for off, pages in sorted({each[:2] for each in state.held}):
        yield Free(off, pages)


def perform(setting: BooksSetting, state: Books, call: Call) -> tuple[Books, frozenset[str]]:
    """The state after a call, and the properties that the call breaks."""
    context = Context(
        Machine(), setting.quirks, Physical(tree=state.tree), Task("kernel", 1), explain=False
    )
    start = (setting.pfn + call.off) << PAGE_SHIFT
    end = start + (call.pages << PAGE_SHIFT)
    if isinstance(call, Free):
        memtype_free(context, start, end)
        mine = next(each for each in state.held if each[:2] == (call.off, call.pages))
        held = list(state.held)
        held.remove(mine)
        after = Books(context.phys.tree, tuple(held))
        return after, _noise(context.events) | _leak(setting, after)
    error, granted = memtype_reserve(context, start, end, call.type)
    broken = set(_noise(context.events))
    met = {kind for off, pages, kind in state.held if _meet(call, off, pages)}
    fits = all(is_new_memtype_allowed(start, end, call.type, kind) for kind in met)
    if error:
        if fits and len(met) <= 1:
            broken.add("I6")
        return Books(context.phys.tree, state.held), frozenset(broken)
    if granted is not call.type and not met - {call.type}:
        broken.add("I7")
    held = sorted([*state.held, (call.off, call.pages, granted)], key=_order)
    return Books(context.phys.tree, tuple(held)), frozenset(broken)


def explore(setting: BooksSetting, watched: frozenset[str]) -> BooksFound:
    """Breadth-first over all states; stops when every watched property has broken."""
    first = Books()
    paths: dict[Books, tuple[Call, ...]] = {first: ()}
    level, depth, transitions = [first], 0, 0
    programs: dict[str, tuple[Call, ...]] = {}
    while level and not watched <= programs.keys():
        following = []
        for state in level:
            for call in calls(setting, state):
                transitions += 1
                after, broken = perform(setting, state, call)
                program = (*paths[state], call)
                for name in sorted(broken & watched):
                    programs.setdefault(name, program)
                if after not in paths and len(after.tree) <= setting.entries:
                    paths[after] = program
                    following.append(after)
        depth += bool(following)
        level = following
    return BooksFound(len(paths), transitions, depth, programs)


def scenario(setting: BooksSetting, program: tuple[Call, ...], name: str, about: str) -> Scenario:
    """The same with kernel mappings, which reserve and free what they map."""
    window = Window(WINDOW, setting.pfn, setting.pages, bdf="0000:00:08.0")
    steps: list[Step] = []
    held: list[tuple[int, int, str]] = []
    for number, call in enumerate(program):
        if isinstance(call, Reserve):
            key = f"k{number}"
            held.append((call.off, call.pages, key))
            steps.append(Step(ops.Ioremap(key, WINDOW, call.off, call.pages, call.type)))
        else:
            mine = next(each for each in held if each[:2] == (call.off, call.pages))
            held.remove(mine)
            steps.append(Step(ops.Iounmap(mine[2])))
    machine = MachineSpec(windows=(window,))
    return Scenario(name, about, ("counterexample",), machine, tuple(steps))


def _meet(call: Call, off: int, pages: int) -> bool:
    return off < call.off + call.pages and call.off < off + pages


def _order(held: Held) -> tuple[int, int, int]:
    return held[0], held[1], held[2].value


def _noise(events: list[Event]) -> frozenset[str]:
    """I4: warnings and releases that fit nothing."""
    return frozenset({"I4"} if any(isinstance(e, FreeInvalid | Warn) for e in events) else ())


def _leak(setting: BooksSetting, after: Books) -> frozenset[str]:
    """I1: an entry of pages that nobody holds."""
    for entry in after.tree:
        first = (entry.start >> PAGE_SHIFT) - setting.pfn
        end = (entry.end >> PAGE_SHIFT) - setting.pfn
        if not any(first < off + pages and off < end for off, pages, _ in after.held):
            return frozenset({"I1"})
    return frozenset()
