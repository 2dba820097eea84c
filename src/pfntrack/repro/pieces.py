"""The helper functions of generated programs, and which of them a program needs.

The files of `helpers` are cut into pieces by lines `/// NAMES: HEADERS`: what the piece
defines, and the headers that it needs. What a piece uses is read from its code.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import attrs

# In the order in which their pieces have to stand.
_FILES = ("processes", "windows", "module", "observed")
_MARK = re.compile(r"^/// ([\w ]+):((?: \S+\.h)*)\n", re.MULTILINE)
_NO_CODE = re.compile(r'/\*.*?\*/|"(?:[^"\\\n]|\\.)*"', re.DOTALL)
_NAME = re.compile(r"\b[A-Za-z_]\w*\b")


@attrs.frozen
class Piece:
    """One helper: the names that it defines, its text, headers, and the names in its code."""

    names: tuple[str, ...]
    text: str
    headers: tuple[str, ...]
    uses: frozenset[str]


@functools.cache
def pieces() -> tuple[Piece, ...]:
    """All helpers in the order in which they have to stand."""
    folder = Path(__file__).with_name("helpers")
    parts = _MARK.split("".join((folder / f"{name}.c").read_text() for name in _FILES))[1:]
    return tuple(
        Piece(tuple(names.split()), text.strip("\n"), tuple(headers.split()), names_in(text))
        for names, headers, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    )


def needed(code: str) -> list[Piece]:
    """The helpers that `code` uses, and those that they use, in order."""
    known = {name: piece for piece in pieces() for name in piece.names}
    wanted: set[Piece] = set()
    waiting = set(names_in(code))
    while waiting:
        piece = known.get(waiting.pop())
        if piece is not None and piece not in wanted:
            wanted.add(piece)
            waiting |= piece.uses
    return [piece for piece in pieces() if piece in wanted]


def names_in(code: str) -> frozenset[str]:
    """Identifiers in C code, without those in comments and strings."""
    return frozenset(_NAME.findall(_NO_CODE.sub(" ", code)))
