"""The model as tables: each operation evaluated once for the components it touches.

Address spaces and physical parts are numbered as they are met; a state is the
number of the physical part and those of the spaces, in order of birth. An
action of one process is performed in a world of that process alone, a zap
through the file in a world of the processes that map it, and the outcome is
remembered by the numbers of the components. The functions are those of the
model: nothing is written twice.
"""

from __future__ import annotations

import attrs

from pfntrack.check.actions import FORK, KERNEL, LOCAL
from pfntrack.check.intern import Interned
from pfntrack.check.normal import Renaming, assemble, normal_phys, normal_space, renaming
from pfntrack.check.properties import judge_state
from pfntrack.check.setting import NOTHING, ORACLE, Setting
from pfntrack.check.summary import Summary, summary
from pfntrack.designs.base import Design
from pfntrack.drivers.kernel import IOMEM
from pfntrack.mm import ops
from pfntrack.mm.space import AddressSpace, Mm
from pfntrack.mm.truncate import Span, mapped
from pfntrack.pat.physical import Physical
from pfntrack.releases import World

# A state: the number of the physical part, then those of the address spaces.
State = tuple[int, ...]


@attrs.frozen
class Local:
    """An outcome in numbers: what became of the components that were touched.

    `spaces` has one member for each process that the touched ones have become:
    none after an exit, two after a fork. `names` numbers the renaming that all
    others undergo.
    """

    action: int
    phys: int
    spaces: tuple[int, ...]
    names: int
    broken: frozenset[str]
    inside: bool


class Tables:
    """All components met so far, and what became of them."""

    def __init__(self, setting: Setting, watched: frozenset[str]) -> None:
        self.setting = setting
        self.watched = watched
        self.fds = setting.start.processes[0].fds
        self.spaces: Interned[AddressSpace] = Interned()
        self.physes: Interned[Physical] = Interned()
        self.names: Interned[Renaming] = Interned()
        self.evaluations = 0
        self._local: dict[tuple[int, int], tuple[Local, ...]] = {}
        self._kernel: dict[int, tuple[Local, ...]] = {}
        self._file: dict[tuple[int, int, tuple[int, ...]], Local] = {}
        self._touched: dict[tuple[int, int], bool] = {}
        self._renamed: dict[tuple[int, int], int] = {}

    def state(self, world: World) -> State:
        """The numbers of a normal world."""
        spaces = (self.spaces.number(process.space) for process in world.processes)
        return self.physes.number(world.phys), *spaces

    def world(self, state: State) -> World:
        """The normal world behind the numbers."""
        spaces = tuple(self.spaces[number] for number in state[1:])
        return assemble(spaces, self.physes[state[0]], self.fds)

    def local(self, space: int, phys: int) -> tuple[Local, ...]:
        """Outcomes of all actions that a process with `space` can take by itself."""
        found = self._local.get((space, phys))
        if found is None:
            found = self._local[space, phys] = self._outcomes((phys, space), (LOCAL, FORK))
        return found

    def kernel(self, phys: int) -> tuple[Local, ...]:
        """Outcomes of all actions of the kernel for itself."""
        found = self._kernel.get(phys)
        if found is None:
            found = self._kernel[phys] = self._outcomes((phys,), (KERNEL,))
        return found

    def file(self, action: int, state: State) -> tuple[Local, tuple[int, ...]] | None:
        """The outcome of a zap through a file and the places of those it touches.

        None if the action cannot be tried.
        """
        setting, phys = self.setting, state[0]
        found = setting.actions[action]
        if not setting.slots(found, len(state) - 1):
            return None
        places = tuple(at for at, space in enumerate(state[1:]) if self._touches(action, space))
        key = action, phys, tuple(state[1 + at] for at in places)
        outcome = self._file.get(key)
        if outcome is None:
            if not setting.enabled(found, NOTHING, self.physes[phys]):
                return None
            # Where nobody is touched, somebody who maps nothing has the file open.
            nobody = () if places else (self.spaces.number(NOTHING),)
            outcome = self._perform((phys, *key[2], *nobody), action)
            if nobody:
                outcome = attrs.evolve(outcome, spaces=())
            self._file[key] = outcome
        return outcome, places

    def renamed(self, names: int, space: int) -> int:
        """A space that was not touched, under the names that hold after an outcome."""
        found = self._renamed.get((names, space))
        if found is None:
            value = normal_space(self.spaces[space], self.names[names], self._design)
            found = self._renamed[names, space] = self.spaces.number(value)
        return found

    @property
    def _design(self) -> Design:
        return self.setting.release.design

    def _outcomes(self, state: State, reaches: tuple[str, ...]) -> tuple[Local, ...]:
        space = self.spaces[state[1]] if len(state) > 1 else NOTHING
        return tuple(
            self._perform(state, number)
            for number, action in enumerate(self.setting.actions)
            if action.reach in reaches
            and self.setting.enabled(action, space, self.physes[state[0]])
        )

    def _perform(self, state: State, number: int) -> Local:
        """Perform an action in the world of those whom it touches."""
        setting = self.setting
        program = setting.actions[number].by(0, len(state) - 1)
        self.evaluations += 1
        step = setting.perform(self.world(state), program, self.watched - ORACLE)
        names = renaming(step.world.phys)
        phys = normal_phys(step.world.phys, names)
        spaces = tuple(
            normal_space(process.space, names, self._design) for process in step.world.processes
        )
        inside = setting.bounds.phys(phys) and all(map(setting.bounds.space, spaces))
        return Local(
            number,
            self.physes.number(phys),
            tuple(map(self.spaces.number, spaces)),
            self.names.number(names),
            step.broken,
            inside,
        )

    def _touches(self, action: int, space: int) -> bool:
        """Does `space` map pages that the action zaps?"""
        found = self._touched.get((action, space))
        if found is None:
            span = self._span(action)
            found = self._touched[action, space] = bool(mapped(Mm(self.spaces[space]), span))
        return found

    def _span(self, action: int) -> Span:
        """File pages that an action on a file zaps."""
        op, window = self.setting.actions[action].op, self.setting.window
        if isinstance(op, ops.Request):
            return Span(IOMEM, window.pfn + op.off, window.pfn + op.off + op.pages)
        assert isinstance(op, ops.Zap)  # noqa: S101 - the two actions that reach a file
        first = op.off + (window.pfn if op.window else 0)
        return Span(dict(self.fds)[op.fd].mapping, first, first + op.pages)


class Judge:
    """Verdicts, worked out once for each distinct sum of facts."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.judgements = 0
        self._sums: Interned[Summary] = Interned()
        self._summary: dict[tuple[int, int], int] = {}
        self._added: dict[tuple[int, int], int] = {}
        self._verdicts: dict[tuple[int, int], frozenset[str]] = {}
        self._maps: Interned[tuple[tuple[int, int, int], ...]] = Interned()
        self._map: dict[int, int] = {}
        self._asked: dict[tuple[int, int, int, tuple[int, ...]], frozenset[str]] = {}

    def state(self, state: State) -> frozenset[str]:
        """Watched properties that are broken in a state."""
        phys, total = state[0], self._sums.number(Summary())
        for space in state[1:]:
            total = self._add(total, self._facts(space, phys))
        found = self._verdicts.get((phys, total))
        if found is None:
            self.judgements += 1
            world = self.tables.world(state)
            broken = judge_state(self.tables.setting.kernel, world)
            found = self.tables.watched & {violation.property for violation in broken}
            self._verdicts[phys, total] = found
        return found

    def request(self, state: State, action: int, slot: int) -> frozenset[str]:
        """Watched properties that ask the oracle and are broken by a step.

        The oracle sees the process that asks, and of the others what they map.
        """
        space = state[1 + slot] if len(state) > 1 else -1
        key = action, state[0], space, tuple(self._live(each) for each in state[1:])
        found = self._asked.get(key)
        if found is None:
            self.judgements += 1
            setting = self.tables.setting
            program = setting.actions[action].by(slot, len(state) - 1)
            step = setting.perform(self.tables.world(state), program, self.tables.watched)
            found = self._asked[key] = step.broken & ORACLE
        return found

    def _facts(self, space: int, phys: int) -> int:
        found = self._summary.get((space, phys))
        if found is None:
            tables = self.tables
            setting = tables.setting
            facts = summary(
                tables.spaces[space],
                tables.physes[phys],
                setting.release.design,
                setting.kernel.machine,
            )
            found = self._summary[space, phys] = self._sums.number(facts)
        return found

    def _add(self, one: int, other: int) -> int:
        found = self._added.get((one, other))
        if found is None:
            both = self._sums[one] + self._sums[other]
            found = self._added[one, other] = self._sums.number(both)
        return found

    def _live(self, space: int) -> int:
        """The raw entries of a space, as the oracle takes them."""
        found = self._map.get(space)
        if found is None:
            runs = tuple(
                (run.pfn, run.end - run.start, run.cache.value)
                for run in self.tables.spaces[space].ptes
                if run.pfn is not None
            )
            found = self._map[space] = self._maps.number(runs)
        return found
