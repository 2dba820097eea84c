"""What a reproducer consists of: the program, its checks, and on which kernels they fail."""

from __future__ import annotations

import attrs

from pfntrack.check.judged.asked import ASKED
from pfntrack.check.run import Run, run_scenario
from pfntrack.designs import DESIGNS
from pfntrack.drivers.parametric import PLUGGED
from pfntrack.errors import InputFormatError, PfntrackError
from pfntrack.mm import ops
from pfntrack.mm.overlap import Overlap
from pfntrack.releases import HISTORIC, RELEASES, Release, release_with
from pfntrack.repro.checks import LAWS, Check, shown
from pfntrack.repro.choose import choose, innocent
from pfntrack.repro.files import in_tree, pin_failures
from pfntrack.repro.names import nameable
from pfntrack.scenario import Expect, ExpectProperty, Scenario, Step
from pfntrack.scenario.evaluate import applies
from pfntrack.scenario.model import NO_LIMIT

NEWEST = "7.3"
_BEST = "ours"


class CannotReproduceError(PfntrackError):
    """No program can show this: the text says what stands against it."""


class NothingBreaksError(InputFormatError):
    """There is nothing to reproduce."""


@attrs.frozen
class Reproducer:
    """A scenario as it will be performed, and what is checked.

    `bad` is the run on the release where the properties break, `good` the run
    that says what to expect. `verdicts` are those of the model: release and
    the checks that fail there. `open_too` are violations left unchecked
    because the newest release has them as well. On the releases `innocent` a
    check fails without a violation.
    """

    scenario: Scenario
    release: Release
    bad: Run
    good: Run
    checks: tuple[Check, ...]
    verdicts: tuple[tuple[Release, tuple[Check, ...]], ...]
    open_too: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    firm: tuple[bool, ...] = ()
    innocent: tuple[str, ...] = ()

    def failing(self, name: str) -> tuple[Check, ...]:
        """The checks that fail on a modelled release."""
        return next(checks for release, checks in self.verdicts if release.name == name)

    @property
    def known_on_newest(self) -> bool:
        """Does the newest modelled release show it as well, by computation?"""
        return bool(self.failing(NEWEST))

    @property
    def needs_vfio(self) -> bool:
        """Does the program open a device through VFIO?"""
        return any(isinstance(step.op, ops.VfioOpen) for step in self.scenario.steps)

    @property
    def properties(self) -> tuple[str, ...]:
        """The laws that the checks stand for, in the usual order."""
        mine = {check.law for check in self.checks}
        return tuple(name for name in LAWS if name in mine)


def plan(
    scenario: Scenario, release: Release | None = None, properties: frozenset[str] | None = None
) -> Reproducer:
    """Choose release, files and checks.

    Raises NothingBreaksError: there is nothing to show.
    Raises InputFormatError: a property that was asked for does not break there.
    Raises CannotReproduceError: no program in a guest or on a machine can do it.
    """
    release = release or _claimed_release(scenario)
    against = machine_reasons(scenario)
    if against:
        raise CannotReproduceError(f"{scenario.name}: no program can do this: {against[0]}")
    if any(isinstance(step.op, Overlap) for step in scenario.steps):
        what = "operations overlap, and a program cannot choose their schedule"
        raise CannotReproduceError(f"{scenario.name}: {what}")
    everyone = (*RELEASES.values(), *HISTORIC.values())
    program = in_tree(nameable(_with_exits(_shown(scenario))), tuple(RELEASES.values()))
    program = pin_failures(program, (release, *RELEASES.values()))
    bad = run_scenario(program, release)
    if not shown(bad):
        raise NothingBreaksError(
            f"{scenario.name}: no property breaks under {release.name}, and every mapping "
            "has the type that it asked for: nothing to reproduce"
        )
    runs = {each.name: (each, run_scenario(program, each)) for each in everyone}
    recorded = [run for name, (_, run) in runs.items() if name in RELEASES]
    newest = runs[NEWEST][1]
    wanted, also = properties or frozenset(), frozenset[str]()
    if not wanted:
        # What the newest release has as well would hide that the rest is mended there.
        wanted = _claims(scenario, release) & bad.broken or bad.broken or frozenset({ASKED})
        also = wanted & shown(newest)
        wanted = wanted - also or wanted
    if missing := sorted(wanted - shown(bad)):
        raise InputFormatError(
            f"{scenario.name}: {missing[0]} does not break under {release.name}; "
            f"{', '.join(sorted(shown(bad)))} do"
        )
    good, checks, unseen = _reference(program, bad, recorded, wanted)
    if not checks:
        raise CannotReproduceError(
            f"{scenario.name}: what breaks cannot be seen from outside: {unseen[0]}"
        )
    return Reproducer(
        program,
        release,
        bad,
        good,
        tuple(checks),
        tuple((each, tuple(c for c in checks if not c.holds(run))) for each, run in runs.values()),
        tuple(name for name in LAWS if name in also - wanted),
        tuple(unseen),
        _firm(recorded),
        tuple(
            name
            for name, (_, run) in runs.items()
            if name in RELEASES and any(innocent(check, run) for check in checks)
        ),
    )


def _reference(
    program: Scenario, bad: Run, recorded: list[Run], wanted: frozenset[str]
) -> tuple[Run, list[Check], list[str]]:
    """The run that says what to expect: the first in which every check holds.

    The newest release comes first, then the design that keeps most.
    """
    options = [recorded[-1], run_scenario(program, release_with(_BEST))]
    found = []
    for good in options:
        checks, unseen = choose(bad, good, wanted, recorded)
        checks.sort(key=lambda check: check.step)
        failing = [check for check in checks if not check.holds(good)]
        if checks and not failing:
            return good, checks, unseen
        found.append((len(failing), good, checks, unseen))
    _, good, checks, unseen = min(found, key=lambda each: each[0])
    return good, checks, unseen


def _firm(runs: list[Run]) -> tuple[bool, ...]:
    """Per step: do all recorded releases return the same?"""
    return tuple(
        len({(step.result.err, step.result.signal) for step in steps}) == 1
        for steps in zip(*(run.steps for run in runs), strict=True)
    )


def _shown(scenario: Scenario) -> Scenario:
    """Steps without claims: those are made of the unchanged program."""
    return attrs.evolve(scenario, steps=tuple(Step(step.op) for step in scenario.steps), final=())


def _with_exits(scenario: Scenario) -> Scenario:
    """Every process exits in the end, the newest first."""
    alive = ["A"]
    for step in scenario.steps:
        if isinstance(step.op, ops.Fork) and step.op.child not in alive:
            alive.append(step.op.child)
        elif isinstance(step.op, ops.Exit) and step.op.p in alive:
            alive.remove(step.op.p)
    exits = tuple(Step(ops.Exit(name)) for name in reversed(alive))
    return attrs.evolve(scenario, steps=(*scenario.steps, *exits))


def _broken_claims(scenario: Scenario) -> list[ExpectProperty]:
    claims: list[Expect] = [*scenario.final]
    for step in scenario.steps:
        claims += step.expects
    return [each for each in claims if isinstance(each, ExpectProperty) and each.broken]


def _claims(scenario: Scenario, release: Release) -> frozenset[str]:
    """Properties of which the scenario itself says that they break on this release."""
    return frozenset(
        name
        for claim in _broken_claims(scenario)
        if applies(claim, release.name, release.design.name)
        for name in claim.names
    )


def _claimed_release(scenario: Scenario) -> Release:
    """Where the scenario says that something breaks, or else where something does.

    Of several releases it is the newest, and the newest of all only if there
    is no other.
    """
    newest_first = list(reversed(RELEASES.values()))
    order = [*newest_first[1:], *HISTORIC.values(), newest_first[0]]
    for release in order:
        if any(each.on for each in _broken_claims(scenario)) and _claims(scenario, release):
            return release
    named = [on for claim in _broken_claims(scenario) for on in claim.on if on in DESIGNS]
    if named:
        return release_with(named[0])
    for release in (*newest_first[1:], newest_first[0]):
        if run_scenario(scenario, release).broken:
            return release
    return newest_first[1]


def machine_reasons(scenario: Scenario) -> list[str]:
    """What of the scenario's machine no program can bring about."""
    machine = scenario.machine
    reasons = []
    if machine.pat not in ("full", "off"):
        reasons.append(f"Linux programs its own PAT, never the layout {machine.pat}")
    if machine.phys_bits != type(machine)().phys_bits:
        reasons.append("the processor has a fixed number of physical address bits")
    if machine.overcommit_pages != NO_LIMIT:
        reasons.append("the limit on committed memory follows from the machine's RAM")
    if not machine.mtrrs:
        reasons.append("the processor always has MTRRs")
    for step in scenario.steps:
        if isinstance(step.op, ops.Open) and step.op.mode in PLUGGED:
            reasons.append(f"the test module has no driver {step.op.mode}, which is a plug-in's")
    return reasons
