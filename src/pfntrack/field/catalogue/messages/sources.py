"""What the source packages of the modelled kernels hold: who prints what, in which release.

The list is made by `tools/kernel_messages.py`; rows are file, function, macro, format
(empty for a place without a text) and releases.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import attrs

from pfntrack.field.catalogue.messages.message import Message, held


@attrs.frozen(slots=True)
class Source:
    """One call that prints, as it stands in the source."""

    file: str
    function: str
    call: str
    format: str
    releases: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.function}() in {self.file}"


@cache
def sources() -> tuple[Source, ...]:
    """The whole list."""
    text = files(__package__).joinpath("kernel_messages.json").read_text(encoding="utf-8")
    return tuple(
        Source(file, function, call, form, tuple(releases.split()))
        for file, function, call, form, releases in json.loads(text)
    )


def by_function(name: str) -> tuple[Source, ...]:
    """What a function prints or asserts."""
    return tuple(source for source in sources() if source.function == name)


def releases_of(message: Message) -> tuple[str, ...]:
    """The modelled releases whose source holds one of the message's texts or places."""
    found = {
        release for source in sources() if _holds(message, source) for release in source.releases
    }
    return tuple(sorted(found, key=lambda name: [int(part) for part in name.split(".")]))


def _holds(message: Message, source: Source) -> bool:
    if source.format:
        return any(held(text.replace("0x*", "*"), source.format) for text in message.texts)
    return message.at(source.file, source.function) == 2
