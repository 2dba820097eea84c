"""Running a scenario on the model: every step with its state and its verdicts."""

from __future__ import annotations

import attrs

from pfntrack.check.judged.asked import Conversion, conversions
from pfntrack.check.judged.properties import Violation, judge_state, judge_step
from pfntrack.check.race.claims import judge_overlap
from pfntrack.check.race.moments import judge_course
from pfntrack.errors import ModelError, NoSuchProcessError, ScenarioError
from pfntrack.mm import ops
from pfntrack.mm.ops import Op, Result
from pfntrack.mm.overlap import Overlap
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.events import Event, Note
from pfntrack.pat.memtype_interval import Memtype, insert
from pfntrack.pat.physical import Claim, Ioremap, Physical
from pfntrack.pat.ram import PAGE_SIZE
from pfntrack.releases import RELEASES, Kernel, Outcome, Release, World, observe
from pfntrack.releases.world import Course
from pfntrack.scenario import Expect, MachineSpec, Scenario, format_op
from pfntrack.scenario.evaluate import Verdict, judge, judge_end
from pfntrack.scenario.seen import reservations, seen
from pfntrack.state import State


@attrs.frozen
class StepRun:
    """One step as it went: text, result, events, the state after it, what it broke.

    `broken` are the properties that do not hold after the step; `fresh` those
    among them that this step broke. `course` is how two overlapping operations went.
    `converted` is what it got and had not asked for.
    """

    number: int
    line: int
    op: Op
    text: str
    result: Result
    events: tuple[Event, ...]
    state: State
    broken: tuple[Violation, ...]
    fresh: tuple[Violation, ...]
    verdicts: tuple[Verdict, ...] = ()
    course: Course | None = None
    converted: tuple[Conversion, ...] = ()


@attrs.frozen
class Run:
    """A scenario under one release: its steps, and what is left when all have exited."""

    scenario: Scenario
    release: Release
    start: State
    steps: tuple[StepRun, ...]
    leaked: State
    leaks: tuple[Violation, ...]
    verdicts: tuple[Verdict, ...] = ()

    def kernel(self) -> Kernel:
        """The kernel that it ran on."""
        return Kernel(self.release, self.scenario.machine.machine())

    @property
    def unmet(self) -> list[tuple[int, Verdict]]:
        """Claims that do not hold: (step number, 0 for the end; the verdict)."""
        found = [(step.number, v) for step in self.steps for v in step.verdicts if not v.holds]
        return found + [(0, v) for v in self.verdicts if not v.holds]

    @property
    def converted(self) -> bool:
        """Did some step get another type than it asked for?"""
        return any(step.converted for step in self.steps)

    @property
    def broken(self) -> frozenset[str]:
        """All properties that broke at some step, or at the end."""
        found = {violation.property for step in self.steps for violation in step.broken}
        return frozenset(found | {violation.property for violation in self.leaks})


def first_world(spec: MachineSpec) -> World:
    """The state in which scenarios begin: process A, and drivers bound as on the machine."""
    phys = Physical(mtrr=spec.mtrr())
    machine = spec.machine()
    for name in spec.bound:
        window = spec.window(name)
        if window is None:
            continue
        phys = attrs.evolve(phys, claims=(*phys.claims, Claim(window.start, window.end, "driver")))
        for page in sorted(window.registers):
            start, end = window.start + page * PAGE_SIZE, window.start + (page + 1) * PAGE_SIZE
            kind = machine.layout.granted(CacheMode.UC_MINUS)
            held = Ioremap(f"{name}:{page}", start, end, kind)
            tree = insert(phys.tree, Memtype(start, end, kind)) if machine.pat_enabled else ()
            phys = attrs.evolve(phys, tree=tree, ioremaps=(*phys.ioremaps, held))
    return World(phys=phys).start("A")


def run_scenario(scenario: Scenario, release: Release) -> Run:
    """Perform all steps, then let the remaining processes exit, newest first.

    Raises ScenarioError, naming the line, for a step that no program could do.
    """
    kernel = Kernel(release, scenario.machine.machine())
    world = first_world(scenario.machine)
    start = observe(release, kernel.machine, world)
    steps: list[StepRun] = []
    held: frozenset[Violation] = frozenset()
    for number, step in enumerate(scenario.steps, 1):
        before = world
        try:
            outcome = kernel.perform(world, step.op)
        except NoSuchProcessError as error:
            # Its fork failed on this release; on others it may have succeeded.
            outcome = Outcome(world, Result(-1, "ESRCH"), (Note("run", f"passed over: {error}"),))
        except ModelError as error:
            where = f"{scenario.name}: line {step.line}" if step.line else scenario.name
            raise ScenarioError(f"{where}: {error}") from error
        world = outcome.world
        standing = judge_state(kernel, world)
        if outcome.course is not None:
            acute = judge_course(kernel, outcome.course)
        else:
            acute = judge_step(kernel, before, step.op, world, outcome.result, outcome.events)
        state = observe(release, kernel.machine, world)
        all_broken = tuple(dict.fromkeys((*standing, *acute)))
        fresh = tuple(v for v in all_broken if v not in held)
        broken = {violation.property for violation in fresh}
        sides = outcome.course.results if outcome.course else ()
        sight = seen(start, state, outcome.result, outcome.events, broken, sides)
        claims = _claims(step.expects, release)
        if isinstance(step.op, Overlap):
            rest = [each.op for each in scenario.steps[number:]]
            verdicts = judge_overlap(kernel, before, step.op, rest, claims, sight, start)
        else:
            verdicts = judge(claims, sight, release.name, release.design.name)
        steps.append(
            StepRun(
                number,
                step.line,
                step.op,
                format_op(step.op, scenario.machine),
                outcome.result,
                outcome.events,
                state,
                all_broken,
                fresh,
                verdicts,
                outcome.course,
                conversions(before, step.op, world),
            )
        )
        held = frozenset(standing)
    for process in reversed(world.processes):
        world = kernel.perform(world, ops.Exit(process.name)).world
    leaks = tuple(v for v in judge_state(kernel, world) if v.property == "I1")
    left = observe(release, kernel.machine, world)
    run = Run(scenario, release, start, tuple(steps), left, leaks)
    final = judge_end(
        _claims(scenario.final, release),
        reservations(start, left),
        run.broken,
        release.name,
        release.design.name,
    )
    return attrs.evolve(run, verdicts=final)


def _claims(expects: tuple[Expect, ...], release: Release) -> tuple[Expect, ...]:
    """Claims to judge: one that names no release was made of the recorded ones."""
    if release.name in RELEASES:
        return expects
    return tuple(expect for expect in expects if expect.on)
