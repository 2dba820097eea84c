"""The sentences of operations taken apart, and the grammar that follows from them.

`mm/ops.py` declares each operation with the line that says it; `mm/vocabulary.py` tells how
such a line is written. Here it becomes parts: the reader (`build.py`) and the printer
(`saying.py`) walk along them, and the parser gets one rule per form.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping

import attrs

from pfntrack.mm import ops
from pfntrack.mm.vocabulary import Form, declared, kinds
from pfntrack.scenario.kinds import KINDS

_PIECE = re.compile(
    r"(?P<before> ?)(?:"
    r"\{(?P<field>\w+)(?::(?P<kind>\w+))?\}"
    r"|\[(?P<first>\w+)(?:,(?P<count>\w+)(?P<open>\|end)?)?\)"
    r"|(?P<maybe>\((?P<always>\+?))"
    r"|(?P<close>\))(?:\?(?P<flag>\w+))?"
    r"|(?P<options><)"
    r"|(?:\?(?P<choice>\w+))?(?P<next>[|>])"
    r"|(?P<word>[,=]|[\w/.-]+))"
)


@attrs.frozen
class Word:
    """A word of the language, and the space before it."""

    before: str
    text: str


@attrs.frozen
class Slot:
    """A field, said as `kind`."""

    before: str
    field: str
    kind: str


@attrs.frozen
class Range:
    """Pages `[first, first + count)`; without `count` it is one page."""

    before: str
    first: str
    count: str
    open_end: bool


@attrs.frozen
class Maybe:
    """Parts that need not be there, with the name of their rule."""

    rule: str
    parts: tuple[Part, ...]
    flag: str
    always: bool = False


@attrs.frozen
class Options:
    """Parts in any order."""

    choices: tuple[Maybe, ...]


Part = Word | Slot | Range | Maybe | Options


@attrs.frozen
class Sentence:
    """One form of an operation, its rule in the grammar, and its parts."""

    op: type[ops.Op]
    form: Form
    rule: str
    parts: tuple[Part, ...]


class _Taking:
    """Takes one sentence apart."""

    def __init__(self, op: type[ops.Op], form: Form, rule: str) -> None:
        self._kinds = kinds(op)
        self._rule = rule
        self._made = 0
        self._pieces = self._matches(form.sentence)

    def _matches(self, text: str) -> Iterator[re.Match[str]]:
        at = 0
        while at < len(text):
            found = _PIECE.match(text, at)
            if found is None:
                raise ValueError(f"{text!r}: cannot be read from {text[at:]!r}")
            yield found
            at = found.end()

    def parts(self) -> tuple[tuple[Part, ...], re.Match[str] | None]:
        """The parts up to what closes them, and that."""
        found: list[Part] = []
        for piece in self._pieces:
            if piece["close"] or piece["next"]:
                return tuple(found), piece
            found.append(self._part(piece))
        return tuple(found), None

    def _part(self, piece: re.Match[str]) -> Part:
        before = piece["before"]
        if piece["field"]:
            return Slot(before, piece["field"], piece["kind"] or self._kinds[piece["field"]])
        if piece["first"]:
            return Range(before, piece["first"], piece["count"] or "", bool(piece["open"]))
        if piece["word"]:
            return Word(before, piece["word"])
        if piece["options"]:
            return Options(tuple(self._choices()))
        rule = self._next_rule()
        parts, end = self.parts()
        flag = end["flag"] if end else None
        return Maybe(rule, parts, flag or "", bool(piece["always"]))

    def _choices(self) -> Iterator[Maybe]:
        more = True
        while more:
            rule = self._next_rule()
            parts, end = self.parts()
            yield Maybe(rule, parts, (end and end["choice"]) or "")
            more = end is not None and end["next"] == "|"

    def _next_rule(self) -> str:
        self._made += 1
        return f"{self._rule}_{self._made}"


@functools.cache
def sentences() -> Mapping[str, Sentence]:
    """All sentences by their rule, in the order of their declaration."""
    made = {}
    for op, forms in declared().items():
        for number, form in enumerate(forms):
            rule = f"{op.__name__.lower()}_{number}"
            parts, _ = _Taking(op, form, rule).parts()
            made[rule] = Sentence(op, form, rule, parts)
    return made


def sentences_of(op: type) -> tuple[Sentence, ...]:
    """The ways to say one operation."""
    return _by_operation().get(op, ())


@functools.cache
def _by_operation() -> Mapping[type, tuple[Sentence, ...]]:
    made: dict[type, tuple[Sentence, ...]] = {}
    for each in sentences().values():
        made[each.op] = (*made.get(each.op, ()), each)
    return made


def grammar() -> str:
    """The rules for all operations and for the kinds of their fields, as Lark reads them."""
    rules = [f"?op: {' | '.join(sentences())}"]
    for each in sentences().values():
        rules += _rules(each.rule, each.parts)
    rules += [kind.rule for kind in KINDS.values() if kind.rule]
    return "\n".join(dict.fromkeys(rules)) + "\n"


def _rules(name: str, parts: tuple[Part, ...]) -> Iterator[str]:
    yield f"{name}: {' '.join(map(_symbol, parts))}"
    for part in parts:
        for piece in part.choices if isinstance(part, Options) else (part,):
            if isinstance(piece, Maybe):
                yield from _rules(piece.rule, piece.parts)


def _symbol(part: Part) -> str:
    match part:
        case Word(text=text):
            return f'"{text}"'
        case Slot(kind=kind):
            return KINDS[kind].symbol
        case Range():
            return "range"
        case Maybe(rule=rule):
            return f"{rule}?"
        case Options(choices=choices):
            return f"({' | '.join(choice.rule for choice in choices)})*"
