"""Which message of the catalogue a place in the source is, for warnings without a text."""

from __future__ import annotations

from pfntrack.field.catalogue.messages.message import Message
from pfntrack.field.catalogue.messages.table import MESSAGES


def at_site(file: str, function: str) -> Message | None:
    """The message whose places fit best; a place known by its file alone counts less."""
    found = [(message.at(file, function), message) for message in MESSAGES]
    score, message = max(found, key=lambda pair: pair[0])
    return message if score else None


def exactly(file: str, function: str) -> Message | None:
    """The message of this function of this file; None where only one of them is known."""
    if not file or not function:
        return None
    return next((m for m in MESSAGES if m.at(file, function) == 2), None)
