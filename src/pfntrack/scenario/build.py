"""From a parse tree to an operation, along the parts of its sentence.

A draft is an operation together with the place of each field, so that the
later check can point at the word that is wrong.
"""

from __future__ import annotations

from typing import Any

import attrs
from lark import Token, Tree

from pfntrack.mm import ops
from pfntrack.mm.vocabulary import defaults
from pfntrack.scenario.kinds import KINDS
from pfntrack.scenario.sentences import Maybe, Options, Part, Range, Slot, sentences
from pfntrack.scenario.words import Complaint, Place, Words, place


@attrs.frozen
class Draft:
    """An operation and where its fields stand in the text; `range` is its first range.

    `fd_missing`: an open that leaves the number of its descriptor to us; `bar`:
    the number in `resource2`, if one was given.
    """

    op: ops.Op
    places: dict[str, Place]
    fd_missing: bool = False
    bar: int | None = None


def build(node: Tree[Token]) -> Draft:
    """The draft of one operation's node."""
    sentence = sentences()[str(node.data)]
    reading = _Reading(sentence.op, dict(sentence.form.fixed), {"": place(node)})
    reading.fill(sentence.parts, list(node.children))
    fields = reading.fields
    fd_missing = sentence.op is ops.Open and "fd" not in fields
    if fd_missing:
        fields["fd"] = 0
    return Draft(sentence.op(**fields), reading.places, fd_missing, reading.bar)


@attrs.define
class _Reading:
    """The fields of one operation, as far as they have been read."""

    op: type[ops.Op]
    fields: dict[str, Any]
    places: dict[str, Place]
    bar: int | None = None

    def fill(self, parts: tuple[Part, ...], children: list[Any]) -> None:
        """Read the fields of `parts` from their nodes, which are used up."""
        for part in parts:
            match part:
                case Slot():
                    self._slot(part, children.pop(0))
                case Range():
                    self._range(part, children.pop(0))
                case Maybe():
                    self._maybe((part,), children)
                case Options(choices=choices):
                    while self._maybe(choices, children):
                        pass

    def _maybe(self, choices: tuple[Maybe, ...], children: list[Any]) -> bool:
        """Read the next node if it is one of these."""
        first = children[0] if children else None
        for choice in choices:
            if isinstance(first, Tree) and first.data == choice.rule:
                children.pop(0)
                self.fill(choice.parts, list(first.children))
                if choice.flag:
                    self.fields[choice.flag] = not defaults(self.op)[choice.flag]
                return True
        return False

    def _slot(self, slot: Slot, node: Any) -> None:
        self.fields[slot.field] = KINDS[slot.kind].read(node)
        self.places.setdefault(slot.field, place(node))
        if slot.kind == "resource":
            number = node.removeprefix("resource").removesuffix("_wc")
            self.bar = int(number) if number else None

    def _range(self, part: Range, node: Any) -> None:
        first, pages = Words(node).extent(open_end=part.open_end)
        self.places.setdefault("range", place(node))
        self.fields[part.first] = first
        if not part.count:
            if pages != 1:
                raise Complaint(f"this is one page, not {pages}", self._of_range(node))
            return
        before = self.fields.setdefault(part.count, pages)
        if before != pages:
            message = f"the two ranges differ in length: {before} and {pages} pages"
            raise Complaint(message, self._of_range(node))

    def _of_range(self, node: Any) -> Place:
        return self.places.get("window") or place(node)
