"""Numbers from outside: no more digits than a machine word has, and within what is asked for."""

from __future__ import annotations

# A word of 64 bits is the largest that any kernel interface takes.
TOP = 1 << 64
# Digits of the longest number that can be meant, with some zeros before it.
_DIGITS = 40


def whole(word: str, base: int = 10) -> int | None:
    """The number in `word`, from 0 to below 2^64, or None if there is no such number in it.

    Only ASCII digits count. Numbers of any length cost no more than their first digits.
    """
    if not word.isascii() or not word.isalnum() or len(word) > _DIGITS:
        return None
    try:
        number = int(word, base)
    except ValueError:
        return None
    return number if number < TOP else None
