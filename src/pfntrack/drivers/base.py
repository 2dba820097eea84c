"""What all drivers share: file operations that do nothing."""

from __future__ import annotations

import errno

from pfntrack.mm.space import Mm
from pfntrack.mm.step import Step
from pfntrack.mm.vma import File, Vma
from pfntrack.pat.context import Context
from pfntrack.pat.physical import Claim


class Driver:
    """File operations with every default; drivers override what they have."""

    page_mkwrite = False
    regular = False
    has_access = False
    has_mmap = True

    def mmap(self, step: Step, mm: Mm, vma: Vma) -> tuple[int, Vma]:
        return -errno.ENODEV, vma

    def fault(self, step: Step, mm: Mm, vma: Vma, page: int) -> str:
        return "SIGBUS"

    def open(self, step: Step, mm: Mm, vma: Vma) -> Vma:
        return vma

    def close(self, step: Step, vma: Vma) -> None:
        """A VMA of the file has gone."""

    def release(self, step: Step, file: File) -> None:
        """The last reference to the open file has gone."""


def claimed(step: Step, start: int, end: int) -> Claim | None:
    """The busy resource that overlaps bytes `[start, end)`."""
    return step.ask(_claimed, start, end)


def _claimed(ctx: Context, start: int, end: int) -> Claim | None:
    for claim in ctx.phys.claims:
        if claim.start < end and start < claim.end:
            return claim
    return None
