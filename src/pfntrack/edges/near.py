"""What was probably meant by a word that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


def meant(word: str, known: Iterable[str]) -> str:
    """`, did you mean X?` if something known is near to `word`, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f", did you mean {close[0]}?" if close else ""


def unknown(what: str, word: str, known: Collection[str]) -> str:
    """One line about a name that is none of those known."""
    return f"{what} {word!r} is not known{meant(word, known)}; there are {', '.join(known)}"
