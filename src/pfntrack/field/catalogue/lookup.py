"""From what somebody typed or pasted to one entry of the catalogue, or to none.

A message is answered only where its text or its site matches.  What merely shares words
is returned as nearest, never as the answer.
"""

from __future__ import annotations

import re
from collections import Counter

import attrs

from pfntrack.field.catalogue.diagnoses.codes import CODES, Code
from pfntrack.field.catalogue.messages.message import Message, words
from pfntrack.field.catalogue.messages.sites import at_site
from pfntrack.field.catalogue.messages.table import BY_KIND, MESSAGES
from pfntrack.field.read.lines import clean
from pfntrack.field.read.parse import parse_line, parse_partial
from pfntrack.field.read.traces import begin
from pfntrack.field.topics import find_topic, mentioned
from pfntrack.field.topics.topic import Topic

Entry = Message | Code | Topic
_RIP = re.compile(r"(?:RIP: (?:\w{4}:)?|EIP: (?:\w{4}:)?|EIP is at )(?:\[<\w+>\] )?([A-Za-z_]\w+)")
_FRAGMENT = 12


@attrs.frozen(slots=True)
class Nearest:
    """No entry: those that share most words (best first), and whether all hold the words.

    `topics` are those that the words mention.
    """

    entries: tuple[Message, ...]
    all_hold: bool = False
    topics: tuple[Topic, ...] = ()


def find(query: str) -> Entry | Nearest:
    """The entry for a message line, a kind of message, a diagnosis code or a topic's name."""
    text = query.strip()
    code = CODES.get(text.upper().replace("-", "_"))
    if code is not None:
        return code
    kind = BY_KIND.get(text.lower().replace("-", "_"))
    if kind is not None:
        return kind
    topic = find_topic(text)
    if topic is not None:
        return topic
    best: Entry | None = None
    for number, raw in enumerate(text.splitlines() or [text], 1):
        best = _by_line(number, raw, text)
        if best is not None:
            return best
    return _by_fragment(text)


def _by_line(number: int, raw: str, text: str) -> Message | None:
    line = clean(number, raw)
    trace = begin(line)
    texts = [(message.match(line.body), message) for message in MESSAGES]
    score, message = max(texts, key=lambda pair: pair[0])
    if trace is not None and trace.kind == "warning" and score == 0:
        return _by_site(str(trace.values["file"]), str(trace.values.get("func", "")), text)
    if trace is not None and trace.values.get("what") == "bug":
        return _by_site(str(trace.values["file"]), "", text)
    if score:
        return message
    fact = parse_line(line) or parse_partial(line)
    return BY_KIND.get(fact.kind) if fact is not None else None


def _by_site(file: str, function: str, text: str) -> Message | None:
    """The message of a place; a BUG's function stands in the RIP line if one was pasted."""
    if not function:
        rip = _RIP.search(text)
        function = rip.group(1) if rip else ""
    return at_site(file, function)


def _by_fragment(text: str) -> Entry | Nearest:
    """The only message that holds these words as they stand; else those nearest to them."""
    plain = " ".join(text.split())
    if len(plain) >= _FRAGMENT and " " in plain:
        holds = tuple(m for m in MESSAGES if any(plain in t for t in (m.form, *m.texts)))
        if len(holds) == 1:
            return holds[0]
        if holds:
            return Nearest(holds, all_hold=True)
    return Nearest(nearest(text), topics=mentioned(text))


def nearest(text: str, count: int = 3) -> tuple[Message, ...]:
    """The messages that share most words with `text`; rare words count more."""
    asked = words(text)
    scored = []
    for message, own in _WORDS:
        shared = asked & own
        score = sum(1.0 / _FREQUENCY[word] for word in shared)
        if score > _ENOUGH:
            scored.append((score, message))
    scored.sort(key=lambda pair: -pair[0])
    return tuple(message for _, message in scored[:count])


_WORDS = tuple((m, words(" ".join((m.form, *m.texts, *m.sites)))) for m in MESSAGES)
_FREQUENCY = Counter(word for _, own in _WORDS for word in own)
_ENOUGH = 0.15
