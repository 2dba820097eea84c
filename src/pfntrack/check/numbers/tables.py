"""The model as tables: each operation evaluated once for the components it touches.

Address spaces and physical parts are numbered as they are met. What a process
does by itself is worked out for its space and the physical part (a pair): by
the model, or from what it has been seen to ask the physical part (`replay`). A
zap through a file is a fold over the mappings of the file, so it is worked out
step by step: one address space and one page offset of the file at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.numbers.intern import Interned
from pfntrack.check.numbers.replay import Calls, Key, Leaf
from pfntrack.check.search.actions import FILE, FORK, KERNEL, LOCAL
from pfntrack.check.search.local import Done, Model
from pfntrack.check.search.normal import Renaming, assemble, normal_phys, normal_space, renaming
from pfntrack.check.search.setting import NOTHING, Answer, Setting
from pfntrack.drivers.kernel import IOMEM
from pfntrack.mm import ops
from pfntrack.mm.calls.truncate import Span, mapped
from pfntrack.mm.ops import Op
from pfntrack.mm.space import AddressSpace, Mm
from pfntrack.pat.physical import Physical
from pfntrack.releases import World

# Stands for "no address space" among the numbers of spaces.
NOBODY = -1
ORDER = tuple(PROPERTIES)

# Flags of an outcome. What replaces the actor's own mappings asks for what the
# others map.
INSIDE, FORKS, NEEDS_SOMEBODY, REPLACES = 1, 2, 4, 8


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
        self._own_actions: dict[int, list[int]] = {}
        self._inside: dict[int, bool] = {}
        # Components as operations leave them: the renaming that makes a physical
        # part normal and what it becomes, and what spaces become under renamings.
        self._answers = self.model.answers
        self._calls = Calls(self._answers)
        self._left: Interned[AddressSpace] = Interned()
        self._renamings: Interned[Renaming] = Interned()
        self._number_left: dict[int, int] = {}
        self._normal: dict[int, tuple[int, int, bool]] = {}
        self._normal_spaces: dict[tuple[int, int], tuple[int, bool]] = {}
        self._renamed: dict[tuple[int, int], int] = {}
        # What zaps make of spaces, by zap and space, where nothing else has a say.
        self._alone: dict[tuple[int, int], int] = {}
        self._places_of: dict[int, list[list[tuple[int, int]]]] = {}
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
        # Zaps at one place are no actions of their own: their number is -1.
        self._flags.append(0)

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
            (number, place): self._zapped_at(number, pgoff, place, phys, space)
            for number, places in enumerate(self._mapped_at(space))
            for pgoff, place in places
        }

    def zapped_alone(self, number: int, phys: int, space: int) -> Outcome:
        """What a whole zap does to `space`, at all places of the file one after the other.

        It becomes NOBODY if the physical part has a say in it, or something breaks.
        """
        after = self._alone.get((number, space)) if self._fits(phys) else NOBODY
        if after is None:
            after = space
            for pgoff, place in self._mapped_at(space)[number]:
                outcome = self._zapped_at(number, pgoff, place, phys, after)
                looks = not self._calls.asks_nothing((-1 - number, place, after))
                after = outcome.space
                if looks or outcome.broken or not outcome.flags & INSIDE:
                    after = NOBODY
                    break
            self._alone[number, space] = after
        return Outcome(-1, phys, after, NOBODY, -1, 0, 0)

    def _mapped_at(self, space: int) -> list[list[tuple[int, int]]]:
        """For each zap, where a space maps what it covers: page offsets and places."""
        found = self._places_of.get(space)
        if found is None:
            mm = Mm(self.spaces[space])
            offsets = (sorted({vma.pgoff for vma in mapped(mm, span)}) for span in self.zaps)
            found = [[(pgoff, self._place(pgoff)) for pgoff in each] for each in offsets]
            self._places_of[space] = found
        return found

    def _zapped_at(self, number: int, pgoff: int, place: int, phys: int, space: int) -> Outcome:
        def call() -> Done:
            return self.model.zap(self.zaps[number], pgoff, self.spaces[space], self.physes[phys])

        return self._called((-1 - number, place, space), phys, call)

    def renamed(self, names: int, space: int) -> int:
        """A space that was not touched, under the names that hold after an outcome."""
        value = normal_space(self.spaces[space], self.names[names], self.design)
        return self.spaces.number(value)

    def _outcome(self, number: int, phys: int, space: int) -> Outcome:
        action = self.setting.actions[number]
        zap = self._zap_of.get(number, -1)
        if zap >= 0 and isinstance(action.op, ops.Zap):
            flags = INSIDE | self._flags[number]
            return Outcome(number, phys, NOBODY, NOBODY, -1, 0, flags, zap)

        def call() -> Done:
            alone = None if space == NOBODY else self.spaces[space]
            return self.model.act(action, alone, self.physes[phys])

        return self._called((number, 0, space), phys, call, number, zap)

    def _called(
        self, key: Key, phys: int, call: Callable[[], Done], action: int = -1, zap: int = -1
    ) -> Outcome:
        """What a call leads to: from its tree, else by the model itself."""
        found = self._calls.follow(key, self._raw(phys))
        if found is not None:
            leaf, after, broken = found
            return self._settled(action, phys, leaf.spaces, after, broken, zap)
        self.evaluations += 1
        done = call()
        spaces = tuple(map(self._left.number, done.spaces))
        if not done.looked:
            self._calls.add(key, done.asked, Leaf(spaces, done.own))
        after = self._answers.physes.number(done.phys)
        answer = -1 if done.answer is None else self.answers.number(done.answer)
        return self._settled(action, phys, spaces, after, done.broken, zap, answer)

    def _settled(
        self,
        action: int,
        before: int,
        left: tuple[int, ...],
        after: int,
        broken: frozenset[str],
        zap: int,
        answer: int = -1,
    ) -> Outcome:
        """Normal forms of what a call has left, and their numbers."""
        names, phys, inside = self._normal.get(after) or self._normal_phys(after)
        same, _, _ = self._normal[self._raw(before)]
        space = child = renaming = NOBODY
        if left:
            space, fits = self._space(left[0], names)
            inside = inside and fits
            if len(left) > 1:
                child, fits = self._space(left[1], names)
                inside = inside and fits
        if names != same:
            renaming = self._others(same, names)
        flags = self._flags[action] | INSIDE if inside else self._flags[action]
        wrong = bits(broken) if broken else 0
        return Outcome(action, phys, space, child, renaming, wrong, flags, zap, answer)

    def _raw(self, phys: int) -> int:
        """A normal physical part among those that operations leave."""
        found = self._number_left.get(phys)
        if found is None:
            found = self._number_left[phys] = self._answers.physes.number(self.physes[phys])
            self._normal_phys(found)
        return found

    def _normal_phys(self, left: int) -> tuple[int, int, bool]:
        """The renaming that makes a physical part normal, what it becomes, is it within bounds."""
        phys = self._answers.physes[left]
        names = renaming(phys)
        number = self.physes.number(normal_phys(phys, names))
        found = self._normal[left] = self._renamings.number(names), number, self._fits(number)
        return found

    def _space(self, left: int, names: int) -> tuple[int, bool]:
        """What a space becomes under a renaming, and whether it is within the bounds."""
        found = self._normal_spaces.get((left, names))
        if found is None:
            value = normal_space(self._left[left], self._renamings[names], self.design)
            found = self.spaces.number(value), self.setting.bounds.space(value)
            self._normal_spaces[left, names] = found
        return found

    def _others(self, same: int, names: int) -> int:
        """The number of a renaming, -1 if it leaves all names but of those that are gone."""
        found = self._renamed.get((same, names))
        if found is None:
            before, after = self._renamings[same], self._renamings[names]
            kept = {*before.owners} <= {*after.owners} and {*before.contexts} <= {*after.contexts}
            found = self._renamed[same, names] = NOBODY if kept else self.names.number(after)
        return found

    def _fits(self, phys: int) -> bool:
        """Is the physical part within the bounds?"""
        found = self._inside.get(phys)
        if found is None:
            found = self._inside[phys] = self.setting.bounds.phys(self.physes[phys])
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
