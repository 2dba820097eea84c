"""The model as tables: each operation evaluated once for the components it touches.

Address spaces and physical parts are numbered as they are met. What a process
does by itself is worked out for its space and the physical part (a pair); what
does not look at the physical part, once for the space. A zap through a file
is a fold over the mappings of the file, so it is worked out step by step: one
address space and one page offset of the file at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pfntrack.check.actions import FILE, FORK, KERNEL, LOCAL
from pfntrack.check.intern import Interned
from pfntrack.check.local import Done, Model
from pfntrack.check.normal import Renaming, assemble, normal_phys, normal_space, renaming
from pfntrack.check.properties import PROPERTIES
from pfntrack.check.setting import NOTHING, Answer, Setting
from pfntrack.drivers.kernel import IOMEM
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.mm.space import AddressSpace, Mm
from pfntrack.mm.truncate import Span, mapped
from pfntrack.pat.physical import Physical
from pfntrack.releases import World

# Stands for "no address space" among the numbers of spaces.
NOBODY = -1
ORDER = tuple(PROPERTIES)

# Flags of an outcome. What replaces the actor's own mappings asks for what the
# others map. A PLAIN one changes the physical part and the actor's space, and
# nothing else.
INSIDE, FORKS, NEEDS_SOMEBODY, REPLACES, PLAIN = 1, 2, 4, 8, 16


class Outcome(NamedTuple):
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
    flags: int
    zap: int = -1
    answer: int = -1


class Tables:
    """All components met so far, and what operations make of them."""

    def __init__(self, setting: Setting, watched: frozenset[str]) -> None:
        self.setting = setting
        self.watched = watched
        self.design = setting.release.design
        self.model = Model(setting, watched)
        self.spaces: Interned[AddressSpace] = Interned()
        self.physes: Interned[Physical] = Interned()
        self.names: Interned[Renaming] = Interned()
        self.answers: Interned[Answer] = Interned()
        self.evaluations = 0
        self.zaps: list[Span] = []
        self._zap_of: dict[int, int] = {}
        self._own_names: dict[int, Renaming] = {}
        self._own_actions: dict[int, list[int]] = {}
        self._inside: dict[int, bool] = {}
        # Physical parts as operations leave them: their names, and the normal form's number.
        self._raw: dict[Physical, tuple[Renaming, int]] = {}
        # Outcomes that no physical part has a say in: by action, or by zap and place.
        self._free: dict[tuple[int, int, int], Outcome] = {}
        # What zaps make of spaces, by zap and space, where nothing else has a say.
        self._alone: dict[tuple[int, int], int] = {}
        for number, action in enumerate(setting.actions):
            if action.reach == FILE:
                self._zap_of[number] = len(self.zaps)
                self.zaps.append(self._span(action.op))
        self._flags = [
            (FORKS if action.reach == FORK else 0)
            | (NEEDS_SOMEBODY if isinstance(action.op, ops.Zap) else 0)
            | (REPLACES if action.replaces else 0)
            for action in setting.actions
        ]

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
        known = tuple(self.spaces[each] for each in spaces)
        return assemble(known, self.physes[phys], self.model.fds)

    def outcomes(self, phys: int, space: int) -> list[Outcome]:
        """All actions of a process with `space`; those of nobody in particular for NOBODY."""
        if space == NOBODY:
            numbers = self._tried(phys, NOTHING, (KERNEL, FILE))
        else:
            # Guards of a process's own actions look at its space only.
            known = self._own_actions.get(space)
            if known is None:
                known = self._tried(phys, self.spaces[space], (LOCAL, FORK))
                self._own_actions[space] = known
            numbers = known
        return [self._outcome(number, phys, space) for number in numbers]

    def _tried(self, phys: int, space: AddressSpace, reaches: tuple[str, ...]) -> list[int]:
        """Actions that make sense, among those of this reach."""
        setting, physical = self.setting, self.physes[phys]
        return [
            number
            for number, action in enumerate(setting.actions)
            if action.reach in reaches and setting.enabled(action, space, physical)
        ]

    def zapped(self, phys: int, space: int) -> dict[tuple[int, int], Outcome]:
        """What each zap does to the mappings of `space`, one place of the file at a time."""
        return {
            (number, self._place(pgoff)): self._zapped_at(number, pgoff, phys, space)
            for number in range(len(self.zaps))
            for pgoff in self._mapped_at(number, space)
        }

    def zapped_alone(self, number: int, phys: int, space: int) -> Outcome:
        """What a whole zap does to `space`, at all places of the file one after the other.

        It becomes NOBODY if the physical part has a say in it, or something breaks.
        """
        after = self._alone.get((number, space))
        if after is None:
            after = space
            for pgoff in self._mapped_at(number, space):
                outcome = self._zapped_at(number, pgoff, phys, after)
                key = -1 - number, self._place(pgoff), after
                after = outcome.space
                if key not in self._free or outcome.broken or not self._is_inside(after):
                    after = NOBODY
                    break
            self._alone[number, space] = after
        if not self._fits(phys):
            after = NOBODY
        return Outcome(-1, phys, after, NOBODY, -1, 0, 0)

    def _mapped_at(self, number: int, space: int) -> list[int]:
        """Page offsets at which a space maps what a zap covers."""
        return sorted({vma.pgoff for vma in mapped(Mm(self.spaces[space]), self.zaps[number])})

    def _zapped_at(self, number: int, pgoff: int, phys: int, space: int) -> Outcome:
        key = -1 - number, self._place(pgoff), space
        outcome = self._known(key, phys)
        if outcome is None:
            self.evaluations += 1
            span = self.zaps[number]
            done = self.model.zap(span, pgoff, self.spaces[space], self.physes[phys])
            outcome = self._settled(-1, phys, done)
            if not done.looked:
                self._free[key] = outcome
        return outcome

    def renamed(self, names: int, space: int) -> int:
        """A space that was not touched, under the names that hold after an outcome."""
        value = normal_space(self.spaces[space], self.names[names], self.design)
        return self.spaces.number(value)

    def _outcome(self, number: int, phys: int, space: int) -> Outcome:
        action = self.setting.actions[number]
        zap = self._zap_of.get(number, -1)
        if isinstance(action.op, ops.Zap):
            flags = INSIDE | self._flags[number]
            return Outcome(number, phys, NOBODY, NOBODY, -1, 0, flags, zap)
        key = number, 0, space
        known = self._known(key, phys)
        if known is not None:
            return known
        self.evaluations += 1
        alone = None if space == NOBODY else self.spaces[space]
        done = self.model.act(action, alone, self.physes[phys])
        outcome = self._settled(number, phys, done, zap)
        if not done.looked:
            self._free[key] = outcome
        return outcome

    def _known(self, key: tuple[int, int, int], phys: int) -> Outcome | None:
        """An outcome that does not depend on the physical part, beside this one."""
        free = self._free.get(key)
        if free is None or free.phys == phys:
            return free
        if self._fits(phys) != self._fits(free.phys):
            return None
        return free._replace(phys=phys)

    def _settled(self, action: int, before: int, done: Done, zap: int = -1) -> Outcome:
        """Normal forms, and their numbers."""
        same = self._same(before)
        if done.phys is self.physes[before]:
            names, after = same, before
        else:
            known = self._raw.get(done.phys)
            if known is None:
                names = renaming(done.phys)
                known = names, self.physes.number(normal_phys(done.phys, names))
                self._raw[done.phys] = known
            names, after = known
        kept = names == same or (
            {*same.owners} <= {*names.owners} and {*same.contexts} <= {*names.contexts}
        )
        normal = [normal_space(each, names, self.design) for each in done.spaces]
        numbers = [*map(self.spaces.number, normal), NOBODY, NOBODY]
        flags = self._flags[action] if action >= 0 else 0
        if self._fits(after) and all(map(self.setting.bounds.space, normal)):
            flags |= INSIDE
        if kept and len(normal) == 1 and zap < 0:
            flags |= PLAIN
        return Outcome(
            action,
            after,
            numbers[0],
            numbers[1],
            -1 if kept else self.names.number(names),
            bits(done.broken) if done.broken else 0,
            flags,
            zap,
            -1 if done.answer is None else self.answers.number(done.answer),
        )

    def _fits(self, phys: int) -> bool:
        """Is the physical part within the bounds?"""
        found = self._inside.get(phys)
        if found is None:
            found = self._inside[phys] = self.setting.bounds.phys(self.physes[phys])
        return found

    def _is_inside(self, space: int) -> bool:
        """Is the space within the bounds?"""
        return self.setting.bounds.space(self.spaces[space])

    def _same(self, phys: int) -> Renaming:
        """The renaming that leaves a normal physical part as it is."""
        found = self._own_names.get(phys)
        if found is None:
            found = self._own_names[phys] = renaming(self.physes[phys])
        return found

    def _span(self, op: Op) -> Span:
        """File pages that an action on a file zaps."""
        window = self.setting.window
        if isinstance(op, ops.Request):
            return Span(IOMEM, window.pfn + op.off, window.pfn + op.off + op.pages)
        assert isinstance(op, ops.Zap)  # noqa: S101 - the two actions that reach a file
        first = op.off + (window.pfn if op.window else 0)
        return Span(dict(self.model.fds)[op.fd].mapping, first, first + op.pages, op.even_cows)

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
