"""Strings from outside: shown as they are, unable to act on a page or a terminal."""

from __future__ import annotations

import json
from typing import Any

from pfntrack.edges.text import harmless

# In a script element these could end it or open a comment.
_MARKUP = {ord(each): f"\\u{ord(each):04x}" for each in "<>&'\u2028\u2029"}
# A line of the terminal; a page shows everything.
_SHORT = 300


def visible(part: Any) -> Any:
    """The same JSON with every acting character spelt out, in keys and values."""
    if isinstance(part, str):
        return harmless(part)
    if isinstance(part, dict):
        return {visible(key): visible(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [visible(each) for each in part]
    return part


def shown(text: str) -> str:
    """One short line for a message."""
    text = visible(text).replace("\n", " ").replace("\t", " ")
    return text if len(text) <= _SHORT else text[:_SHORT] + "..."


def embedded(part: Any) -> str:
    """JSON that may stand inside a script element of a page."""
    return json.dumps(part, separators=(",", ":")).translate(_MARKUP)
