"""Strings from outside: shown as they are, unable to act on a page or a terminal."""

from __future__ import annotations

import json
import re
from typing import Any

# Controls, line separators, what reorders or hides text, lone surrogates, and noncharacters.
_ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff0-\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
# In a script element these could end it or open a comment.
_MARKUP = {ord(each): f"\\u{ord(each):04x}" for each in "<>&'\u2028\u2029"}
# A line of the terminal; a page shows everything.
_SHORT = 300


def visible(part: Any) -> Any:
    """The same JSON with every acting character spelt out, in keys and values."""
    if isinstance(part, str):
        return part if part.isascii() and part.isprintable() else _ACTS.sub(_spelt, part)
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


def _spelt(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
