"""`triage` and `explain` read one catalogue: what one knows, the other does not deny."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from field.test_catalogue import QUERIES, _example, _excused
from pfntrack.field.catalogue.diagnoses.codes import CODES
from pfntrack.field.catalogue.lookup import find
from pfntrack.field.catalogue.messages.message import Message
from pfntrack.field.catalogue.messages.table import MESSAGES
from pfntrack.field.report_text import as_text
from pfntrack.field.triage import triage_text

ROWS = [
    row
    for row in json.loads(
        files("pfntrack.field.catalogue.messages")
        .joinpath("kernel_messages.json")
        .read_text("utf-8")
    )
    if not _excused(row[0], row[3])
]
# The example that is made from the format holds values that the kernel never prints.
IMPOSSIBLE = {"ioremap_error", "map_pfn_expected", "ioremap_reserve_failed"}
# Lines that say too little by themselves, or are the second line of another.
ALONE = {"bad_page_map", "mtrr_off", "pat_disabled", "early_ioremap", "ttm", "insert_pfn_bug"}
# "cannot ioremap" without the name of a framebuffer driver is any driver's.
SAME = ({"IOREMAP_FAILED", "FRAMEBUFFER_NOT_MAPPED"},)


def _agree(message: Message, code: str) -> bool:
    codes = set(message.codes)
    for group in SAME:
        codes |= group if codes & group else set()
    if "UNCLASSIFIED_TRACE" in codes:
        codes.add("NOT_PAT")
    return code in codes


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[1]}:{row[3] or row[2]}"[:70])
def test_every_message_of_the_kernels(row: tuple[str, str, str, str, str]) -> None:
    """Each is diagnosed as what `explain` says that it means, and is never another's subject."""
    file, function, call, text, _ = row
    line = _example(file, function, call, text)
    message = find(line)
    assert isinstance(message, Message)
    result = triage_text(line)
    if result.diagnosis is None:
        assert message.kind in ALONE, as_text(result)
    elif message.kind not in IMPOSSIBLE:
        assert _agree(message, result.diagnosis), (message.kind, result.diagnosis)


@pytest.mark.parametrize(("query", "kind"), [q for q in QUERIES if q[1]], ids=lambda v: v[:50])
def test_what_people_ask(query: str, kind: str) -> None:
    """The same for the lines that people paste."""
    result = triage_text(query)
    if result.diagnosis is not None and kind not in IMPOSSIBLE:
        message = next(m for m in MESSAGES if m.kind == kind)
        assert _agree(message, result.diagnosis), (kind, result.diagnosis)
    else:
        assert result.verdict != "healthy"


def test_codes_of_messages_exist() -> None:
    """Every code that a message leads to is a diagnosis."""
    assert not {code for message in MESSAGES for code in message.codes} - set(CODES)
