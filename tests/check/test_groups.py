"""Groups of operations beyond the presets: advice, failures at the edge of a page table."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest

from pfntrack.check.run import run_scenario
from pfntrack.check.search import plain
from pfntrack.check.search.actions import EDGE
from pfntrack.check.search.bounds import Bounds, parse_bounds
from pfntrack.check.search.explore import Limits, Search, explore
from pfntrack.check.search.normal import normal
from pfntrack.check.search.setting import Setting
from pfntrack.check.search.trace import scenario
from pfntrack.cli.main import main
from pfntrack.designs import DESIGNS
from pfntrack.mm import ops
from pfntrack.pat.cachemode import CacheMode
from pfntrack.releases import RELEASES, World, release_for, release_with
from pfntrack.scenario import format_scenario, parse

# (release, bounds, groups) -> states, transitions, transitions cut off, depth.
COUNTS = {
    ("6.12", "2,2,2,1,2", "map advise fork exit"): (671, 2831, 2552, 7),
    ("7.3", "2,2,2,1,2", "map advise fork exit"): (751, 3151, 2872, 7),
    ("6.12", "1,3,2,2,2", "map munmap latefail"): (106, 562, 217, 7),
    ("7.3", "1,3,2,2,2", "map munmap latefail"): (63, 364, 84, 4),
}

# What breaks by advice, without any munmap: (release or design, property, operations, steps).
KNOWN = [
    ("5.10", "I4", "map advise exit", 3),
    ("6.1", "I4", "map advise exit", 3),
    ("6.12", "I1", "map advise exit", 3),
    ("6.12", "I3", "map advise fork exit", 4),
    ("7.3", "tight", "map advise fork exit", 4),
    ("side-table", "tight", "map advise fork exit", 4),
]


def of(name: str, groups: str, size: str = "2,2,2,2,2") -> Setting:
    """A setting with one type of memory."""
    release = release_for(name) if name[0].isdigit() else release_with(name)
    bounds = attrs.evolve(parse_bounds(size, Bounds()), types=(CacheMode.UC_MINUS,))
    return Setting(release, bounds, tuple(groups.split()))


@pytest.mark.parametrize(("release", "size", "groups"), COUNTS)
def test_exact_counts(release: str, size: str, groups: str) -> None:
    """The size of the state space within small bounds is known exactly."""
    found = explore(of(release, groups, size))
    counts = found.states, found.transitions, found.cut, found.depth
    assert COUNTS[release, size, groups] == counts
    assert found.complete
    assert not found.idle


@pytest.mark.parametrize("groups", ["map advise munmap fork exit", "map mapfail latefail fork"])
@pytest.mark.parametrize(
    "design", ["vm-pat-5.10", "vm-pat", "pfn-per-vma", "track-context", "ours"]
)
def test_searches_agree(design: str, groups: str) -> None:
    """States, transitions, verdicts and counterexamples are those of the plain search."""
    setting = of(design, groups)
    assert plain.explore(setting, deepest=3) == explore(setting, deepest=3)


@pytest.mark.parametrize("model", [*RELEASES, "ours"])
def test_command(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each release can be searched with advice, and the advice has an effect in it."""
    which = "--release" if model in RELEASES else "--design"
    args = ["check", which, model, "--bounds", "1,2,2,2,2", "--ops", "map,munmap,advise,exit"]
    assert main([*args, "--property", "I4,I9", "--no-output", "--quiet"]) in (0, 1)
    shown = capsys.readouterr().out
    assert "never changed anything" not in shown
    assert ("I4 BROKEN" in shown) == (model in ("5.10", "6.1", "6.12"))


@pytest.mark.parametrize(("name", "broken", "groups", "steps"), KNOWN)
def test_advice_splits(name: str, broken: str, groups: str, steps: int) -> None:
    """A hint splits a mapping, and what breaks by that breaks in a run as well."""
    setting = of(name, groups)
    found = Search(setting, frozenset({broken})).run(Limits(depth=steps))
    assert found.verdicts == {broken: steps}
    made = format_scenario(scenario(setting, found.counterexamples[broken]))
    assert run_scenario(parse(made), setting.release).broken >= {broken}


def test_not_inherited() -> None:
    """A child has only what its parent was not advised to keep for itself."""
    setting = of("7.3", "map advise fork", "2,2,2,2,1")
    children = [
        child.space.vmas
        for world in reached(setting)
        for child in world.processes[1:]
        if len(world.processes[0].space.vmas) == 2
    ]
    assert {len(vmas) for vmas in children} == {0, 1, 2}


@pytest.mark.parametrize("design", DESIGNS)
def test_second_table(design: str) -> None:
    """What breaks with remaps that fail at their second page table breaks without (B51)."""
    with_it = explore(of(design, "map latefail munmap exit", "1,3,2,2,2"))
    without = explore(of(design, "map munmap exit", "1,3,2,2,2"))
    assert with_it.complete
    assert not with_it.idle
    assert with_it.verdicts == without.verdicts


def test_edge_of_a_table() -> None:
    """The failure strikes when the pages of the first table have been mapped."""
    setting = of("6.12", "map latefail")
    for action in setting.actions:
        assert isinstance(action.op, ops.Mmap)
        assert action.op.at >= EDGE
        if action.group == "latefail":
            step = setting.perform(setting.start, action.ops[:-1], frozenset())
            (failure,) = step.world.failures
            assert (failure.nth, failure.seen, failure.fired) == (2, 2, 1)
            assert step.world.phys.tree == ()


@pytest.mark.parametrize("release", RELEASES)
def test_no_group_grows(release: str) -> None:
    """Why mremap to more pages is not tried: it fails, having done what a munmap does.

    All of them refuse to grow a raw pfn mapping; up to 6.12 a fixed target has
    been unmapped before. Shown for every state of a small search.
    """
    setting = of(release, "map munmap zap", "1,3,2,2,2")
    perform, late = setting.kernel.perform, release in ("5.10", "6.1", "6.12")
    tried = unmapped = 0
    for world in reached(setting):
        for op in grown(world, setting.bounds.pages):
            outcome = perform(world, op)
            wanted = world
            if late and op.to is not None:
                wanted = perform(world, ops.Munmap(op.p, op.to, op.new)).world
            assert outcome.result.err == "EFAULT"
            assert outcome.world == wanted
            tried += 1
            unmapped += outcome.world != world
    assert tried > 500
    assert (unmapped > 0) == late


def grown(world: World, pages: int) -> Iterator[ops.Mremap]:
    """All ways to let a mapping grow by one page."""
    for process in world.processes:
        for vma in process.space.vmas:
            for at in range(vma.start, vma.end):
                for old in range(1, vma.end - at + 1):
                    for maymove in (False, True):
                        yield ops.Mremap(process.name, at, old, old + 1, maymove)
                    for to in range(pages - old):
                        if to + old + 1 <= at or at + old <= to:
                            yield ops.Mremap(
                                process.name, at, old, old + 1, maymove=True, fixed=True, to=to
                            )


def reached(setting: Setting) -> list[World]:
    """All states of a small search."""
    worlds = [setting.start]
    seen = {setting.start}
    for world in worlds:
        for number, slot in setting.moves(world):
            program = setting.actions[number].by(slot, len(world.processes))
            step = setting.perform(world, program, frozenset())
            after = normal(step.world, setting.release.design)
            if after not in seen and setting.inside(after):
                seen.add(after)
                worlds.append(after)
    return worlds
