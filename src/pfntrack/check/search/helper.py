"""Evaluation in another process, at the end of a pipe.

Each process numbers components on its own. A request carries the values that
the helper has not been sent before, a reply those that it has met since, in
order; so the asking side numbers everything as if it had worked alone.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import subprocess
import sys
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pfntrack.check.numbers.garbage import collect_new, only_when_told
from pfntrack.check.numbers.intern import Interned
from pfntrack.check.numbers.tables import NOBODY, Outcome, Tables
from pfntrack.check.search.evaluation import Evaluator, Pair
from pfntrack.check.search.setting import Setting

# Columns of an outcome that number components, and which of `_kinds` they number.
_COLUMNS = tuple(
    (Outcome._fields.index(name), kind)
    for name, kind in (("phys", 0), ("space", 1), ("child", 1), ("names", 2), ("answer", 3))
)


# What a helper says first.
READY = b"ready"


class _Reply(NamedTuple):
    """Pairs in the helper's numbers (their rows apart), and the values behind new ones."""

    values: list[list[Any]]
    pairs: list[Pair]
    rows: NDArray[np.int32]
    evaluations: int


def _kinds(tables: Tables) -> tuple[Interned[Any], ...]:
    return tables.physes, tables.spaces, tables.names, tables.answers


class Helper:
    """The asking side."""

    def __init__(self, setting: Setting, watched: frozenset[str]) -> None:
        path = os.pathsep.join(each for each in sys.path if each)
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from pfntrack.check.search.helper import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
        )
        self._sent: tuple[set[int], ...] = (set(), set())
        # Our numbers of its components.
        self._ours: list[list[int]] = [[], [], [], []]
        self._ready = False
        self._send((setting, watched))

    @property
    def ready(self) -> bool:
        """Has it started? Until then it is quicker to do the work here."""
        if not self._ready:
            assert self._process.stdout is not None  # noqa: S101 - it is a pipe
            readable, _, _ = select.select([self._process.stdout], [], [], 0)
            self._ready = bool(readable and self._process.stdout.read(len(READY)) == READY)
        return self._ready

    def ask(self, tables: Tables, pairs: list[tuple[int, int]]) -> None:
        """Have these pairs evaluated."""
        kinds = _kinds(tables)
        fresh: list[list[tuple[int, Any]]] = [[], []]
        for pair in pairs:
            for kind, number in enumerate(pair):
                if number != NOBODY and number not in self._sent[kind]:
                    self._sent[kind].add(number)
                    fresh[kind].append((number, kinds[kind][number]))
        self._send((fresh, pairs))

    def answer(self, tables: Tables) -> list[Pair]:
        """The pairs that were asked for, in our numbers."""
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        reply: _Reply = pickle.load(self._process.stdout)  # noqa: S301 - our own child
        for ours, values, kind in zip(self._ours, reply.values, _kinds(tables), strict=True):
            ours.extend(map(kind.number, values))
        tables.evaluations += reply.evaluations
        rows = reply.rows
        for column, which in _COLUMNS:
            # The last place stands for -1.
            rows[:, column] = np.array([*self._ours[which], -1], np.int32)[rows[:, column]]
        found, at = [], 0
        outcomes = list(map(Outcome._make, rows.tolist()))
        for pair in reply.pairs:
            end = at + pair.size
            found.append(pair._replace(rows=outcomes[at:end]))
            at = end
        return found

    def close(self) -> None:
        """Let the helper go."""
        process = self._process
        process.terminate()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        process.wait()

    def _send(self, message: object) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        pickle.dump(message, self._process.stdin, pickle.HIGHEST_PROTOCOL)
        self._process.stdin.flush()


def serve() -> None:
    """The helping side, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    with only_when_told():
        _serve(source, sink)


def _serve(source: BinaryIO, sink: BinaryIO) -> None:
    setting, watched = pickle.load(source)  # noqa: S301 - our own parent
    evaluator = Evaluator(setting, watched)
    tables = evaluator.tables
    sink.write(READY)
    sink.flush()
    kinds = _kinds(tables)
    mine: tuple[dict[int, int], ...] = ({}, {NOBODY: NOBODY})
    told = [0] * len(kinds)
    while True:
        try:
            fresh, pairs = pickle.load(source)  # noqa: S301
        except EOFError:
            return
        for known, kind, values in zip(mine, kinds, fresh, strict=False):
            known.update((number, kind.number(value)) for number, value in values)
        before = tables.evaluations
        found = [evaluator.pair(mine[0][phys], mine[1][space]) for phys, space in pairs]
        rows = np.array([row for pair in found for row in pair.rows], np.int32)
        rows = rows.reshape(-1, len(Outcome._fields))
        reply = _Reply(
            [kind.values[start:] for kind, start in zip(kinds, told, strict=True)],
            [pair._replace(rows=[]) for pair in found],
            rows,
            tables.evaluations - before,
        )
        told = list(map(len, kinds))
        collect_new()
        pickle.dump(reply, sink, pickle.HIGHEST_PROTOCOL)
        sink.flush()
