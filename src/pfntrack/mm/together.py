"""A call that overlaps with another: it stops at every point, and goes on when it may.

A paused call is a value: the states in which it has gone on so far. To run its next
part, the call is performed again from its beginning; at each earlier point it
is given the state that it saw then. Calls are deterministic, so it comes to the
same place with the same local variables, and needs neither threads nor anything
else that could not be kept, compared or thrown away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from pfntrack.mm import pagetable
from pfntrack.mm.pagetable import PTRS_PER_PTE, blocks
from pfntrack.mm.points import Lock
from pfntrack.mm.shared import (
    FAILURES,
    LOCKS,
    PHYS,
    STALE,
    UNLISTED,
    Held,
    LockName,
    Shared,
    SharedMm,
    Stale,
    Values,
)
from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import File, Vma
from pfntrack.pat.context import Failure
from pfntrack.pat.physical import Physical


@attrs.frozen
class Pause:
    """Where a call has stopped: what comes next, and the lock that it needs for that."""

    function: str
    what: str
    wants: Held | None = None


class PausedError(BaseException):
    """The call has come to the end of a part; nothing of the model catches it."""

    def __init__(self, pause: Pause) -> None:
        super().__init__(pause)
        self.pause = pause


def compatible(held: Iterable[Held], wants: Held) -> bool:
    """Can the lock be had? Several may read, or one write; nobody takes it twice."""
    return not any(
        each.lock == wants.lock and (each.write or wants.write or each.call == wants.call)
        for each in held
    )


class Together(Step):
    """The context of call number `call`, which goes on at its points as `moments` say."""

    def __init__(
        self, shared: Shared, call: int, moments: Sequence[Values], child: Mm | None, *args: Any
    ) -> None:
        self.shared = shared
        self.number = call
        self.moments = moments
        self.child = child
        self.part = 0
        # What the part did against the rules of locking, in plain words.
        self.broken: list[str] = []
        # Pairs of locks, the second of which was taken while the first was held.
        self.order: list[tuple[Held, Held]] = []
        super().__init__(*args)
        shared.restore(moments[0])

    @property
    def phys(self) -> Physical:
        """The physical part, which all calls share."""
        physical: Physical = self.shared.get(PHYS)
        return physical

    @phys.setter
    def phys(self, value: Physical) -> None:
        self.shared.set(PHYS, value)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The armed failures."""
        armed: tuple[Failure, ...] = self.shared.get(FAILURES)
        return armed

    @failures.setter
    def failures(self, value: tuple[Failure, ...]) -> None:
        self.shared.set(FAILURES, value)

    # ------------------------------------------------------------- points

    def point(self, function: str, what: str) -> None:
        self._pause(Pause(function, what))

    def _pause(self, pause: Pause) -> None:
        """End the part here, unless the state in which the next one begins is known."""
        self._drop_momentary()
        self.part += 1
        if self.part == len(self.moments):
            raise PausedError(pause)
        self.shared.restore(self.moments[self.part])

    def _take(self, function: str, lock: LockName, *, write: bool) -> None:
        wants = Held(lock, write, self.number)
        self._pause(Pause(function, f"of {lock.of}", wants))
        mine = [held for held in self._held() if held.call == self.number]
        self.order += [(held, wants) for held in mine]
        self._set_held((*self._held(), wants))

    def _release(self, lock: LockName) -> None:
        self._set_held(
            each for each in self._held() if (each.lock, each.call) != (lock, self.number)
        )

    def release_all(self) -> None:
        """The call is over."""
        self._set_held(each for each in self._held() if each.call != self.number)

    def _drop_momentary(self) -> None:
        """The file's index was locked for writing for this part only."""
        left = tuple(
            each
            for each in self._held()
            if not (each.lock.kind == "i_mmap_rwsem" and each.write and each.call == self.number)
        )
        if left != self._held():
            self._set_held(left)

    def _held(self) -> tuple[Held, ...]:
        held: tuple[Held, ...] = self.shared.values[LOCKS]  # type: ignore[assignment]
        return held

    def _set_held(self, held: Iterable[Held]) -> None:
        self.shared.set(LOCKS, tuple(sorted(held, key=lambda each: (each.lock, each.call))))

    def holds(self, kind: str, of: str, *, write: bool = False) -> bool:
        """Does this call hold that lock?"""
        return any(
            each.call == self.number
            and each.lock == LockName(kind, of)
            and (each.write or not write)
            for each in self._held()
        )

    # -------------------------------------------------------------- locks

    def mmap_write_lock(self, mm: Mm) -> None:
        if not self.holds("mmap_lock", _name(mm), write=True):
            self._take("mmap_write_lock", LockName("mmap_lock", _name(mm)), write=True)
        self.mmap_lock = Lock.WRITE

    def mmap_read_lock(self, mm: Mm) -> None:
        self._take("mmap_read_lock", LockName("mmap_lock", _name(mm)), write=False)
        self.mmap_lock = Lock.READ

    def mmap_read_unlock(self, mm: Mm) -> None:
        self._release(LockName("mmap_lock", _name(mm)))
        self.point("the program", "tries the access again")

    def i_mmap_lock_read(self, mapping: str) -> None:
        self._take("i_mmap_lock_read", LockName("i_mmap_rwsem", mapping), write=False)
        self.mmap_lock = Lock.NONE

    def i_mmap_unlock_read(self, mapping: str) -> None:
        self._release(LockName("i_mmap_rwsem", mapping))

    def i_mmap_change(self, file: File | None) -> None:
        if file is not None:
            self._take("i_mmap_lock_write", LockName("i_mmap_rwsem", file.mapping), write=True)

    # ------------------------------------------------- VMAs, entries, TLB

    def reread(self, mm: Mm, vma: Vma) -> Vma:
        return mm.current(vma)

    def batches(self, start: int, end: int) -> Iterable[tuple[int, int]]:
        for block in blocks(start, end):
            self.point("zap_pte_range", "the page-table lock, entries cleared")
            yield max(start, block * PTRS_PER_PTE), min(end, (block + 1) * PTRS_PER_PTE)

    def present(self, mm: Mm, start: int, end: int) -> Iterable[tuple[int, int]]:
        runs = pagetable.within(mm.ptes, start, end)
        return [(run.start, run.end) for run in runs if run.special]

    def clearing(self, mm: Mm, start: int, end: int) -> None:
        runs = pagetable.within(mm.ptes, start, end)
        gone = [
            Stale(
                self.number,
                _name(mm),
                run.start,
                run.end,
                run.pfn,
                run.cache,
                _reserved(mm, run, follows=self.tracking.follows_entries),
            )
            for run in runs
            if run.pfn is not None
        ]
        if gone:
            self._set_stale((*self._stale(), *gone))

    def flush(self, function: str) -> None:
        if any(each.call == self.number for each in self._stale()):
            self.point(function, "flushes the TLB")
            self._set_stale(each for each in self._stale() if each.call != self.number)

    def _stale(self) -> tuple[Stale, ...]:
        """What any call has cleared and not flushed; no call can see it."""
        stale: tuple[Stale, ...] = self.shared.values[STALE]  # type: ignore[assignment]
        return stale

    def _set_stale(self, stale: Iterable[Stale]) -> None:
        self.shared.set(STALE, tuple(sorted(stale, key=lambda each: (each.space, each.start))))

    def unlisted(self, mm: Mm, vma: Vma) -> None:
        if vma.file is not None:
            hidden = self.shared.get(UNLISTED) | {(_name(mm), vma.start)}
            self.shared.set(UNLISTED, hidden)

    def listed(self, mm: Mm, vma: Vma) -> None:
        hidden = self.shared.get(UNLISTED)
        if (_name(mm), vma.start) in hidden:
            self.shared.set(UNLISTED, hidden - {(_name(mm), vma.start)})

    def in_index(self, mm: Mm, vmas: list[Vma]) -> list[Vma]:
        hidden = self.shared.get(UNLISTED)
        return [vma for vma in vmas if (_name(mm), vma.start) not in hidden]

    def new_mm(self) -> Mm:
        assert self.child is not None  # noqa: S101 - only fork asks, and has one
        return self.child


def _name(mm: Mm) -> str:
    assert isinstance(mm, SharedMm)  # noqa: S101 - overlapping calls see no others
    return mm.name


def _reserved(mm: Mm, run: pagetable.PteRun, *, follows: bool) -> bool:
    """Does a reservation have to cover the entry? A full remap made it where it is."""
    vma = mm.find(run.start)
    if vma is None or run.pfn is None:
        return False
    made = vma.origin is not None and run.pfn - vma.origin == run.start - vma.start
    return made or follows
