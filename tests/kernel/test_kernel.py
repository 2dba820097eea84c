"""Kernels that are built here: the unchanged one, the ladder of changes, and what each changes.

The first run builds (minutes per tree); later ones find everything in the cache.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from pfntrack.cli.words.kernels import modelled
from pfntrack.errors import GuestError
from pfntrack.lab.differ.campaign import Outcome, kinds, play_library, play_random
from pfntrack.lab.differ.sides import Side
from pfntrack.lab.guests.qemu import require_tools
from pfntrack.lab.images.changes import gather_changes
from pfntrack.lab.images.find import find
from pfntrack.lab.images.kbuild import Job, build
from pfntrack.lab.images.kernels import Kernel, fetch
from pfntrack.lab.images.sources import find_source
from pfntrack.lab.play.conform import conform, gather
from pfntrack.lab.random.fuzz import Campaign, run

pytestmark = [pytest.mark.lab, pytest.mark.kernel]

SERIES = "7.3"
RUNGS = ("context-ram", "context-list", "context-list-early")
STEPS = int(os.environ.get("PFNTRACK_TEST_STEPS", "20000"))
# Where rungs two and three differ from 7.3, and nowhere else.
MENDED = {
    "narrowing",
    "second full remap",
    "second full remap, in a fault",
    "mmap with MAP_FIXED over a mapping",
}


@cache
def _tree(*changes: str) -> Kernel:
    try:
        require_tools()
        jobs = len(os.sched_getaffinity(0))
        job = Job(find_source(SERIES), tuple(gather_changes(changes)))
        return find(build(job, jobs, lambda _text: None))
    except GuestError as error:
        pytest.skip(f"no kernel can be built here: {error}")


def _side(kernel: Kernel) -> Side:
    return Side(kernel.name, modelled(kernel), kernel)


def _names(outcome: Outcome) -> set[str]:
    return {group.kind.at for group in kinds(outcome)}


@pytest.mark.parametrize("change", ["", *RUNGS])
def test_the_library(change: str) -> None:
    """The unchanged kernel does what 7.3 does, each rung what its design does."""
    kernel = _tree(*([change] if change else []))
    release = modelled(kernel)
    assert release.design.name == (change or "track-context")
    verdicts = [v for v in conform(kernel, gather([]), release) if not v.skipped]
    assert len(verdicts) > 160
    assert {each.name: each.first for each in verdicts if not each.agrees} == {}


@pytest.mark.parametrize("change", ["", *RUNGS])
def test_random_programs(change: str, tmp_path: Path) -> None:
    """Kernel and design agree at every step of many."""
    kernel = _tree(*([change] if change else []))
    campaign = Campaign(kernel, modelled(kernel), seed=1, steps=STEPS, corpus=tmp_path)
    found = run(campaign, lambda _text: None)
    assert (found.text, found.why) == ("", "")


def test_equal_kernels_do_not_differ() -> None:
    """Nothing in many random steps."""
    outcome = Outcome(_side(_tree()), _side(_tree()))
    play_random(outcome, STEPS, 1, lambda _text: None)
    assert outcome.groups == {}


def test_what_the_ladder_changes() -> None:
    """The third rung is told from 7.3 by what it mends and by nothing else."""
    outcome = Outcome(_side(_tree()), _side(_tree("context-list-early")))
    play_library(outcome, gather([]), 1, lambda _text: None)
    play_random(outcome, 1000, 1, lambda _text: None)
    assert {"narrowing", "mmap with MAP_FIXED over a mapping"} <= _names(outcome) <= MENDED


def test_what_6_16_changed() -> None:
    """6.12 and 7.3 differ as is known: among others at munmap of a part, zap and fork."""
    try:
        one, other = fetch("6.12"), fetch("7.3")
    except GuestError as error:
        pytest.skip(f"no kernel can be fetched here: {error}")
    outcome = Outcome(_side(one), _side(other))
    play_library(outcome, gather([]), 1, lambda _text: None)
    assert {"munmap", "zap by the driver", "fork", "narrowing"} <= _names(outcome)
