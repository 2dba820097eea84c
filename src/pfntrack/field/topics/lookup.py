"""From a word to its topic, and from a sentence to the topics that it mentions."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import cache
from typing import Protocol, cast

from pfntrack.field.topics.calls import CALL_TOPICS
from pfntrack.field.topics.files import FILE_TOPICS
from pfntrack.field.topics.subjects import SUBJECT_TOPICS
from pfntrack.field.topics.topic import Topic, plain
from pfntrack.field.topics.types import STATE_TOPICS, TYPE_TOPICS

_SHORT = 60
WRITTEN = (*TYPE_TOPICS, *STATE_TOPICS, *FILE_TOPICS, *CALL_TOPICS, *SUBJECT_TOPICS)
# Words that mean something else in most sentences.
_VAGUE = frozenset(
    "cached drm graphics register_memory split owned pieces possible driver unstable stale "
    "suspected fork clone fidelity cover owner quiet tight pat truncate".split()
)


class _Registries(Protocol):
    def program_topics(self) -> Iterator[Topic]: ...
    def version(self, text: str) -> Topic | None: ...


def _registries() -> _Registries:
    # Late: the registries read logs themselves, and only questions about words need them.
    return cast("_Registries", importlib.import_module("pfntrack.field.topics.program"))


@cache
def topics() -> tuple[Topic, ...]:
    """All topics: those that are written down, then those of the registries."""
    return (*WRITTEN, *_registries().program_topics())


@cache
def _by_name() -> dict[str, Topic]:
    found: dict[str, Topic] = {}
    for each in topics():
        for name in each.names:
            found.setdefault(plain(name), each)
    return found


def find_topic(text: str) -> Topic | None:
    """The topic of that name, in any of its spellings, or of that kernel version; else None."""
    if len(text) > _SHORT or "\n" in text:
        return None
    asked = plain(
        re.sub(r"^(?:what (?:is|are|does|about)|is|the|a|an) ", "", text.strip(), flags=re.I)
    )
    known = _by_name()
    for name in (asked, asked.replace("-", "_"), asked.replace("_", "-"), asked.removesuffix("s")):
        if name in known:
            return known[name]
    return _registries().version(text.strip().lower().removeprefix("linux ").removeprefix("v"))


def mentioned(text: str, count: int = 3) -> tuple[Topic, ...]:
    """The written topics whose names stand in a sentence, longest names first."""
    padded = f" {re.sub(r'[`,;:?!()]|[.](?= |$)', ' ', text).lower()} "
    padded = re.sub(r"\s+", " ", padded)
    found = [
        (len(name), each)
        for each in WRITTEN
        for name in each.names
        if len(name) > 1 and plain(name) not in _VAGUE and f" {name.lower()} " in padded
    ]
    found.sort(key=lambda pair: -pair[0])
    return tuple(dict.fromkeys(each for _, each in found))[:count]
