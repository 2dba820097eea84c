"""Overlapping operations: all schedules, their soundness, and the races that are known."""

from __future__ import annotations

import itertools

import pytest

from pfntrack.check.race.found import Race, race
from pfntrack.check.race.moments import judge_course, judge_moment, judge_part
from pfntrack.check.race.scenarios import as_scenario, race_scenario
from pfntrack.check.race.schedules import Schedules, every_schedule
from pfntrack.check.run import first_world, run_scenario
from pfntrack.errors import ScenarioError
from pfntrack.mm import ops
from pfntrack.mm.overlap import Overlap
from pfntrack.releases import Kernel, World, release_or_design
from pfntrack.releases.together import begin, finished
from pfntrack.scenario import parse

MAPPED = "scenario s\nA opens driver on H as fd0\nA maps fd0[0,2) at 0\n"
FAULTED = "scenario s\nA opens driver on H by fault as fd0\nA maps fd0[0,2) at 0\nA reads page 0\n"
FORK, ZAP = ops.Fork("A", "B"), ops.Zap("A", 0, 0, 2)


def setting(text: str, release: str) -> tuple[Kernel, World]:
    """A kernel, and the world in which a text's steps end."""
    scenario = parse(text)
    kernel = Kernel(release_or_design(release), scenario.machine.machine(), explain=False)
    world = first_world(scenario.machine)
    for step in scenario.steps:
        world = kernel.perform(world, step.op).world
    return kernel, world


def raced(text: str, release: str, left: ops.Op, right: ops.Op) -> Race:
    return race(*setting(text, release), Overlap(left, right))


def broken(found: Race) -> set[str]:
    """Properties that no order without overlap breaks."""
    return {finding.property for finding in found.races}


@pytest.mark.parametrize("release", ["6.1", "6.12", "6.14", "6.2"])
def test_fork_against_truncation(release: str) -> None:
    """The measured race R1: warnings, a refused fork, and a leak."""
    found = raced(MAPPED, release, FORK, ZAP)
    assert {"I1", "I4", "I6"} <= broken(found)
    callers = {f.violation.reason.split()[-1] for f in found.races if f.property == "I4"}
    assert any("track_pfn_copy" in caller or "copy" in caller for caller in callers)


@pytest.mark.parametrize("release", ["6.16", "7.3"])
def test_contexts_survive_it(release: str) -> None:
    """Nothing at all is found where contexts track: not even a window of the TLB."""
    assert not raced(MAPPED, release, FORK, ZAP).findings


@pytest.mark.parametrize(
    ("release", "stale"), [("6.1", True), ("6.12", True), ("7.3", False), ("ours", True)]
)
def test_stale_translations(release: str, stale: bool) -> None:
    """VM_PAT and `ours` release what a TLB may still hold, contexts do not."""
    found = raced(MAPPED, release, ops.Munmap("A", 0, 2), ops.Sysctl("vm/max_map_count", "9"))
    assert ("I5-tlb" in broken(found)) is stale


PAIRS = list(
    itertools.combinations(
        (
            FORK,
            ZAP,
            ops.Munmap("A", 0, 1),
            ops.Read("A", 1),
            ops.Mremap("A", 0, 2, 2, True, True, False, 8),
        ),
        2,
    )
)


@pytest.mark.parametrize("text", [MAPPED, FAULTED])
@pytest.mark.parametrize("release", ["6.12", "7.3", "ours"])
@pytest.mark.parametrize("pair", PAIRS)
def test_reduction_is_sound(text: str, release: str, pair: tuple[ops.Op, ops.Op]) -> None:
    """Each schedule by itself shows no more than those that the search tells apart."""
    kernel, world = setting(text, release)
    start = begin(kernel, world, Overlap(*pair))
    seen: set[object] = set()
    ends: set[object] = set()

    search = Schedules(kernel, start)
    size = search.run(
        lambda node: seen.update(judge_moment(kernel, node.moment)),
        lambda node, part, after: seen.update(judge_part(kernel, node.moment, part, after)),
    )
    for node in search.ends:
        results = tuple(call.result for call in node.moment.calls)
        ends.add((results, finished(kernel, node.moment, world)))
    assert size.complete
    if size.schedules > 3_000:
        pytest.skip("too many schedules to try each")
    all_seen: set[object] = set()
    all_ends: set[object] = set()
    number = 0
    for parts, moments in every_schedule(kernel, start):
        number += 1
        for before, part, after in zip(moments, parts, moments[1:], strict=False):
            all_seen.update(judge_part(kernel, before, part, after))
            all_seen.update(judge_moment(kernel, after))
        results = tuple(call.result for call in moments[-1].calls)
        all_ends.add((results, finished(kernel, moments[-1], world)))
    all_seen.update(judge_moment(kernel, start))
    assert number == size.schedules
    assert all_seen == seen
    assert all_ends == ends


def test_one_after_the_other_is_as_alone() -> None:
    """A call that nobody interrupts does what it does when it is made by itself."""
    for release in ("5.10", "6.1", "6.12", "7.3", "ours", "vm-pat-2012"):
        for text in (MAPPED, FAULTED):
            kernel, world = setting(text, release)
            for pair in PAIRS:
                first = kernel.perform(world, pair[0])
                second = kernel.perform(first.world, pair[1])
                both = kernel.perform(world, Overlap(*pair))
                assert both.world == second.world, (release, pair)
                assert both.course is not None
                assert both.course.results == (first.result, second.result)


def test_schedule_is_a_scenario() -> None:
    """Each finding's schedule, written as a scenario and read again, breaks what it says."""
    scenario = parse(MAPPED + "A forks B || driver zaps fd0[0,2) of A\n")
    release = release_or_design("6.12")
    (found,) = race_scenario(scenario, release)
    assert found.race.findings
    for finding in found.race.findings:
        run = run_scenario(as_scenario(found, finding), release)
        course = run.steps[-1].course
        assert course is not None
        shown = {(v.property, v.reason) for v in judge_course(run.kernel(), course)}
        ends = {(v.property, v.reason) for v in (*run.steps[-1].broken, *run.leaks)}
        compared = "no order without overlap" in finding.violation.reason
        if finding.property != "I10" and not compared:
            assert (finding.property, finding.violation.reason) in shown | ends


def test_claims_over_all_schedules() -> None:
    """`always`, `possible` and `never` are about all schedules, a bare claim about one."""
    text = MAPPED + (
        "A forks B || driver zaps fd0[0,2) of A\n"
        "  schedule left\n"
        "  expect: left ok\n"
        "  expect possible: left ENOMEM; breaks I4\n"
        "  expect never: right EINVAL; breaks I7\n"
        "  expect always: right ok; keeps I7\n"
        "  expect always: left ok\n"
        "  expect never: breaks I4\n"
        "  expect possible: right EBUSY\n"
    )
    verdicts = run_scenario(parse(text), release_or_design("6.12")).steps[-1].verdicts
    assert [verdict.holds for verdict in verdicts] == [*[True] * 7, *[False] * 3]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("A exits || A reads page 0", "process A has exited"),
        ("A forks B || A forks B", "process B exists already"),
        ("A reads page 0\n  schedule left", "a schedule is for two operations"),
        ("A reads page 0\n  expect always: ok", "always is for two operations"),
        ("A reads page 0 || A reads page 1\n  schedule left 0", "at least one part"),
        ("fail memtype_reserve in A || A reads page 1", "cannot overlap"),
    ],
)
def test_what_cannot_overlap(line: str, message: str) -> None:
    """Mistakes are named, with their line."""
    with pytest.raises(ScenarioError, match=message):
        run_scenario(parse(MAPPED + line + "\n"), release_or_design("6.12"))
