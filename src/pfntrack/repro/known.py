"""Which published commits and reports belong to what a reproducer shows.

The catalogue of kernel log diagnoses has them, with the versions that they
concern; here the violation and the operation choose the entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pfntrack.check.run import StepRun
from pfntrack.field.catalogue.diagnoses.base import Citation, Code
from pfntrack.field.catalogue.diagnoses.codes import CODES
from pfntrack.field.read.kernelrelease import parse_release
from pfntrack.mm import ops
from pfntrack.pat.events import FreeInvalid, Warn
from pfntrack.repro.checks import Quiet, step_of
from pfntrack.repro.plan import Reproducer

_COMMIT = re.compile(r"[0-9a-f]{12}")
_ZAPS = (ops.Zap, ops.ZapVma, ops.Request, ops.DriverBind)


def codes(repro: Reproducer) -> list[Code]:
    """The diagnoses that the checks stand for, as far as they are of this release."""
    found = dict.fromkeys(
        name for check in repro.checks for name in _names(repro, check.step, check)
    )
    release = parse_release(re.split(r"[ ,]", repro.release.kernels.removeprefix("Debian "))[0])
    return [
        CODES[name]
        for name in found
        if (window := CODES[name].window) is None or window.affects(release) is not False
    ]


def commits(code: Code) -> tuple[str, list[str]]:
    """`Fixed by` or, where nothing has mended it yet, `Fixes`, with hashes and subjects."""
    mended = [_reference(each) for each in code.fixed_by if _COMMIT.fullmatch(each.ref)]
    if mended:
        return "Fixed by", mended
    return "Fixes", [_reference(each) for each in code.see if _COMMIT.fullmatch(each.ref)]


def reports(code: Code) -> list[str]:
    """Threads and reports about it."""
    return [f"{e.ref}: {e.title}" for e in code.see if not _COMMIT.fullmatch(e.ref)]


def _reference(citation: Citation) -> str:
    return f'{citation.ref} ("{citation.title}")'


def _names(repro: Reproducer, number: int, check: object) -> Iterator[str]:
    step = step_of(repro.bad, number)
    before = repro.bad.steps[: number - 1]
    law = getattr(check, "law", "")
    if isinstance(check, Quiet) and any(isinstance(event, Warn) for event in step.events):
        yield _warning(repro, step)
    elif law in ("I2", "I5") and any(isinstance(each.op, _ZAPS) for each in (*before, step)):
        yield "UNTRACK_FROM_ZAP_WITHOUT_MMAP_LOCK"
    elif law == "I3":
        yield "KERNEL_BUG_AMBIGUOUS_FREE"
    elif law == "I6" and isinstance(step.op, ops.Fork):
        yield "UNTRACK_COW_FIRST_PAGE"
    elif law == "I6" and _contexts(repro) and not _missed((*before, step)):
        yield "TRACKCTX_SECOND_REMAP"
    elif repro.release.pat.closed_interval:
        yield "SILENT_DOWNGRADE_ADJACENT"
    elif _missed((*before, step)):
        shrunk = any(
            isinstance(each.op, ops.Mremap) and each.op.new < each.op.old for each in before
        )
        yield "KERNEL_BUG_MREMAP_SHRINK" if shrunk else "KERNEL_BUG_VMA_SPLIT"
        yield "KERNEL_BUG_VMA_SPLIT"
    elif any(isinstance(each.op, ops.Munmap | ops.Mremap) for each in before) and law != "tight":
        yield "KERNEL_BUG_VMA_SPLIT"


def _warning(repro: Reproducer, step: StepRun) -> str:
    if isinstance(step.op, ops.Fork):
        return "UNTRACK_FAILED_FORK"
    if isinstance(step.op, ops.Mremap):
        return "UNTRACK_MREMAP_MOVE"
    if isinstance(step.op, ops.Mmap | ops.Remap):
        return "UNTRACK_AFTER_FAILED_REMAP"
    if isinstance(step.op, _ZAPS):
        return "UNTRACK_FROM_ZAP_WITHOUT_MMAP_LOCK"
    written = any(isinstance(each.op, ops.Write) for each in repro.bad.steps[: step.number - 1])
    return "UNTRACK_COW_FIRST_PAGE" if written else "UNTRACK_AFTER_ZAP"


def _contexts(repro: Reproducer) -> bool:
    return repro.release.design.name.startswith("track-context")


def _missed(steps: tuple[StepRun, ...]) -> bool:
    return any(isinstance(event, FreeInvalid) for step in steps for event in step.events)
