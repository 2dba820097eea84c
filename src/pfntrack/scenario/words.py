"""Reading parse-tree nodes: their tokens, ranges, numbers and places."""

from __future__ import annotations

import json

import attrs
from lark import Token, Tree

from pfntrack.edges.numbers import whole
from pfntrack.edges.text import brief
from pfntrack.mm.bounds import MAX_FD

Node = Token | Tree[Token]
Place = tuple[int, int]


class Complaint(Exception):  # noqa: N818
    """Something is wrong at a place; the parser adds the file's name."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


@attrs.frozen
class Words:
    """The children of one node, asked for by kind."""

    node: Tree[Token]

    def token(self, kind: str, number: int = 0) -> Token | None:
        """The `number`th token of a kind."""
        found = [t for t in self.node.children if isinstance(t, Token) and t.type == kind]
        return found[number] if number < len(found) else None

    def need(self, kind: str, number: int = 0) -> Token:
        """The same where the grammar guarantees it."""
        token = self.token(kind, number)
        if token is None:
            raise LookupError(f"{self.node.data} has no {kind}")
        return token

    def number(self, index: int = 0) -> int:
        return integer(self.need("NUMBER", index))

    def part(self, name: str) -> Words | None:
        """The first subtree called `name`."""
        return next((Words(t) for t in self.parts() if t.data == name), None)

    def parts(self) -> list[Tree[Token]]:
        return [child for child in self.node.children if isinstance(child, Tree)]

    def range(self, number: int = 0) -> tuple[int, int]:
        """First page and page count of the `number`th range."""
        return [Words(t) for t in self.parts() if t.data == "range"][number].extent()

    def extent(self, *, open_end: bool = False) -> tuple[int, int]:
        """First page and page count of this range; `[a,end)` counts 0."""
        first, end = self.number(), self.token("NUMBER", 1)
        if end is None:
            if not open_end:
                raise Complaint("'end' has no meaning here, give a number", place(self.node))
            return first, 0
        pages = integer(end) - first
        if pages < 0:
            raise Complaint(f"range [{first},{integer(end)}) ends before it begins", place(end))
        if open_end and not pages:
            raise Complaint(f"range [{first},{first}) is empty", place(end))
        return first, pages


def place(node: Node) -> Place:
    """Line and column of a token or of the first token below a node."""
    if isinstance(node, Token):
        return node.line or 0, node.column or 0
    return (0, 0) if node.meta.empty else (node.meta.line, node.meta.column)


def integer(token: str) -> int:
    """Decimal or hexadecimal, as large as a machine word."""
    hexadecimal = token.startswith("0x")
    number = whole(token[2:], 16) if hexadecimal else whole(token)
    if number is None:
        where = place(token) if isinstance(token, Token) else (0, 0)
        raise Complaint(f"{brief(token[:20])}... is no number below 2^64", where)
    return number


def text_of(token: str) -> str:
    """The text between double quotes, with the escapes of JSON."""
    try:
        value = json.loads(token, strict=False)
    except ValueError:
        where = place(token) if isinstance(token, Token) else (0, 0)
        raise Complaint(f"bad escape in text {token}", where) from None
    return str(value)


def descriptor(token: str) -> int:
    """The number in `fd0`."""
    number = whole(token[2:])
    if number is None or number >= MAX_FD:
        where = place(token) if isinstance(token, Token) else (0, 0)
        raise Complaint(f"a descriptor is a number below {MAX_FD}", where)
    return number
