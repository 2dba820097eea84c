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
from contextlib import closing
from itertools import pairwise

import attrs
import numpy as np

from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.numbers.garbage import only_when_told
from pfntrack.check.numbers.store import States, grown
from pfntrack.check.numbers.successors import Batch, expand
from pfntrack.check.numbers.tables import ORDER, bits, names_of
from pfntrack.check.numbers.tabulated import Arrays
from pfntrack.check.numbers.visited import (
    PARTS,
    TOGETHER,
    Candidates,
    Visited,
    claim,
    enter,
    hash_all,
)
from pfntrack.check.numbers.words import MOST_PROCESSES
from pfntrack.check.report import Cost, Counterexample, Found, coverage
from pfntrack.check.search.actions import FORK, LOCAL
from pfntrack.check.search.filling import Filling
from pfntrack.check.search.setting import ORACLE, Setting

# Blocks of a batch, the fewest states of a block unless the level has no more,
# its successors, and things missing that it can report.
BLOCKS, LEAST, ROOM, LACKS = 16, 32, 1 << 16, 1 << 13


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


def _outlet(room: int, actions: int) -> Batch:
    """Space for what comes of one block."""
    return Batch(
        Candidates(
            np.empty(room, np.int64),
            np.empty(room, np.int64),
            np.empty(room, np.int32),
            np.empty(room, np.int32),
        ),
        np.empty(room, np.int32),
        np.empty((len(ORDER), 2), np.int64),
        np.empty((LACKS, 5), np.int64),
        np.zeros(1 << 8, np.int64),
        np.zeros(actions, np.int64),
        np.zeros(actions, np.int64),
        np.zeros((7, MOST_PROCESSES + 1), np.int64),
        np.zeros(room, np.int64),
        np.zeros((3, room), np.int64),
    )


@attrs.define
class _Block:
    """States `[low, high)` of a level, of which those before `done` have been expanded."""

    low: int
    high: int
    out: Batch
    done: int
    made: int = 0
    cut: int = 0
    lacks: int = 0
    unequal: int = 0


class Search:
    """One search, which can be stopped between batches and taken up again."""

    def __init__(
        self,
        setting: Setting,
        watched: frozenset[str] = frozenset(PROPERTIES),
        *,
        workers: int = 1,
        symmetric: bool = False,
        hashed: bool = False,
    ) -> None:
        self.setting = setting
        self.watched = watched
        self.workers = workers
        self.symmetric = symmetric
        self.interrupted = False
        self.filling = Filling(setting, watched, workers=workers)
        self.states = States(wide=setting.bounds.processes > 2, hashed=hashed)
        actions = len(setting.actions)
        self.progress = Progress(tried=[0] * actions, effective=[0] * actions)
        reaches = [action.reach for action in setting.actions]
        own = sum(reach in (LOCAL, FORK) for reach in reaches)
        self._widest = own * setting.bounds.processes + actions - own
        self._outs = [_outlet(max(ROOM, self._widest), actions) for _ in range(BLOCKS)]
        self._start()

    def _start(self) -> None:
        """Enter the first state."""
        word0, word1 = (np.array([word], np.int64) for word in self.filling.start())
        none = np.zeros(1, np.int32)
        with ThreadPoolExecutor(1) as pool:
            self._insert(pool, Candidates(word0, word1, none, none))

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
        with only_when_told(), ThreadPoolExecutor(self.workers) as pool, closing(self.filling):
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
            missed=self.states.missed,
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
        self.states.forget(progress.level)
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
        progress, blocks = self.progress, self._blocks()
        open_states = bits(self.watched - progress.found.keys() - progress.standing.keys())
        settled = progress.found.keys() | progress.steps.keys() | progress.pending.keys()
        open_steps = self.watched - settled
        todo = blocks
        while todo:
            store = self.filling.store
            arrays, visited = store.arrays(), self.states.visited()
            for number, block in enumerate(blocks):
                visits = grown(block.out.visits, len(store.profiles))
                block.out = self._outs[number] = block.out._replace(visits=visits)

            def work(block: _Block, arrays: Arrays = arrays, visited: Visited = visited) -> None:
                block.made, block.done, cut, block.lacks, unequal = expand(
                    arrays,
                    visited,
                    block.low,
                    block.done,
                    block.high,
                    self.setting.bounds.processes,
                    self.symmetric,
                    last,
                    open_states,
                    bits(open_steps),
                    bits(open_steps & ORACLE),
                    block.made,
                    block.out,
                )
                block.cut += cut
                block.unequal += unequal

            for _ in pool.map(work, todo):
                pass
            todo = [block for block in todo if block.done < block.high]
            if todo:
                missing = [block.out.missing[: block.lacks] for block in todo]
                why = self.filling.supply(np.concatenate(missing), self.states, ended)
                if why:
                    return why
        self._judge(blocks)
        if not last:
            outs = [block.out for block in blocks]
            known = len(self.filling.store.profiles)
            visits = np.sum([out.visits[:known] for out in outs], axis=0)
            tried, effective, cut = self.filling.store.counted(visits)
            for block, out in zip(blocks, outs, strict=True):
                cut += block.cut
                progress.unequal += block.unequal
                tried += out.tried
                effective += out.effective
            progress.cut += cut
            progress.tried = (np.array(progress.tried) + tried).tolist()
            progress.effective = (np.array(progress.effective) + effective).tolist()
            fresh = [[column[: block.made] for column in block.out.fresh] for block in blocks]
            self._insert(pool, Candidates(*map(np.concatenate, zip(*fresh, strict=True))))
        progress.next = blocks[-1].high
        return ""

    def _blocks(self) -> list[_Block]:
        """The next states of the level, in blocks that cannot have too many successors."""
        low, end = self.progress.next, self.progress.end
        each = min(max(LEAST, -(-(end - low) // BLOCKS)), max(1, ROOM // self._widest))
        edges = [min(low + number * each, end) for number in range(BLOCKS + 1)]
        blocks = []
        for (one, other), out in zip(pairwise(edges), self._outs, strict=True):
            if one < other:
                out.visits[:] = out.tried[:] = out.effective[:] = 0
                out.broken[:] = -1
                out.verdict[: other - one] = 0
                blocks.append(_Block(one, other, out, one))
        return blocks

    def _judge(self, blocks: list[_Block]) -> None:
        """Remember the first state and the first step of the level that break a property."""
        progress = self.progress
        for block in blocks:
            verdicts = block.out.verdict[: block.high - block.low]
            for name in names_of(int(np.bitwise_or.reduce(verdicts))):
                if name not in progress.standing:
                    first = int(np.argmax(verdicts & bits({name}) != 0))
                    progress.standing[name] = block.low + first
            for name, (state, move) in zip(ORDER, block.out.broken.tolist(), strict=True):
                if state >= 0:
                    progress.steps.setdefault(name, (state, move))

    def _insert(self, pool: ThreadPoolExecutor, batch: Candidates) -> None:
        """Number the successors that are new, in the order in which they were made."""
        states, size = self.states, len(batch.word0)
        if not size:
            return
        states.reserve_keys(size, pool)
        visited = states.visited()
        hashes, new = np.empty(size, np.int64), np.zeros(size, np.uint8)
        hash_all(batch, size, hashes)

        edges = [PARTS * number // self.workers for number in range(self.workers + 1)]

        def claimed(low: int, high: int) -> int:
            mine = np.empty(TOGETHER + 1, np.int64)
            return claim(batch, hashes, size, visited, low, high, new, mine)

        states.reserve(sum(pool.map(claimed, edges, edges[1:])))
        states.count = enter(
            batch, size, new, states.visited(), states.parent, states.move, states.count
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
