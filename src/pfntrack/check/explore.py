"""Breadth-first search over the tables, level by level, with any number of workers.

The same states, transitions, verdicts and counterexamples as the plain search
over whole worlds, in the same order, whatever the number of workers: blocks of
states are expanded independently, then the table of states, in a fixed number
of parts, is searched part by part, and last the new states are numbered in the
order in which one worker would have met them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import attrs
import numpy as np

from pfntrack.check import kernels
from pfntrack.check.actions import FORK, LOCAL
from pfntrack.check.filling import Filling
from pfntrack.check.kernels import Arrays, Batch
from pfntrack.check.properties import PROPERTIES
from pfntrack.check.report import Cost, Counterexample, Found, coverage
from pfntrack.check.setting import Setting
from pfntrack.check.store import PART_BITS, States
from pfntrack.check.tables import ORDER, bits, names_of

# Blocks of a batch, successors of a block, and things missing that it can report.
BLOCKS, ROOM, LACKS = 64, 1 << 12, 1 << 10


@attrs.frozen
class Limits:
    """When to give up: program length, seconds, bytes, states. None means never."""

    depth: int | None = None
    seconds: float | None = None
    memory: int | None = None
    states: int | None = None


@attrs.define
class Progress:
    """How far a search has come; what a checkpoint holds besides the states.

    States `[level, end)` are `depth` moves from the start, those before `next`
    have been expanded. `steps` are the first steps of the last level that
    broke each property: the state that they started from, and the move.
    """

    depth: int = 0
    level: int = 0
    next: int = 0
    end: int = 1
    cut: int = 0
    seconds: float = 0.0
    unequal: int = 0
    tried: list[int] = attrs.field(factory=list)
    effective: list[int] = attrs.field(factory=list)
    steps: dict[str, tuple[int, int]] = attrs.field(factory=dict)
    pending: dict[str, tuple[int, int]] = attrs.field(factory=dict)
    standing: dict[str, int] = attrs.field(factory=dict)
    found: dict[str, tuple[int, int]] = attrs.field(factory=dict)


def _batch(room: int, actions: int) -> Batch:
    """Space for the successors of one block."""
    return Batch(
        np.empty(room, np.int64),
        np.empty(room, np.int64),
        np.empty(room, np.int32),
        np.empty(room, np.int32),
        np.empty(room, np.int32),
        np.empty(room, np.int32),
        np.empty((LACKS, 5), np.int64),
        np.zeros(actions, np.int64),
        np.zeros(actions, np.int64),
    )


class Search:
    """One search, which can be stopped between batches and taken up again."""

    def __init__(
        self,
        setting: Setting,
        watched: frozenset[str] = frozenset(PROPERTIES),
        *,
        workers: int = 1,
        symmetric: bool = False,
    ) -> None:
        self.setting = setting
        self.watched = watched
        self.workers = workers
        self.symmetric = symmetric
        self.interrupted = False
        self.filling = Filling(setting, watched)
        self.states = States()
        self.states.word0[0], self.states.word1[0] = self.filling.start()
        self.states.count = 1
        self.states.rebuild(self.states.table.size)
        actions = len(setting.actions)
        self.progress = Progress(tried=[0] * actions, effective=[0] * actions)
        reaches = [action.reach for action in setting.actions]
        own = sum(reach in (LOCAL, FORK) for reach in reaches)
        self._widest = own * setting.bounds.processes + actions - own
        self._outs = [_batch(max(ROOM, self._widest), actions) for _ in range(BLOCKS)]

    def run(
        self,
        limits: Limits | None = None,
        *,
        until: frozenset[str] | None = None,
        tick: Callable[[Search], None] | None = None,
    ) -> Found:
        """Search on, until all properties of `until` have broken (the watched ones if None).

        If `until` is empty, to the end. `tick` is called after each batch.
        """
        until = self.watched if until is None else until
        limits = limits or Limits()
        began, before = time.perf_counter(), self.progress.seconds
        why = ""
        with ThreadPoolExecutor(self.workers) as pool:
            while not why and not self.exhausted:
                progress = self.progress
                last = progress.depth == limits.depth

                def ended(last: bool = last) -> str:
                    self.progress.seconds = before + time.perf_counter() - began
                    return "" if last else self._exceeded(limits)

                why = self._batch(pool, ended, last=last)
                if why:
                    break
                if progress.next == progress.end:
                    self._next_level()
                    if until and until <= progress.found.keys() and not self.exhausted:
                        why = "all that was asked for broke"
                    if last:
                        why = f"programs of more than {limits.depth} steps were not tried"
                why = why or ended()
                if tick is not None:
                    tick(self)
        return self.found(why)

    @property
    def exhausted(self) -> bool:
        """Has every state been expanded?"""
        return self.progress.next == self.states.count

    def found(self, why: str = "") -> Found:
        """What is known so far; `why` says what ended the search early."""
        progress, setting = self.progress, self.setting
        groups = [action.group for action in setting.actions]
        # What the level in progress has shown is as good, but may not be the shortest.
        standing = {name: (state, -1) for name, state in progress.standing.items()}
        known = progress.steps | standing | progress.pending | progress.found
        return Found(
            states=self.states.count,
            transitions=sum(progress.tried),
            cut=progress.cut,
            depth=progress.depth,
            complete=not why and self.exhausted,
            counterexamples={
                name: Counterexample(name, self._moves(*known[name]))
                for name in ORDER
                if name in known
            },
            coverage=coverage(setting.ordered, groups, progress.tried, progress.effective),
            why=why,
            settled=frozenset(progress.found),
            cost=Cost(
                self.filling.tables.evaluations,
                self.filling.judge.judgements,
                progress.seconds,
                self.states.bytes,
                self.filling.store.bytes,
            ),
        )

    def _moves(self, state: int, move: int) -> tuple[tuple[int, int], ...]:
        moves = self.states.path(state) + ([move] if move >= 0 else [])
        return tuple((each // 8, each % 8) for each in moves)

    def _next_level(self) -> None:
        """Settle what broke on the level that is done, and begin the next."""
        progress = self.progress
        self._settle()
        progress.pending, progress.steps, progress.standing = progress.steps, {}, {}
        if self.states.count > progress.end:
            progress.depth += 1
        progress.level, progress.end = progress.end, self.states.count
        if self.exhausted:
            self._settle()

    def _settle(self) -> None:
        """Of a step and a state that break a property at one depth, take the first."""
        progress = self.progress
        for name in ORDER:
            if name in progress.found:
                continue
            step, state = progress.pending.get(name), progress.standing.get(name)
            entry = None
            if state is not None:
                entry = int(self.states.parent[state]), int(self.states.move[state])
            if step is not None and (entry is None or self._place(step) <= self._place(entry)):
                progress.found[name] = step
            elif state is not None:
                progress.found[name] = state, -1

    def _place(self, step: tuple[int, int]) -> tuple[int, int, int]:
        return (step[0], *self.filling.rank(step[1]))

    def _exceeded(self, limits: Limits) -> str:
        if self.interrupted:
            return "interrupted"
        if limits.seconds is not None and self.progress.seconds > limits.seconds:
            return f"the time limit of {limits.seconds:g} s was reached"
        if limits.memory is not None and self.bytes > limits.memory:
            return f"the memory limit of {limits.memory >> 20} MiB was reached"
        if limits.states is not None and self.states.count > limits.states:
            return f"the limit of {limits.states} states was reached"
        return ""

    @property
    def bytes(self) -> int:
        """Memory of states and tables."""
        return self.states.bytes + self.filling.store.bytes

    # One batch.

    def _batch(self, pool: ThreadPoolExecutor, ended: Callable[[], str], *, last: bool) -> str:
        """Expand some states of the level; on the `last` level only judge them.

        Nothing of it counts if there is a reason to end, which is returned.
        """
        progress = self.progress
        blocks = self._blocks()
        made, cut, unequal = ([0] * len(blocks) for _ in range(3))
        todo = list(range(len(blocks)))
        while todo:
            arrays = self.filling.store.arrays()

            def work(number: int, arrays: Arrays = arrays) -> int:
                out = self._outs[number]
                out.tried[:] = out.effective[:] = 0
                made[number], cut[number], lacks, unequal[number] = kernels.expand(
                    arrays,
                    self.states.word0,
                    self.states.word1,
                    *blocks[number],
                    self.setting.bounds.processes,
                    self.symmetric,
                    last,
                    out,
                )
                return lacks

            lacking = list(pool.map(work, todo))
            missing = [self._outs[n].missing[:m] for n, m in zip(todo, lacking, strict=True)]
            todo = [n for n, lacks in zip(todo, lacking, strict=True) if lacks]
            why = self.filling.supply(np.concatenate(missing), self.states, ended) if todo else ""
            if why:
                return why
        outs = self._outs[: len(blocks)]
        self._judge(blocks, outs)
        if not last:
            self._insert(pool, made, outs)
            progress.cut += sum(cut)
            progress.unequal += sum(unequal)
            for out in outs:
                progress.tried = (np.array(progress.tried) + out.tried).tolist()
                progress.effective = (np.array(progress.effective) + out.effective).tolist()
        progress.next = blocks[-1][1]
        return ""

    def _blocks(self) -> list[tuple[int, int]]:
        """The next states of the level, in blocks that cannot have too many successors."""
        low, end = self.progress.next, self.progress.end
        each = max(1, ROOM // self._widest)
        edges = [min(low + number * each, end) for number in range(BLOCKS + 1)]
        return [(one, other) for one, other in pairwise(edges) if one < other]

    def _judge(self, blocks: list[tuple[int, int]], outs: list[Batch]) -> None:
        """Remember the first state of the level that breaks a property."""
        progress = self.progress
        for (low, high), out in zip(blocks, outs, strict=True):
            verdicts = out.verdict[: high - low]
            for name in names_of(int(np.bitwise_or.reduce(verdicts))):
                if name not in progress.standing and name not in progress.found:
                    first = int(np.argmax(verdicts & bits({name}) != 0))
                    progress.standing[name] = low + first

    def _insert(self, pool: ThreadPoolExecutor, made: list[int], outs: list[Batch]) -> None:
        """Number the successors that are new, in the order in which they were made."""
        states, progress = self.states, self.progress
        word0, word1, parent, move, broken = (
            np.concatenate([out[column][:count] for out, count in zip(outs, made, strict=True)])
            for column in range(5)
        )
        size = len(word0)
        if not size:
            return
        for name in names_of(int(np.bitwise_or.reduce(broken))):
            if not any(name in held for held in (progress.found, progress.steps)):
                first = kernels.first_broken(broken, size, bits({name}))
                progress.steps[name] = int(parent[first]), int(move[first])
        states.reserve_slots(size)
        hashes, slots = np.empty(size, np.int64), np.empty(size, np.int64)
        new = np.zeros(size, np.uint8)
        kernels.hash_all(word0, word1, size, hashes)

        def claim(part: int) -> int:
            return kernels.claim(
                word0,
                word1,
                hashes,
                size,
                states.word0,
                states.word1,
                states.table,
                part,
                PART_BITS,
                new,
                slots,
            )

        states.reserve(sum(pool.map(claim, range(1 << PART_BITS))))
        states.count = kernels.enter(
            word0,
            word1,
            parent,
            move,
            new,
            slots,
            size,
            states.word0,
            states.word1,
            states.parent,
            states.move,
            states.table,
            states.count,
        )


def explore(
    setting: Setting,
    watched: frozenset[str] = frozenset(PROPERTIES),
    *,
    deepest: int | None = None,
    workers: int = 1,
) -> Found:
    """Search all states that up to `deepest` moves lead to."""
    never: frozenset[str] = frozenset()
    search = Search(setting, watched, workers=workers)
    return search.run(Limits(depth=deepest), until=never)
