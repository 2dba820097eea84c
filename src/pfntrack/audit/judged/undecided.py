"""Questions that the facts at hand cannot answer, so that silence is not taken for health."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pfntrack.audit.judged.predict import Forecast
from pfntrack.audit.read.evidence import HOLDERS, Evidence
from pfntrack.audit.read.users import User, is_cow
from pfntrack.state import Confidence

_UNCOUNTED = ("5.10", "6.1")


def open_questions(evidence: Evidence, people: Sequence[User], exits: Forecast) -> Iterator[str]:
    """One line per question."""
    if evidence.pat_on is False:
        yield "PAT is off: nothing is tracked, so there is nothing to leak or to lose"
        return
    if not exits.decidable:
        yield (
            "what exits leave behind: the list, the processes, the release or who holds what "
            "is not known whole"
        )
    if evidence.gaps & {"reservations", "claims"}:
        yield "which mappings no reservation covers: the tree or the resources are not whole"
    if not evidence.whole("log"):
        yield "which releases failed: the log could not be read"
    if not evidence.whole("mtrr"):
        yield "which types really differ: the MTRRs could not be read"
    if evidence.gaps & HOLDERS:
        yield "which reservations are stale: their holder may be in what could not be read"
    hidden = sum(user.phys is None and user.tracked is not False for user in people)
    if hidden:
        yield f"{hidden} mappings of other files: their physical address is not visible"
    if evidence.vm_pat and not evidence.knows_claims and any(u.tracked is False for u in people):
        yield "which mappings without tracking are still mapped: claims of drivers are not known"
    if people and evidence.known("entries") is not Confidence.READ:
        yield from _without_page_tables(evidence, people)


def _without_page_tables(evidence: Evidence, people: Sequence[User]) -> Iterator[str]:
    if evidence.contexts and evidence.known("contexts") is not Confidence.READ:
        yield "lost tracking and context counts: not visible in text files on this kernel"
    if evidence.vm_pat and evidence.release is not None and evidence.release.name in _UNCOUNTED:
        private = sum(bool(user.tracked) and is_cow(user.vma) for user in people)
        if private:
            yield f"whether fork fails for {private} private mappings: 6.1 counts no copied pages"
    if any(user.kind == "devmem" and user.asked is None for user in people):
        yield "whether /dev/mem was opened with O_SYNC, so uncached-minus may be what was asked"
    yield "which pages are mapped and with which type: page tables are not known"
