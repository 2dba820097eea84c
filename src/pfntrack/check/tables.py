"""The model as tables: each operation evaluated once for the components it touches.

Address spaces and physical parts are numbered as they are met. What a process
does by itself is worked out for its space and the physical part (a pair), by
performing the operation in a world of that process alone. A zap through a file
is a fold over the mappings of the file, so it is worked out step by step: one
address space and one page offset of the file at a time. The functions are
those of the model; nothing is written twice.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from pfntrack.check.actions import FILE, KERNEL, NAMES, Action
from pfntrack.check.intern import Interned
from pfntrack.check.normal import Renaming, assemble, normal_phys, normal_space, renaming
from pfntrack.check.properties import (
    PROPERTIES,
    Violation,
    judge_books,
    quiet,
    wrong_owner,
)
from pfntrack.check.setting import NOTHING, ORACLE, Answer, Setting, Step, answer_to
from pfntrack.drivers.kernel import IOMEM
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.mm.space import AddressSpace, Mm
from pfntrack.mm.step import Lock
from pfntrack.mm.truncate import Span, mapped, unmap_mapping_range_vma
from pfntrack.pat.events import Oops, Task
from pfntrack.pat.physical import Physical
from pfntrack.releases import World
from pfntrack.releases.calls import LOCAL_CALLS

# Stands for "no address space" among the numbers of spaces.
NOBODY = -1
ORDER = tuple(PROPERTIES)


@attrs.frozen
class Outcome:
    """What an action leads to, in numbers.

    The actor's space becomes `space` (NOBODY after an exit), a child gets
    `child`. `names` numbers the renaming that all others undergo, -1 if none
    is needed; `broken` is a set of bits in the order of ORDER. `zap` numbers a
    zap that follows, `answer` what a request was told; -1 if there is none.
    """

    action: int
    phys: int
    space: int
    child: int
    names: int
    broken: int
    inside: bool
    zap: int = -1
    answer: int = -1


class Tables:
    """All components met so far, and what operations make of them."""

    def __init__(self, setting: Setting, watched: frozenset[str]) -> None:
        self.setting = setting
        self.watched = watched
        self.design = setting.release.design
        self.fds = setting.start.processes[0].fds
        self.spaces: Interned[AddressSpace] = Interned()
        self.physes: Interned[Physical] = Interned()
        self.names: Interned[Renaming] = Interned()
        self.answers: Interned[Answer] = Interned()
        self.evaluations = 0
        self.zaps: list[Span] = []
        self._zap_of: dict[int, int] = {}
        self._own_names: dict[int, Renaming] = {}
        for number, action in enumerate(setting.actions):
            if action.reach == FILE:
                self._zap_of[number] = len(self.zaps)
                self.zaps.append(self._span(action.op))

    @property
    def places(self) -> int:
        """Number of page offsets at which a file can be mapped."""
        return 2 * self.setting.bounds.pfns

    def state(self, world: World) -> tuple[int, ...]:
        """A normal world in numbers: the physical part, then the spaces."""
        spaces = (self.spaces.number(process.space) for process in world.processes)
        return self.physes.number(world.phys), *spaces

    def world(self, phys: int, spaces: Iterable[int]) -> World:
        """The normal world behind numbers."""
        return assemble(tuple(self.spaces[each] for each in spaces), self.physes[phys], self.fds)

    def outcomes(self, phys: int, space: int) -> list[Outcome]:
        """All actions of a process with `space`; those of nobody in particular for NOBODY."""
        setting, physical = self.setting, self.physes[phys]
        alone = NOTHING if space == NOBODY else self.spaces[space]
        nobodys = (KERNEL, FILE)
        return [
            self._outcome(number, phys, space)
            for number, action in enumerate(setting.actions)
            if (action.reach in nobodys) == (space == NOBODY)
            and setting.enabled(action, alone, physical)
        ]

    def zapped(self, phys: int, space: int) -> dict[tuple[int, int], Outcome]:
        """What each zap does to the mappings of `space`, one place of the file at a time."""
        found = {}
        for number, span in enumerate(self.zaps):
            for pgoff in sorted({vma.pgoff for vma in mapped(Mm(self.spaces[space]), span)}):
                found[number, self._place(pgoff)] = self._zap(phys, space, span, pgoff)
        return found

    def renamed(self, names: int, space: int) -> int:
        """A space that was not touched, under the names that hold after an outcome."""
        value = normal_space(self.spaces[space], self.names[names], self.design)
        return self.spaces.number(value)

    def _outcome(self, number: int, phys: int, space: int) -> Outcome:
        setting, action = self.setting, self.setting.actions[number]
        zap = self._zap_of.get(number, -1)
        if isinstance(action.op, ops.Zap):
            return Outcome(number, phys, NOBODY, NOBODY, -1, 0, inside=True, zap=zap)
        self.evaluations += 1
        alone = self.world(phys, () if space == NOBODY else (space,))
        step = self._short_way(alone, action)
        if step is None:
            program = action.by(0, len(alone.processes))
            step = setting.perform(alone, program, self.watched - ORACLE)
        after = [process.space for process in step.world.processes]
        found = self._settled(number, phys, step.world.phys, after, bits(step.broken))
        answer = self.answers.number(step.answer) if step.answer and self.watched & ORACLE else -1
        return attrs.evolve(found, zap=zap, answer=answer)

    def _short_way(self, alone: World, action: Action) -> Step | None:
        """An operation on the process's own memory: what `perform` does, without the world.

        None if the operation is of another kind, or the kernel hit a BUG in it.
        """
        op = action.op
        if len(action.ops) > 1 or type(op) not in LOCAL_CALLS:
            return None
        process, kernel = alone.processes[0], self.setting.kernel
        file = dict(process.fds)[op.fd] if isinstance(op, ops.Mmap) else None
        local = kernel.local(op, file, process.space, alone.phys, process.task)
        if any(isinstance(event, Oops) for event in local.events):
            return None
        after = assemble((local.space,), local.phys, self.fds)
        watched = self.watched - ORACLE
        books = judge_books(kernel, alone, op, after, local.result, local.events)
        broken = watched & {violation.property for violation in books}
        return Step(after, broken, answer_to(op, after, local.result))

    def _zap(self, phys: int, space: int, span: Span, pgoff: int) -> Outcome:
        """The part of `unmap_mapping_range()` that concerns one space and one page offset."""
        self.evaluations += 1
        mm = Mm(self.spaces[space])
        step = self.setting.kernel.step(self.physes[phys], Task(NAMES[0], 0))
        step.spaces, step.mmap_lock = [mm], Lock.NONE
        for vma in mapped(mm, span):
            if vma.pgoff == pgoff:
                unmap_mapping_range_vma(step, mm, vma, span)
        found = quiet(step.events) + wrong_owner(step.events)
        return self._settled(-1, phys, step.phys, [mm.freeze()], self._bits(found))

    def _settled(
        self, action: int, before: int, phys: Physical, spaces: list[AddressSpace], broken: int
    ) -> Outcome:
        """Normal forms, and their numbers."""
        names, bounds = renaming(phys), self.setting.bounds
        phys = normal_phys(phys, names)
        normal = [normal_space(each, names, self.design) for each in spaces]
        numbers = [*map(self.spaces.number, normal), NOBODY, NOBODY]
        same = self._same(before)
        kept = names == same or (
            {*same.owners} <= {*names.owners} and {*same.contexts} <= {*names.contexts}
        )
        return Outcome(
            action=action,
            phys=self.physes.number(phys),
            space=numbers[0],
            child=numbers[1],
            names=-1 if kept else self.names.number(names),
            broken=broken,
            inside=bounds.phys(phys) and all(map(bounds.space, normal)),
        )

    def _same(self, phys: int) -> Renaming:
        """The renaming that leaves a normal physical part as it is."""
        found = self._own_names.get(phys)
        if found is None:
            found = self._own_names[phys] = renaming(self.physes[phys])
        return found

    def _bits(self, violations: list[Violation]) -> int:
        return bits(self.watched & {violation.property for violation in violations})

    def _span(self, op: Op) -> Span:
        """File pages that an action on a file zaps."""
        window = self.setting.window
        if isinstance(op, ops.Request):
            return Span(IOMEM, window.pfn + op.off, window.pfn + op.off + op.pages)
        assert isinstance(op, ops.Zap)  # noqa: S101 - the two actions that reach a file
        first = op.off + (window.pfn if op.window else 0)
        return Span(dict(self.fds)[op.fd].mapping, first, first + op.pages, op.even_cows)

    def _place(self, pgoff: int) -> int:
        """Page offsets count from the window's start or, for some files, from pfn 0."""
        pfns, first = self.setting.bounds.pfns, self.setting.window.pfn
        place = pgoff if pgoff < pfns else pgoff - first + pfns
        assert 0 <= place < self.places  # noqa: S101 - actions stay within the window
        return place


def bits(names: frozenset[str] | set[str]) -> int:
    """Properties as bits in the order of ORDER."""
    return sum(1 << number for number, name in enumerate(ORDER) if name in names)


def names_of(broken: int) -> frozenset[str]:
    """Bits as properties."""
    return frozenset(name for number, name in enumerate(ORDER) if broken >> number & 1)
