"""One topic: its names, the answer in the first sentence, and the next command."""

from __future__ import annotations

import re

import attrs

TYPES = "Memory types"
STATES = "States and errors"
FILES = "Files and options"
CALLS = "Kernel functions and flags"
SUBJECTS = "Subjects"
PROPERTIES = "Properties of the model"
DESIGNS = "Tracking designs"
RELEASES = "Releases"
DEFECTS = "Known defects"
SCENARIOS = "Scenarios"
AUDIT = "Words of the audit"
FROM_REGISTRIES = (PROPERTIES, DESIGNS, RELEASES, DEFECTS, SCENARIOS, AUDIT)
GROUPS = (TYPES, STATES, FILES, CALLS, SUBJECTS, *FROM_REGISTRIES)


@attrs.frozen(slots=True)
class Topic:
    """What is known about one word.

    `names` are the ways to write it, the first as it is shown; `answer` says in its first
    sentence what most people want to know; `rows` are further pairs of heading and text;
    `next` is the command to run now.
    """

    group: str
    names: tuple[str, ...]
    answer: str
    next: str
    rows: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return self.names[0]


def plain(text: str) -> str:
    """A name as it is compared: without case, quotes, the brackets of a call, kinds of dashes."""
    text = text.strip().strip("`'\".,;?!").strip().removesuffix("()")
    text = re.sub(r"[\u2010-\u2015\u2212]", "-", text)
    return re.sub(r"[\s_]+", "_", text).lower()
