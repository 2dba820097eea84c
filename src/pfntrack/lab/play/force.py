"""A schedule of two calls forced in a guest with two CPUs, and what the model says of it.

One call waits at the entry of a kernel function until the other has passed (the driver
module holds it there); then it goes on. In the model the same place is the point
at which the call stops before that function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from pfntrack.check.run import first_world
from pfntrack.errors import GuestError, ModelError
from pfntrack.lab.play.programs import Plan
from pfntrack.lab.play.recorder import HELPER, Recorder
from pfntrack.mm.overlap import Overlap
from pfntrack.releases import Release
from pfntrack.releases.kernel import Kernel
from pfntrack.releases.together import advance, begin
from pfntrack.releases.world import World
from pfntrack.scenario import Scenario
from pfntrack.traces.observe import Observer
from pfntrack.traces.programs import neutral

OVERLAP = "overlap"
CPUS = 2


@attrs.frozen(slots=True)
class Hold:
    """Where the left call waits: at its `nth` call of `function`.

    `point` is the model's name of the place: the function and, where several points have
    it, what comes next there.
    """

    function: str
    point: str = ""
    what: str = ""
    nth: int = 1

    def parts(self, kernel: Kernel, world: World, overlap: Overlap) -> int:
        """How many parts of the left call come before it, in the model.

        Raises ModelError: the call does not come there.
        """
        moment, done, name = begin(kernel, world, overlap), 0, self.point or self.function
        while (pause := moment.calls[0].pause) is not None:
            if pause.function == name and self.what in pause.what:
                return done
            moment, _ = advance(kernel, moment, 0)
            done += 1
        raise ModelError(f"the left call does not come to {name}()")


def scheduled(overlap: Overlap, parts: int) -> Overlap:
    """The left call for `parts` parts, all of the right one, and the rest."""
    return attrs.evolve(overlap, schedule=((0, parts), (1, 0), (0, 0)))


def program(scenario: Scenario, hold: Hold) -> dict[str, Any]:
    """The scenario as a guest plays it: its overlap with the place where the left call waits."""
    steps = []
    for step in scenario.steps:
        op = step.op
        if isinstance(op, Overlap):
            both = {"left": neutral(op.left), "right": neutral(op.right)}
            steps.append({"op": OVERLAP, **both, "hold": hold.function, "nth": hold.nth})
        else:
            steps.append(neutral(op))
    return Plan(scenario, ()).program | {"steps": steps}


class ForcingRecorder(Recorder):
    """A recorder of programs with two calls at once; the right one must be the driver's."""

    def _step(self, op: Mapping[str, Any]) -> None:
        if op["op"] != OVERLAP:
            super()._step(op)
            return
        guest = self._guest
        guest.clear_warn_once()
        guest.command(f"start {HELPER}")
        left = self._ops.command(op["left"], self._alive[0])
        right = self._ops.command(op["right"], HELPER)
        # The driver zaps through its own file: the process that opened it is held.
        words = right.lines[0].split(" ")
        if words[0] != "request":
            raise GuestError("only the driver's requests can pass a call that is held")
        words[1] = "-1"
        held, *answers = guest.overlap(
            f"{op['hold']} {op['nth']} {left.process}", left.lines[0], HELPER, " ".join(words)
        )
        results = [
            self._result(each, answer)
            for each, answer in zip((op["left"], op["right"]), answers, strict=True)
        ]
        self._note_processes(op["left"], answers[0])
        worse = next((each for each in results if each["ret"] < 0), results[0])
        seen = self._seen(op, worse, guest.observe())
        self._steps.append(seen | {"held": held, "results": results})


@attrs.frozen(slots=True)
class Outcome:
    """What two calls came to: errors of both, what is reserved then, and the log by kinds."""

    errors: tuple[str, str]
    memtype: tuple[tuple[str | int, ...], ...]
    events: tuple[str, ...]


def modelled(release: Release, scenario: Scenario, hold: Hold) -> Outcome:
    """What the model says of the overlap of a scenario with this schedule."""
    kernel = Kernel(release, scenario.machine.machine(), explain=False)
    world = first_world(scenario.machine)
    observer = Observer(release, kernel.machine)
    # Traces leave out what was reserved after boot.
    boot, _ = observer.memtype(world, [])
    for step in scenario.steps:
        if isinstance(step.op, Overlap):
            parts = hold.parts(kernel, world, step.op)
            outcome = kernel.perform(world, scheduled(step.op, parts))
            assert outcome.course is not None  # noqa: S101 - it is an overlap
            left, right = outcome.course.results
            log = tuple(each.kind for each in outcome.events if each.text())
            held, _ = observer.memtype(outcome.world, boot)
            return Outcome((left.err, right.err), tuple(map(tuple, held)), log)
        world = kernel.perform(world, step.op).world
    raise ModelError(f"{scenario.name}: no operations overlap")


def recorded(trace: Mapping[str, Any]) -> Outcome | None:
    """What a guest showed; None if the left call was not held, or the guest was lost."""
    step = next(each for each in trace["steps"] if each["op"]["op"] == OVERLAP)
    if not step.get("held"):
        return None
    left, right = step["results"]
    held = tuple(map(tuple, step["memtype"]))
    return Outcome((left["err"], right["err"]), held, tuple(e["ev"] for e in step["events"]))
