"""The command on a real kernel: a short conformance, a short search, and two wrong models."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import attrs
import pytest

from pfntrack.errors import GuestError
from pfntrack.lab.guests.guest import BootFiles, Guest
from pfntrack.lab.guests.qemu import require_tools
from pfntrack.lab.images.build import boot_files
from pfntrack.lab.images.find import find
from pfntrack.lab.images.kernels import Kernel
from pfntrack.lab.play.compare import differences
from pfntrack.lab.play.conform import conform, gather
from pfntrack.lab.play.quick import QuickRecorder
from pfntrack.lab.play.recorder import Recorder
from pfntrack.lab.random.fuzz import Campaign, run
from pfntrack.releases import Release, release_for
from pfntrack.scenario import parse

pytestmark = pytest.mark.lab

SERIES = os.environ.get("PFNTRACK_TEST_KERNEL", "6.12")
SHORT = (
    "map-wc",
    "munmap-head",
    "munmap-tail",
    "mprotect-split-munmap",
    "mremap-shrink",
    "fork-exit",
    "truncate-middle",
    "adjacent-wc-uc",
    "page-by-page",
    "open-zaps-split-head",
)


@cache
def _kernel() -> tuple[Kernel, BootFiles]:
    try:
        require_tools()
        kernel = find(SERIES)
        return kernel, boot_files(kernel)
    except GuestError as error:
        pytest.skip(f"no guest can be booted here: {error}")


def test_a_short_conformance() -> None:
    """Ten scenarios agree with the kernel at every step."""
    kernel, _ = _kernel()
    verdicts = list(conform(kernel, gather(SHORT), release_for(kernel.series)))
    assert {each.name: each.first for each in verdicts} == dict.fromkeys(SHORT)
    assert not any(each.lost for each in verdicts)


def test_many_steps_per_exchange_show_the_same() -> None:
    """The fast way of playing a program records what the slow one does."""
    _, files = _kernel()
    with Guest(files) as guest:
        for plan in gather(["fork-truncate-middle", "private-write-other-fork"]):
            slow = Recorder(guest).record(plan.program)
            guest.restore()
            quick = list(QuickRecorder(guest).play([step["op"] for step in slow["steps"]]))
            assert list(differences(slow, {**slow, "steps": quick})) == []


TRUE = release_for("6.12")
EXACT_ONLY = attrs.evolve(TRUE, pat=attrs.evolve(TRUE.pat, end_match=False))
CLOSED = attrs.evolve(TRUE, pat=attrs.evolve(TRUE.pat, closed_interval=True))


@pytest.mark.parametrize(
    ("wrong", "scenario"),
    [(EXACT_ONLY, "munmap-tail"), (CLOSED, "adjacent-wc-uc")],
    ids=["exact-match-only", "closed-2019"],
)
def test_a_real_kernel_refutes_wrong_models(tmp_path: Path, wrong: Release, scenario: str) -> None:
    """Both mistakes are found by comparison and by the search, which says them shortly."""
    kernel, _ = _kernel()
    if kernel.series != "6.12":
        pytest.skip("the wrong models are of 6.12")
    (verdict,) = conform(kernel, gather([scenario]), wrong)
    assert verdict.first is not None
    assert "6.12" in verdict.explained
    found = run(Campaign(kernel, wrong, 1, 3000, corpus=tmp_path), lambda _text: None)
    assert 0 < len(parse(found.text).steps) <= 8
