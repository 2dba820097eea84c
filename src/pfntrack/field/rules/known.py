"""The last layer: a line that no rule needs, but that the catalogue knows, is told by its meaning.

Only asked where nothing else was found, so it never stands beside a diagnosis.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from pfntrack.field.catalogue.diagnoses.look_alikes import ELSEWHERE
from pfntrack.field.catalogue.messages.message import PAT, Message
from pfntrack.field.catalogue.messages.table import MESSAGES
from pfntrack.field.finding import Finding
from pfntrack.field.read.facts import Fact
from pfntrack.field.read.lines import Line, split_records
from pfntrack.field.rules.base import Case, Rule, always, finding

# Shorter texts stand in too many lines that are about something else.
_ENOUGH = 12
MAX_KNOWN = 40


def _anchor(text: str) -> str:
    """The longest fixed part of a text, by which most lines are passed over quickly."""
    return max(text.removeprefix("=").split("*"), key=len).strip()


# A bad page was judged by its flags; that no rule took it up is a judgement as well.
_ANCHORS = tuple(
    (anchor, message)
    for message in MESSAGES
    for text in message.texts
    if message.kind != "bad_page_map" and len(anchor := _anchor(text)) >= 4
)


def message_of(line: Line) -> Message | None:
    """The message of the catalogue that this line is, if it says enough to be one."""
    found = dict.fromkeys(message for anchor, message in _ANCHORS if anchor in line.body)
    scored = [(message.match(line.body), message) for message in found]
    score, best = max(scored, key=lambda pair: pair[0], default=(0, None))
    return best if score >= _ENOUGH else None


def known(lines: Iterable[tuple[int, str]], case: Case) -> list[Finding]:
    """Findings for the messages among the lines, one for each kind."""
    groups: dict[Message, list[Fact]] = {}
    for line in split_records(lines):
        message = message_of(line)
        if message is None or (message not in groups and len(groups) >= MAX_KNOWN):
            continue
        fact = Fact(message.kind, line.number, line.text.strip(), time=line.time)
        facts = groups.setdefault(message, [])
        if len(facts) < MAX_KNOWN:
            facts.append(fact)
    return [_told(message, tuple(facts), case) for message, facts in groups.items()]


def _told(message: Message, facts: tuple[Fact, ...], case: Case) -> Finding:
    code = message.codes[0]
    elsewhere = code == "NOT_PAT" or (code == "UNCLASSIFIED_TRACE" and message.group != PAT)
    because = f"line {facts[0].line} is a message of {message.printed_by}"
    rule = Rule("NOT_PAT" if elsewhere else code, always, "low", because)
    made = finding(rule, facts, case)
    answer = message.meaning if message.meaning.endswith((".", "!")) else message.meaning + "."
    return attrs.evolve(
        made,
        answer=answer,
        variant=ELSEWHERE if elsewhere else None,
        notes=(*made.notes, message.trap) if message.trap else made.notes,
    )
