"""The catalogue as one page of documentation: what people search for first."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pfntrack.field.catalogue.diagnoses.codes import CODES, Code
from pfntrack.field.catalogue.messages.message import GROUPS, Message
from pfntrack.field.catalogue.messages.table import BY_KIND, MESSAGES

# What most reports are about, by frequency; the sentence is the answer.
COMMONEST: tuple[tuple[str, str], ...] = (
    (
        "conflict",
        "The range covers reservations of different types; the task named is only the one that "
        "came last. Find out who holds the range.",
    ),
    (
        "map_pfn_ram",
        "Harmless: the mapping was made, with the type that the RAM has.",
    ),
    (
        "free_invalid",
        "Something was released that is not reserved like this. Up to 6.15 usually a device "
        "mapping that was unmapped in pieces; a range stays reserved, no data is at risk.",
    ),
    (
        "warning",
        "A tracked mapping was emptied, copied or half made before it was unmapped. Fixed by 6.16; "
        "the frames say which case it is.",
    ),
    (
        "bar_reserve",
        "Not memory types: another owner holds the BAR, often the boot framebuffer. See "
        "/proc/iomem.",
    ),
    (
        "pcimem_einval",
        "mmap() of a BAR gave EINVAL and the log is empty: mostly strict devmem, because a driver "
        "is bound to the device.",
    ),
    (
        "pat_skip_mtrr",
        "PAT is off because MTRRs are (4.6 to 6.1, mostly guests): write-combining becomes "
        "uncached. Use 6.2 or later.",
    ),
    (
        "resource_sanity",
        "Harmless by itself: a mapping is larger than a resource inside it.",
    ),
)


def anchor(title: str) -> str:
    """The anchor that renderers of Markdown give a heading."""
    return re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()).replace(" ", "-")


def markdown() -> str:
    """The whole catalogue as one documentation page."""
    out = [
        "# Messages and diagnoses",
        "",
        "Generated from the data that `pfntrack explain` and `pfntrack triage` use. "
        "`pfntrack explain 'A LINE'` finds the entry of a line; `pfntrack triage FILE` judges a "
        "whole log.",
        "",
        *_commonest(),
        "## All messages",
        "",
        "By subject: "
        + ", ".join(f"[{group}](#{anchor(group)})" for group in GROUPS)
        + "; then [diagnoses](#diagnoses).",
        "",
    ]
    for group in GROUPS:
        out += [f"### {group}", ""]
        for message in (m for m in MESSAGES if m.group == group):
            out += _message(message)
    out += ["## Diagnoses", ""]
    for code in CODES.values():
        out += _code(code)
    return "\n".join(out).rstrip() + "\n"


def _commonest() -> Iterator[str]:
    yield "## The eight commonest"
    yield ""
    for kind, answer in COMMONEST:
        form = BY_KIND[kind].form
        yield f"- [`{form}`](#{anchor(form)}): {answer}"
    yield ""


def _message(message: Message) -> Iterator[str]:
    yield from (f"#### `{message.form}`", "", message.meaning, "")
    yield f"- Printed by: {message.printed_by} (level {message.level})"
    if message.notation:
        yield f"- Range: {message.notation}"
    yield f"- Trap: {message.trap}"
    if message.since:
        yield f"- Versions: {message.since}"
    yield "- Diagnoses: " + ", ".join(f"`{code}`" for code in message.codes)
    yield f"- Next: {message.next}"
    yield ""


def _code(code: Code) -> Iterator[str]:
    yield from (f"### {code.code}", "", f"*{code.title}.* {code.what}", "")
    yield from (f"Rule: {code.rule}", "", f"- Severity: {code.severity} ({code.harm})")
    if code.window is not None:
        yield f"- Affected kernels: {code.window}"
    yield from (f"- Do: {text}" for text in code.do)
    yield from (f"- Do not: {text}" for text in code.dont)
    yield from (f"- See: `{c.ref}` {c.title}" for c in (*code.fixed_by, *code.see))
    yield ""
