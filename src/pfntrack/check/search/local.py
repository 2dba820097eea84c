"""What an action makes of the components it touches, without a world around them.

The functions are those of the model; nothing is written twice. What a call
asks the physical part is noted (see `replay`), and whether it looked at it in
another way.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import attrs

from pfntrack.check.judged.properties import REQUESTS, judge_books, quiet, wrong_owner
from pfntrack.check.numbers.replay import Answers, Question
from pfntrack.check.search.actions import NAMES, Action
from pfntrack.check.search.normal import assemble
from pfntrack.check.search.setting import ORACLE, Answer, Setting, answer_to
from pfntrack.mm import ops
from pfntrack.mm.calls.fork import fork
from pfntrack.mm.calls.truncate import Span, mapped, unmap_mapping_range_vma
from pfntrack.mm.calls.unmap import exit_mmap
from pfntrack.mm.ops import Op, Result
from pfntrack.mm.perform import errno_result
from pfntrack.mm.points import Lock
from pfntrack.mm.space import AddressSpace, Mm
from pfntrack.mm.step import Step
from pfntrack.pat.context import Context
from pfntrack.pat.events import Event, Oops, Task
from pfntrack.pat.physical import Physical
from pfntrack.releases import Kernel, World
from pfntrack.releases.calls import LOCAL_CALLS
from pfntrack.releases.world import FIRST_PID

_TASK = Task(NAMES[0], FIRST_PID)


@attrs.frozen
class Done:
    """The spaces and the physical part after an action (not normal yet), and what it broke.

    `asked` are the questions put to the physical part and the answers to them,
    as numbers. If the call has `looked` at it in another way, or was judged in a
    whole world, they do not say all that it depended on. `own` of what is
    broken does not come from questions.
    """

    spaces: tuple[AddressSpace, ...]
    phys: Physical
    broken: frozenset[str]
    answer: Answer | None = None
    looked: bool = True
    asked: tuple[tuple[int, int], ...] = ()
    own: frozenset[str] = frozenset()


class _Watched(Step):
    """A call that knows what it asked, and whether it looked at the physical part besides."""

    looked = False
    held: Physical
    answers: Answers
    asked: list[tuple[int, int]]
    own: list[Event]

    def ask(self, question: Callable[..., Any], *args: Hashable) -> Any:  # type: ignore[override]
        answers = self.answers
        number = answers.number(Question(question, args))
        reply = answers.reply(number, answers.physes.number(self.held))
        self.held = answers.physes[reply.phys]
        self.asked.append((number, reply.answer))
        self.events.extend(reply.events)
        return reply.value

    def emit(self, event: Event) -> None:
        self.own.append(event)
        super().emit(event)

    def tick(self) -> int:
        """No state is told from another by the age of its mappings."""
        return 0

    @property
    def phys(self) -> Physical:
        self.looked = True
        return self.held

    @phys.setter
    def phys(self, phys: Physical) -> None:
        self.looked = True
        self.held = phys

    def save(self) -> Physical:
        return self.held


class Model:
    """The kernel of a setting, applied to components."""

    def __init__(self, setting: Setting, watched: frozenset[str]) -> None:
        self.setting = setting
        self.watched = watched - ORACLE
        self.asks = bool(watched & ORACLE)
        self.design = setting.release.design
        self.fds = setting.start.processes[0].fds
        self.answers = Answers(self._context, _broken)

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
        return Done(after, step.world.phys, step.broken, answer)

    def zap(self, span: Span, pgoff: int, space: AddressSpace, phys: Physical) -> Done:
        """The part of `unmap_mapping_range()` that concerns one space and one page offset."""
        step, mm = self._step(phys), Mm(space)
        step.spaces, step.mmap_lock = [mm], Lock.NONE
        for vma in mapped(mm, span):
            if vma.pgoff == pgoff:
                unmap_mapping_range_vma(step, mm, vma, span)
        return self._done((mm,), step)

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
        asked = self.asks and isinstance(op, REQUESTS)
        if (result.ret < 0 and self.watched) or (asked and isinstance(op, ops.Mmap | ops.Remap)):
            return self._judged(op, space, phys, (mm,), step, result)
        return self._done((mm,), step)

    def _fork(self, op: ops.Fork, space: AddressSpace, phys: Physical) -> Done:
        step, mm = self._step(phys), Mm(space)
        step.spaces = [mm]
        error, child = fork(step, mm)
        mms = (mm,) if child is None else (mm, child)
        if not (self.watched or self.asks):
            return self._done(mms, step)
        return self._judged(op, space, phys, mms, step, errno_result(error))

    def _exit(self, space: AddressSpace, phys: Physical) -> Done:
        """The process was alone, so its files are released."""
        step, mm = self._step(phys), Mm(space)
        step.spaces = [mm]
        exit_mmap(step, mm)
        for _, file in self.fds:
            step.drivers[file.kind].release(step, file)
        return self._done((), step)

    def _judged(
        self,
        op: Op,
        space: AddressSpace,
        phys: Physical,
        mms: tuple[Mm, ...],
        step: _Watched,
        result: Result,
    ) -> Done:
        """What came of a call that has to be judged by the worlds before and after it."""
        spaces = tuple(mm.freeze() for mm in mms)
        before, after = self.world((space,), phys), self.world(spaces, step.held)
        found = judge_books(self.setting.kernel, before, op, after, result, step.events)
        broken = frozenset(violation.property for violation in found)
        answer = answer_to(op, after, result) if self.asks else None
        return Done(spaces, step.held, broken & self.watched, answer)

    def _done(self, mms: tuple[Mm, ...], step: _Watched) -> Done:
        """What came of a call that only its events can speak against."""
        spaces = tuple(mm.freeze() for mm in mms)
        broken, own = _broken(step.events) & self.watched, _broken(step.own) & self.watched
        return Done(spaces, step.held, broken, None, step.looked, tuple(step.asked), own)

    def _context(self, phys: Physical) -> Context:
        """What a question is put to."""
        kernel = self.setting.kernel
        return Context(kernel.machine, kernel.release.pat, phys, _TASK, explain=False)

    def _step(self, phys: Physical) -> _Watched:
        kernel: Kernel = self.setting.kernel
        release = kernel.release
        step = _Watched(
            kernel.machine,
            release.pat,
            release.mm,
            release.design,
            kernel.drivers,
            phys,
            _TASK,
            explain=False,
        )
        step.answers, step.asked, step.own, step.looked = self.answers, [], [], False
        return step


def _broken(events: Sequence[Event]) -> frozenset[str]:
    """What an operation that succeeds can break by itself."""
    if not events:
        return frozenset()
    found = quiet(events) + wrong_owner(events)
    return frozenset(violation.property for violation in found)
