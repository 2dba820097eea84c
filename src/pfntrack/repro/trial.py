"""Compiling reproducers, running them on real kernels, and judging what they print."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from pfntrack.check.run import run_scenario
from pfntrack.errors import GuestError
from pfntrack.lab.guests.execute import Execution, execute
from pfntrack.lab.images.build import boot_files
from pfntrack.lab.images.kernels import Kernel
from pfntrack.releases import RELEASES, Release, release_for
from pfntrack.repro.plan import Reproducer

CC = ("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static")
FAIL, PASS, SKIP, BAIL, LOST = "fail", "pass", "skip", "bail out", "lost"
_TEST = re.compile(r"^(not )?ok (\d+)\b", re.MULTILINE)
_PLAN = re.compile(r"^1\.\.(\d+)(?: # SKIP (.*))?$", re.MULTILINE)
_BAIL = re.compile(r"^Bail out! (.*)$", re.MULTILINE)


@attrs.frozen
class Trial:
    """One program on one kernel: what it showed, and what the model had said.

    `failed` and `predicted` are the numbers of tests that fail; `predicted` is
    None for a kernel that is not modelled by its own release.
    """

    name: str
    kernel: str
    release: str
    status: str
    failed: tuple[int, ...] = ()
    predicted: tuple[int, ...] | None = None
    why: str = ""
    output: str = ""

    @property
    def as_predicted(self) -> bool | None:
        """Does the kernel do what the model says? None if there is no saying."""
        if self.predicted is None or self.status not in (FAIL, PASS):
            return None
        return self.failed == self.predicted


def compile_program(text: str, name: str) -> bytes:
    """The static program for a C text.

    Raises GuestError: there is no compiler, or it refuses the text.
    """
    with tempfile.TemporaryDirectory(prefix="pfntrack-cc-") as folder:
        path, out = Path(folder) / f"{name}.c", Path(folder) / name
        path.write_text(text, encoding="utf-8")
        try:
            done = subprocess.run(  # noqa: S603 - our own arguments
                [*CC, "-s", "-o", str(out), str(path)], capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise GuestError(
                "gcc not found: install the Debian packages gcc and libc6-dev"
            ) from None
        if done.returncode:
            raise GuestError(f"{name}.c does not compile:\n{done.stderr}")
        return out.read_bytes()


def trials(
    kernel: Kernel,
    programs: Mapping[str, tuple[Reproducer, bytes]],
    model: Release | None = None,
) -> Iterator[Trial]:
    """Run programs on one kernel, in one guest that is restored before each.

    ``model`` says what to expect of it, if that is not what its series says.

    Those that use VFIO have a guest of their own, with an IOMMU.

    Raises GuestError: the guest cannot be prepared or does not boot.
    """
    for vfio in (False, True):
        chosen = {n: binary for n, (repro, binary) in programs.items() if repro.needs_vfio is vfio}
        if chosen:
            for done in execute(boot_files(kernel, vfio=vfio), chosen):
                yield judge(done, programs[done.name][0], kernel.name, model)


def judge(done: Execution, repro: Reproducer, kernel: str, model: Release | None = None) -> Trial:
    """The verdict on what a program printed."""
    predicted = None
    if model is not None:
        run = run_scenario(repro.scenario, model)
        predicted = tuple(n for n, check in enumerate(repro.checks, 1) if not check.holds(run))
    elif kernel in RELEASES:
        failing = repro.failing(release_for(kernel).name)
        predicted = tuple(n for n, check in enumerate(repro.checks, 1) if check in failing)
    status, failed, why = verdict(done, len(repro.checks))
    return Trial(done.name, kernel, done.release, status, failed, predicted, why, done.output)


def verdict(done: Execution, planned: int) -> tuple[str, tuple[int, ...], str]:
    """Status, failed tests and reason, from KTAP lines and exit code."""
    if done.lost:
        return LOST, (), done.lost
    if match := _BAIL.search(done.output):
        return BAIL, (), match[1]
    if (match := _PLAN.search(done.output)) and match[2]:
        return SKIP, (), match[2]
    tests = {int(number): not bad for bad, number in _TEST.findall(done.output)}
    failed = tuple(number for number, good in sorted(tests.items()) if not good)
    if done.stuck or sorted(tests) != list(range(1, planned + 1)):
        return BAIL, failed, f"{len(tests)} of {planned} tests reported"
    if done.status != (1 if failed else 0):
        return BAIL, failed, f"ended with status {done.status}"
    return (FAIL if failed else PASS), failed, ""
