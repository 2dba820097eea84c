"""The shortest counterexamples of 5.10, 6.1 and 6.12 as programs on real kernels.

`counterexamples/basic` is what `pfntrack check --preset quick` writes for the
three releases, `counterexamples/wide` the same with all operations that make
nothing fail. PFNTRACK_REPRO=all runs every program on all four kernels;
without it a few run on 6.12 and 7.3.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from pfntrack.errors import GuestError
from pfntrack.lab.guests.qemu import require_tools
from pfntrack.lab.images.find import find as find_kernel
from pfntrack.repro import Reproducer, plan, source
from pfntrack.repro.trial import FAIL, PASS, Trial, compile_program, trials
from pfntrack.scenario import find

HERE = Path(__file__).parent / "counterexamples"
ALL = os.environ.get("PFNTRACK_REPRO") == "all"
KERNELS = ("5.10", "6.1", "6.12", "7.3") if ALL else ("6.12", "7.3")
FILES = sorted(HERE.rglob("*.pfn"))
# A leak, a lost cover, a wrong owner over fork, a refusal, two types (open on
# 7.3), a failed fork, and two that need failing allocations.
SHORT = (
    "basic/6.12-breaks-I1",
    "basic/6.12-breaks-I2",
    "basic/6.12-breaks-I3",
    "basic/6.12-breaks-I6",
    "wide/6.12-breaks-I3",
    "wide/6.12-breaks-I5",
)


def label(path: Path) -> str:
    """A file's folder and name."""
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", FILES, ids=label)
def test_counterexample_breaks_what_it_says(path: Path) -> None:
    """On its release, by the model; the program has a check that fails there."""
    scenario = find(str(path))
    repro = plan(scenario)
    release, law = scenario.name.split("-breaks-")
    assert repro.release.name == release
    assert repro.properties == (law,)
    assert repro.failing(release) == repro.checks


@cache
def measured(kernel: str) -> dict[str, tuple[Reproducer, Trial]]:
    """All trials on one kernel: one boot."""
    chosen = [path for path in FILES if ALL or label(path) in SHORT]
    programs = {}
    for path in chosen:
        repro = plan(find(str(path)))
        name = label(path).replace("/", "-").replace(".", "-")
        programs[name] = label(path), repro, source(repro, name)
    try:
        require_tools()
        binaries = {n: (r, compile_program(t, n)) for n, (_, r, t) in programs.items()}
        found = find_kernel(kernel)
    except GuestError as error:
        pytest.skip(f"no guest can be booted here: {error}")
    return {programs[t.name][0]: (programs[t.name][1], t) for t in trials(found, binaries)}


@pytest.mark.lab
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_do_what_the_model_says(kernel: str) -> None:
    """Test by test: what fails in the model fails on the kernel, and nothing else."""
    for name, (_, trial) in measured(kernel).items():
        assert trial.as_predicted, f"{name} on {kernel}: {trial.status} {trial.why}\n{trial.output}"


@pytest.mark.lab
@pytest.mark.parametrize("kernel", KERNELS)
def test_affected_fail_and_newest_passes(kernel: str) -> None:
    """A program fails on its release, and passes on 7.3 unless that is known to be open."""
    seen = set()
    for name, (repro, trial) in measured(kernel).items():
        if repro.release.name == kernel:
            assert trial.status == FAIL, f"{name}: {trial.output}"
        elif kernel == "7.3":
            expected = FAIL if repro.known_on_newest else PASS
            assert trial.status == expected, f"{name}: {trial.output}"
        seen.add(trial.status)
    assert FAIL in seen


@pytest.mark.lab
def test_skips_without_its_devices() -> None:
    """A program that needs a BAR that is not there skips, and says how to name another."""
    repro = plan(find("cached-leak-blocks-driver"))
    binary = compile_program(source(repro, "far"), "far")
    try:
        require_tools()
        kernel = find_kernel("6.12")
    except GuestError as error:
        pytest.skip(f"no guest can be booted here: {error}")
    (trial,) = trials(kernel, {"far": (repro, binary)})
    assert trial.status == "skip"
    assert "name another one with BIG=DEVICE:BAR" in trial.why
