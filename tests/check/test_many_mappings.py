"""Judging a state: the same verdicts as by comparing everything with everything, and in time."""

from __future__ import annotations

import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfntrack.check.judged import owners, properties
from pfntrack.check.judged.properties import Violation
from pfntrack.check.run import first_world
from pfntrack.designs.base import Design
from pfntrack.errors import NoSuchProcessError
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.physical import Machine
from pfntrack.releases import RELEASES, World, release_for
from pfntrack.releases.kernel import Kernel
from pfntrack.scenario import library, load, parse

Span = tuple[int, int]


def _pages(entry: object) -> Span:
    return entry.start >> 12, -(-entry.end >> 12)  # type: ignore[attr-defined]


def _plain(world: World, design: Design, machine: Machine) -> list[Violation]:
    """I1, I2, I3, I5 and tight, page by page and pair by pair."""
    found = []
    mapped = [(m.first, m.end) for m in owners.user_mappings(world)] + owners.nominal(world)
    live = {pfn for first, end in mapped for pfn in range(first, end)}
    for entry in owners.without_kernel(world, design):
        first, end = _pages(entry)
        if not any(low < end and first < high for low, high in mapped):
            reason = f"reserved as {entry.type}, but nothing maps or holds it"
            found.append(Violation("I1", first, end, reason))
        reason = f"still reserved as {entry.type}, mapped by no VMA"
        stretches = _stretches([pfn for pfn in range(first, end) if pfn not in live])
        found += [Violation("tight", *span, reason) for span in stretches]
    for process in world.processes:
        for vma in process.space.vmas:
            for run in owners.entries_of(vma, process.space.ptes) if vma.origin is not None else ():
                pfn = run.pfn or 0
                span = pfn, pfn + run.end - run.start
                moved = pfn - (vma.origin or 0) != run.start - vma.start
                if moved or not owners.trackable(machine, *span):
                    continue
                kept = {
                    page
                    for entry in world.phys.tree
                    if entry.type is run.cache
                    for page in range(*_pages(entry))
                }
                reason = f"process {process.name} maps it as {run.cache} without a reservation"
                bare = [page for page in range(*span) if page not in kept]
                found += [Violation("I2", *each, reason) for each in _stretches(bare)]
    claims = owners.kernel_claims(world) + owners.user_claims(world, design, machine)
    for first, end in pairwise(sorted({edge for c in claims for edge in (c.first, c.end)})):
        mine = [claim for claim in claims if claim.first <= first < claim.end]
        held = sum(low <= first < high for low, high in map(_pages, world.phys.tree))
        if held < len(mine) and any(owners.trackable(machine, c.first, c.end) for c in mine):
            who = " and ".join(claim.who for claim in mine)
            reason = f"{held} reservations for {len(mine)} owners: {who}"
            found.append(Violation("I3", first, end, reason))
    mappings = sorted(
        owners.user_mappings(world) + owners.kernel_mappings(world), key=lambda m: m.first
    )
    same = {CacheMode.UC: CacheMode.UC_MINUS}
    for number, one in enumerate(mappings):
        for other in mappings[number + 1 :]:
            apart = same.get(one.type, one.type) is not same.get(other.type, other.type)
            if apart and other.first < one.end:
                reason = f"{one.who} maps it as {one.type}, {other.who} as {other.type}"
                span = other.first, min(one.end, other.end)
                found.append(Violation("I5", *span, reason))
    return found


def _stretches(pages: list[int]) -> list[Span]:
    out: list[list[int]] = []
    for page in pages:
        if out and out[-1][1] == page:
            out[-1][1] = page + 1
        else:
            out.append([page, page + 1])
    return [(first, end) for first, end in out]


@pytest.mark.parametrize("release", RELEASES)
def test_verdicts_on_the_library(release: str) -> None:
    """Every state of every scenario."""
    judged = 0
    for path in library().values():
        scenario = load(path)
        kernel = Kernel(release_for(release), scenario.machine.machine())
        if not kernel.machine.pat_enabled:
            continue
        world = first_world(scenario.machine)
        for step in scenario.steps:
            try:
                world = kernel.perform(world, step.op).world
            except NoSuchProcessError:
                continue
            found = properties.judge_state(kernel, world)
            plain = _plain(world, kernel.release.design, kernel.machine)
            assert sorted(map(str, found)) == sorted(map(str, plain))
            judged += len(found)
    assert judged


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)).map(sorted), max_size=7))
def test_segments(ranges: list[list[int]]) -> None:
    """Each stretch between edges has just the spans that contain it; empty ones contain nothing."""
    spans = [(first, end) for first, end in ranges]
    seen = [(first, end, set(inside)) for first, end, inside in properties._segments(spans)]
    edges = sorted({edge for span in spans for edge in span})
    assert seen == [
        (a, b, {n for n, (low, high) in enumerate(spans) if low <= a < high})
        for a, b in pairwise(edges)
    ]


@pytest.mark.parametrize("release", ["6.12", "7.3"])
def test_work_grows_no_faster_than_sorting(release: str) -> None:
    """Twice the mappings: about twice the calls for one state, not four or eight times."""
    assert 2 * _calls(release, 150) * 1.3 > _calls(release, 300)


def _calls(release: str, count: int) -> int:
    """Function calls, of Python and C, that judging one state of so many mappings takes."""
    lines = [f"A maps fd0[{n},{n + 1}) at {2 * n}" for n in range(count)]
    scenario = parse(
        "\n".join(["scenario many", "", "A opens driver on H with UC- as fd0", *lines])
    )
    kernel = Kernel(release_for(release), scenario.machine.machine())
    world = first_world(scenario.machine)
    for step in scenario.steps:
        world = kernel.perform(world, step.op).world
    calls = 0

    def count_one(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count_one)
    try:
        assert properties.judge_state(kernel, world) == []
    finally:
        sys.setprofile(None)
    return calls
