"""JSON from outside: bounded in depth and digits, plain in its numbers and texts.

Integers may be written 1.0 or 1e3, as JSON allows and some programs write them; they are read
as integers. NaN, infinities and halves of surrogate pairs are refused.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pfntrack.edges.text import brief
from pfntrack.errors import InputFormatError

# Documents of ours are less than twenty deep.
MAX_DEPTH = 64
# Numbers are at most words of 64 bits; times have a few digits behind the point.
_DIGITS = 40
_LONE = re.compile("[\ud800-\udfff]")
_NUMBERLESS = re.compile(r'[^\[\]{}"]+|"(?:[^"\\]+|\\.)*"?', re.DOTALL)


def load(text: str, name: str) -> Any:
    """The value that a text of JSON holds; `name` begins the message.

    Raises InputFormatError: one line with the place.
    """
    _shallow(text, name)
    try:
        value = json.loads(text, parse_constant=_constant, parse_int=_integer, parse_float=_float)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        cut = " (is the file complete?)" if error.pos >= len(text.rstrip()) else ""
        raise InputFormatError(f"{name}: {where}: expected JSON: {error.msg}{cut}") from None
    except ValueError as error:
        raise InputFormatError(f"{name}: expected JSON: {error}") from None
    if "\\u" in text or _LONE.search(text):
        _whole(value, name)
    return value


def _shallow(text: str, name: str) -> None:
    """Counts brackets outside of strings before the parser follows them into the depth."""
    depth = 0
    for part in _NUMBERLESS.sub("", text):
        depth += 1 if part in "[{" else -1
        if depth > MAX_DEPTH:
            raise InputFormatError(f"{name}: nested more than {MAX_DEPTH} deep: expected less")


def _constant(word: str) -> object:
    raise ValueError(f"{word} is no number")


def _integer(word: str) -> int:
    if len(word) > _DIGITS:
        raise ValueError(f"{brief(word[:_DIGITS])}... has {len(word)} digits")
    return int(word)


def _float(word: str) -> int | float:
    """A number with a point or an exponent; whole ones are integers, exactly."""
    if len(word) > 2 * _DIGITS:
        raise ValueError(f"{word[:_DIGITS]}... has {len(word)} digits")
    digits, _, rest = word.partition(".")
    if rest and not rest.strip("0"):
        # What it says, not what a float can hold of it.
        return _integer(digits)
    number = float(word)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{word} is no number that fits")
    return int(number) if number.is_integer() and abs(number) < 1 << 64 else number


def _whole(value: Any, name: str) -> None:
    """Refuses halves of surrogate pairs, which no file and no terminal can hold."""
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, str):
            if _LONE.search(part):
                raise InputFormatError(f"{name}: half a surrogate pair in {brief(part)!r}")
        elif isinstance(part, dict):
            left += part
            left += part.values()
        elif isinstance(part, list):
            left += part
