"""Where somebody is in a scenario: a value, and what leads from one to the next.

A session is the program, the release that performs it, and how many steps have
been done. Only those are run, so what comes later need not make sense yet.
"""

from __future__ import annotations

import functools
import re

import attrs

from pfntrack.check.run import Run, run_scenario
from pfntrack.errors import PfntrackError
from pfntrack.releases import Release, release_or_design
from pfntrack.scenario import Scenario, Step, format_scenario, parse

_PLACE = re.compile(r"^.*?:\d+:\d+: ")


class SessionError(PfntrackError):
    """What was asked for cannot be done here; the session stays as it is."""


@attrs.frozen
class Session:
    """`done` steps of `scenario` under `release`; `tried` are the places of added steps.

    `before` is the session before the newest of them was added.
    """

    scenario: Scenario
    release: Release
    done: int = 0
    tried: tuple[int, ...] = ()
    before: Session | None = None

    @property
    def length(self) -> int:
        """How many steps the program has."""
        return len(self.scenario.steps)

    @property
    def run(self) -> Run:
        """The steps that were done, as they went."""
        return _run(self.scenario, self.release, self.done)

    def to(self, done: int) -> Session:
        """After `done` steps.

        Raises SessionError: there are not so many, or one of them cannot be done.
        """
        if not 0 <= done <= self.length:
            where = "end" if done > self.length else "start"
            raise SessionError(f"this is the {where} of the program")
        return _checked(attrs.evolve(self, done=done))

    def forward(self) -> Session:
        """One step on."""
        return self.to(self.done + 1)

    def back(self) -> Session:
        """One step back."""
        return self.to(self.done - 1)

    def under(self, name: str) -> Session:
        """The same steps under another release or design.

        Raises SessionError: it is not known, or a step cannot be done there.
        """
        try:
            release = release_or_design(name)
        except PfntrackError as error:
            raise SessionError(str(error)) from None
        return _checked(attrs.evolve(self, release=release))

    def attempt(self, line: str) -> Session:
        """With a step more, written in the scenario language, done after those that were.

        Raises SessionError: it is no operation, or no program could do it now.
        """
        prefix = attrs.evolve(self.scenario, steps=self.scenario.steps[: self.done], final=())
        bare = attrs.evolve(prefix, steps=tuple(Step(step.op) for step in prefix.steps))
        try:
            steps = parse(f"{format_scenario(bare)}{line.strip()}\n").steps
        except PfntrackError as error:
            raise SessionError(_PLACE.sub("", str(error))) from None
        if len(steps) != self.done + 1:
            raise SessionError("expected one operation, such as: A unmaps [0,1)")
        program = self.scenario.steps
        longer = (*program[: self.done], Step(steps[-1].op), *program[self.done :])
        return _checked(
            attrs.evolve(
                self,
                scenario=attrs.evolve(self.scenario, steps=longer),
                done=self.done + 1,
                tried=(*(n + (n >= self.done) for n in self.tried), self.done),
                before=self,
            )
        )

    def undo(self) -> Session:
        """Without the newest step that was added, at the place where that was done.

        Raises SessionError: there is none.
        """
        if self.before is None:
            raise SessionError("nothing was tried")
        return _checked(attrs.evolve(self.before, release=self.release))


def start(scenario: Scenario, release: Release) -> Session:
    """Before the first step."""
    return Session(scenario, release)


def _checked(session: Session) -> Session:
    try:
        session.run  # noqa: B018 - fails if a step cannot be done
    except SessionError:
        raise
    except PfntrackError as error:
        raise SessionError(str(error)) from None
    return session


@functools.lru_cache(maxsize=256)
def _run(scenario: Scenario, release: Release, done: int) -> Run:
    return run_scenario(attrs.evolve(scenario, steps=scenario.steps[:done], final=()), release)
