"""Lines that were broken on their way here, put together again before anything is read.

A mailer breaks at blanks; a terminal copy or a serial console breaks anywhere, inside
numbers and words too. A cut number must never be read as a number, so a message that
touches the end of its line is tried together with what follows, without and with a blank.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pfntrack.field.read import traces
from pfntrack.field.read.facts import Fact
from pfntrack.field.read.lines import MAX_LINE, Line
from pfntrack.field.read.parse import parse_line

# How many lines one message may have been broken into, beside the first.
REACH = 3
# A line may be continued by the next one only if it holds the beginning of a message.
_BEGUN = re.compile(
    r"conflicting(?:\s|$)|map pfn|freeing|memtype_reserve|reserve_memtype|reserve_ram_pages_type"
    r"|memtype_free|free_memtype|resource (?:map )?sa|ioremap|PAT: \[mem"
    r"|^(?:write|uncach)|pmd_set_huge|mtrr: |MTRR|WARNING: |kernel BUG at|BUG: |Memory at "
    r"|can't reserve|Overlap at"
)
# ... or only its prefix and the name of the task.
_HEAD = re.compile(
    r"(?:^|\s)x86(?:/(?:P(?:A(?:T ?(?::.{0,40})?)?)?)?)?$|^\S{1,16}:\d{1,8} \w{1,12}$"
)
_RECORD = re.compile(
    r"x86/PAT|\w:\d+ (?:conflicting|map pfn|freeing)|^(?:memtype_|reserve_)|^WARNING: |^PAT: "
    r"|^---|^Call Trace|^Modules linked|^RIP: |^CPU: "
)
_NUMBER = re.compile(r"[0-9a-f]{1,15}(?![0-9A-Za-z])")


def unwrapped(line: Line, following: Sequence[Line]) -> tuple[Line, int]:
    """The line together with its continuations, and how many of the lines after it they are."""
    body = line.body
    if not following or not body or not (line.soft or _BEGUN.search(body) or _HEAD.search(body)):
        return line, 0
    fact = parse_line(line)
    if fact is not None and not _open(line, fact):
        return line, 0
    if fact is None and "WARNING: " in body and traces.begin(line) is not None:
        return line, 0
    headless = fact is None and not _BEGUN.search(body)
    best, took = line, 0
    grown = [(line, line.soft)]
    for used in range(1, min(REACH, len(following)) + 1):
        after = following[used - 1]
        if not after.body or (_begins_record(after, headless) and not grown[0][1]):
            break
        grown = [
            (_joined(first, after, glue), after.soft)
            for first, soft in grown
            for glue in (("",) if soft else ("", " "))
        ]
        found = _best(grown, line, best, fact)
        if found is not None:
            best, fact, took = *found, used
            if fact is None or not _open(best, fact):
                break
            grown = [(best, after.soft)]
        elif took:
            break
    return best, took


def _best(
    grown: list[tuple[Line, bool]], line: Line, before: Line, alone: Fact | None
) -> tuple[Line, Fact | None] | None:
    """The form that is a whole message; the one that names its task is preferred."""
    found: list[tuple[int, Line, Fact | None]] = []
    for candidate, _ in grown:
        fact = parse_line(candidate)
        if fact is None:
            if "WARNING: " in line.body and traces.begin(candidate) is not None:
                found.append((0, candidate, None))
            continue
        if alone is not None and not _longer(before, candidate, alone, fact):
            continue
        if cut_short(candidate, fact):
            continue
        found.append((("comm" in fact.values) + ("pid" in fact.values), candidate, fact))
    if not found:
        return None
    _, best, fact = max(found, key=lambda each: each[0])
    return best, fact


def _longer(line: Line, candidate: Line, alone: Fact, fact: Fact) -> bool:
    """Whether the message really went on: another reading that needs the second line."""
    if fact.kind != alone.kind or fact.match_end <= len(line.body):
        return False
    if fact.kind == "resource_sanity":
        return "inner_start" in fact.values
    # A lone word of hexadecimal letters may be prose; only a number that was cut short needs it.
    tail = candidate.body[len(line.body) :].lstrip()
    if alone.has_range and _NUMBER.match(tail) and fact.span != alone.span:
        closed = candidate.body[fact.match_end - 1 : fact.match_end] == "]"
        return closed or alone.span[0] >= alone.span[1]
    if tail.startswith("]"):
        return True
    return (fact.start, fact.end_excl) != (alone.start, alone.end_excl) or dict(
        fact.values
    ) != dict(alone.values)


def cut_short(line: Line, fact: Fact) -> bool:
    """Whether the range at the end of the line lacks digits: no bracket, or an end too small."""
    if not fact.has_range or not _open(line, fact) or fact.kind == "resource_sanity":
        return False
    tail = line.body[-24:]
    return bool(re.search(r"-(?:0x)?[0-9a-f]{0,16}$", tail)) and (
        "[mem" in line.body or fact.span[0] >= fact.span[1]
    )


def _open(line: Line, fact: Fact) -> bool:
    """Whether the message ends with its line, so that the line may have been cut there."""
    if fact.kind == "resource_sanity":
        return "inner_start" not in fact.values or "[mem" in line.body.rpartition("]")[2]
    return fact.match_end >= len(line.body) and not line.body.endswith("]")


def _joined(first: Line, second: Line, glue: str) -> Line:
    """Two lines as one, the way they stood before they were broken."""
    more = second.body
    # What looks like the mark of a quotation is the head of an arrow that was cut in two.
    if first.body.endswith(("<-", "< -")) and not more.startswith(">") and ">" in second.text[:9]:
        more = ">" + more
    body = (first.body + glue + more)[:MAX_LINE]
    text = (first.text.rstrip() + glue + more)[:MAX_LINE]
    return Line(first.number, text, body, first.time)


def _begins_record(line: Line, headless: bool = False) -> bool:
    if headless and line.time is None and "x86/PAT" not in line.body:
        return False
    return line.time is not None or bool(_RECORD.search(line.body))
