"""What an action makes of the components it touches, without a world around them.

The functions are those of the model; nothing is written twice. What a call
does to a space without looking at the physical part it does beside every
physical part, so it is noted whether a call looked.
"""

from __future__ import annotations

import attrs

from pfntrack.check.actions import NAMES, Action
from pfntrack.check.normal import assemble
from pfntrack.check.properties import REQUESTS, judge_books, quiet, wrong_owner
from pfntrack.check.setting import ORACLE, Answer, Setting, answer_to
from pfntrack.mm import ops
from pfntrack.mm.fork import fork
from pfntrack.mm.ops import Op, Result
from pfntrack.mm.space import AddressSpace, Mm
from pfntrack.mm.step import Lock, Step
from pfntrack.mm.truncate import Span, mapped, unmap_mapping_range_vma
from pfntrack.mm.unmap import exit_mmap
from pfntrack.pat.events import Event, Oops, Task
from pfntrack.pat.physical import Physical
from pfntrack.releases import Kernel, World
from pfntrack.releases.calls import LOCAL_CALLS, errno_result
from pfntrack.releases.world import FIRST_PID

_TASK = Task(NAMES[0], FIRST_PID)


@attrs.frozen
class Done:
    """The spaces and the physical part after an action (not normal yet), and what it broke."""

    spaces: tuple[AddressSpace, ...]
    phys: Physical
    broken: frozenset[str]
    answer: Answer | None
    looked: bool


class _Watched(Step):
    """A call that knows whether it looked at the physical part."""

    looked = False

    def tick(self) -> int:
        """No state is told from another by the age of its mappings."""
        return 0

    @property
    def phys(self) -> Physical:
        self.looked = True
        return self.held

    @phys.setter
    def phys(self, phys: Physical) -> None:
        self.held = phys


class Model:
    """The kernel of a setting, applied to components."""

    def __init__(self, setting: Setting, watched: frozenset[str]) -> None:
        self.setting = setting
        self.watched = watched - ORACLE
        self.asks = bool(watched & ORACLE)
        self.design = setting.release.design
        self.fds = setting.start.processes[0].fds

    def act(self, action: Action, space: AddressSpace | None, phys: Physical) -> Done:
        """An action by a process with `space`, or by nobody in particular."""
        op = action.op
        if space is not None and len(action.ops) == 1:
            if type(op) in LOCAL_CALLS:
                done = self._call(op, space, phys)
                if done is not None:
                    return done
            elif isinstance(op, ops.Fork):
                return self._fork(op, space, phys)
            elif isinstance(op, ops.Exit):
                return self._exit(space, phys)
        alone = self.world(() if space is None else (space,), phys)
        step = self.setting.perform(alone, action.by(0, len(alone.processes)), self.watched)
        after = tuple(process.space for process in step.world.processes)
        answer = step.answer if self.asks else None
        return Done(after, step.world.phys, step.broken, answer, looked=True)

    def zap(self, span: Span, pgoff: int, space: AddressSpace, phys: Physical) -> Done:
        """The part of `unmap_mapping_range()` that concerns one space and one page offset."""
        step, mm = self._step(phys), Mm(space)
        step.spaces, step.mmap_lock = [mm], Lock.NONE
        for vma in mapped(mm, span):
            if vma.pgoff == pgoff:
                unmap_mapping_range_vma(step, mm, vma, span)
        return self._done((mm,), step, _broken(step.events))

    def world(self, spaces: tuple[AddressSpace, ...], phys: Physical) -> World:
        """A normal world made from its parts."""
        return assemble(spaces, phys, self.fds)

    def _call(self, op: Op, space: AddressSpace, phys: Physical) -> Done | None:
        """An operation on the process's own memory; None if the kernel hit a BUG in it."""
        step, mm = self._step(phys), Mm(space)
        step.spaces = [mm]
        file = dict(self.fds)[op.fd] if isinstance(op, ops.Mmap) else None
        result = LOCAL_CALLS[type(op)](step, mm, op, file)
        if any(isinstance(event, Oops) for event in step.events):
            return None
        broken, answer = _broken(step.events), None
        asked = self.asks and isinstance(op, REQUESTS)
        if result.ret < 0 or (asked and isinstance(op, ops.Mmap | ops.Remap)):
            after = self.world((mm.freeze(),), step.held)
            broken = self._books(op, space, phys, after, result, step.events)
            answer = answer_to(op, after, result) if asked else None
        return self._done((mm,), step, broken, answer)

    def _fork(self, op: ops.Fork, space: AddressSpace, phys: Physical) -> Done:
        step, mm = self._step(phys), Mm(space)
        step.spaces = [mm]
        error, child = fork(step, mm)
        mms = (mm,) if child is None else (mm, child)
        after = self.world(tuple(each.freeze() for each in mms), step.held)
        result = errno_result(error)
        broken = self._books(op, space, phys, after, result, step.events)
        return self._done(mms, step, broken, answer_to(op, after, result) if self.asks else None)

    def _exit(self, space: AddressSpace, phys: Physical) -> Done:
        """The process was alone, so its files are released."""
        step, mm = self._step(phys), Mm(space)
        step.spaces = [mm]
        exit_mmap(step, mm)
        for _, file in self.fds:
            step.drivers[file.kind].release(step, file)
        return self._done((), step, _broken(step.events))

    def _books(
        self,
        op: Op,
        space: AddressSpace,
        phys: Physical,
        after: World,
        result: Result,
        events: list[Event],
    ) -> frozenset[str]:
        before = self.world((space,), phys)
        found = judge_books(self.setting.kernel, before, op, after, result, events)
        return frozenset(violation.property for violation in found)

    def _done(
        self,
        mms: tuple[Mm, ...],
        step: _Watched,
        broken: frozenset[str],
        answer: Answer | None = None,
    ) -> Done:
        spaces = tuple(mm.freeze() for mm in mms)
        return Done(spaces, step.held, broken & self.watched, answer, step.looked)

    def _step(self, phys: Physical) -> _Watched:
        kernel: Kernel = self.setting.kernel
        release = kernel.release
        return _Watched(
            kernel.machine,
            release.pat,
            release.mm,
            release.design,
            kernel.drivers,
            phys,
            _TASK,
            explain=False,
        )


def _broken(events: list[Event]) -> frozenset[str]:
    """What an operation that succeeds can break by itself."""
    if not events:
        return frozenset()
    found = quiet(events) + wrong_owner(events)
    return frozenset(violation.property for violation in found)
