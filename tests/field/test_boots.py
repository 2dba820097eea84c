"""Several boots in one text: each is judged by its own lines, and the answer says which it is."""

from __future__ import annotations

import pytest

from pfntrack.field.answers import answer
from pfntrack.field.report_json import as_json
from pfntrack.field.triage import triage_text

BANNER = "[    0.000000] Linux version {0} (gcc) #1 SMP\n"
CONFLICT = (
    "[  100.000000] x86/PAT: CPU 0/KVM:7 conflicting memory types c0000000-d0000000 "
    "write-combining<->uncached-minus\n"
)
TRACE = (
    "[  {t}.000000] WARNING: CPU: 0 PID: 9 at arch/x86/mm/pat/memtype.c:1002 untrack_pfn+0x1/0x2\n"
    "[  {t}.000001] Call Trace:\n"
    "[  {t}.000002]  unmap_vmas+0x1/0x2\n"
    "[  {t}.000003]  unmap_region+0x1/0x2\n"
)
SUSPEND = "[   50.000000] PM: suspend entry (deep)\n"
RANGE = "[  {t}.0] x86/PAT: a.out:7 freeing invalid memtype [mem 0xfe000000-0xfe000fff]\n"


def test_evidence_of_another_boot_is_not_used() -> None:
    """A suspend in the first boot does not explain a warning in the second."""
    alone = triage_text(BANNER.format("6.12.5") + SUSPEND + TRACE.format(t=90)).findings[0]
    assert alone.confidence == "high" and "suspend" in alone.basis[0]
    for before in (SUSPEND, CONFLICT + SUSPEND):
        text = BANNER.format("6.12.5") + before + BANNER.format("6.12.5") + TRACE.format(t=90)
        made = next(f for f in triage_text(text).findings if f.code.startswith("UNTRACK"))
        assert "suspend" not in made.basis[0] and made.confidence == "medium"
        assert answer(made).startswith("In boot 2 of 2, from line ")


@pytest.mark.parametrize(("old", "new"), [("6.1.20", "6.17.1"), ("6.17.1", "6.1.20")])
def test_each_boot_has_its_own_release(old: str, new: str) -> None:
    """The window is judged by the kernel of the boot that printed the line."""
    text = BANNER.format(old) + RANGE.format(t=10) + BANNER.format(new) + CONFLICT
    made = next(f for f in triage_text(text).findings if f.code != "STALE_OR_LIVE_GPU_RESERVATION")
    assert made.boot == "boot 1 of 2, from line 1"
    assert made.affected is (old == "6.1.20")


def test_the_same_in_every_boot_is_said_once() -> None:
    """Equal verdicts of all boots are one finding without a prefix, which names the boots."""
    text = (BANNER.format("6.1.20") + CONFLICT) * 3
    result = triage_text(text)
    assert len(result.findings) == 1
    made = result.findings[0]
    assert not answer(made).startswith("In boot")
    assert made.count == 3 and any("boot 1 of 3" in note for note in made.notes)
    assert as_json(result)["findings"][0]["answer"] == answer(made)


def test_what_people_write_is_no_boot() -> None:
    """The kernel named once more, without a time, does not cut the text in two."""
    rows = "PAT: [mem 0x00000000c0000000-0x00000000c8000000] write-combining\n"
    text = BANNER.format("6.1.20") + CONFLICT + rows + "Linux version 6.1.20 (gcc) #1 SMP\n"
    assert not triage_text(text).log.parts
    text = "Linux version 6.1.20 (gcc) #1 SMP\n" + rows + BANNER.format("6.1.20") + CONFLICT
    assert not triage_text(text).log.parts


def test_a_quotation_in_front_is_no_boot() -> None:
    """A line that is quoted first and stands in the whole log as well is one line of one boot."""
    result = triage_text("This is it:\n" + CONFLICT + "All:\n" + BANNER.format("6.1.2") + CONFLICT)
    assert not result.log.parts and len(result.findings) == 1
    assert not answer(result.findings[0]).startswith("In boot")


def test_the_end_of_an_older_boot() -> None:
    """Later times before the first banner belong to the boot before it."""
    text = CONFLICT + BANNER.format("6.17.1") + SUSPEND + RANGE.format(t=60)
    made = triage_text(text).findings[0]
    assert made.code == "STALE_OR_LIVE_GPU_RESERVATION" and made.affected is None
    assert made.boot == "boot 1 of 2, before the first banner"
