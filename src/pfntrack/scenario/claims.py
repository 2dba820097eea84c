"""From a parse tree to expectations."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Callable

import attrs
from lark import Token, Tree

from pfntrack.designs import DESIGNS
from pfntrack.pat.cachemode import BY_SHORT
from pfntrack.scenario.expect import (
    PROPERTIES,
    Entries,
    Expect,
    ExpectEntries,
    ExpectLeaks,
    ExpectLog,
    ExpectMappings,
    ExpectProperty,
    ExpectReservations,
    ExpectResult,
    ExpectStruck,
    ExpectTracked,
    Held,
    Pages,
    Said,
)
from pfntrack.scenario.words import Complaint, Words, place, text_of

_OTHER_RESULTS = ("ok", "NULL", "SIGBUS", "SIGSEGV")


def claims(node: Tree[Token]) -> list[tuple[Expect, Tree[Token]]]:
    """The claims of one `expect` or `finally` line, each with its node."""
    where = next((part for part in Words(node).parts() if part.data == "on"), None)
    on = tuple(map(_target, where.children)) if where else ()
    mode = str(Words(node).token("MODE") or "")
    found = []
    for part in Words(node).parts():
        if part.data != "on":
            claim = _BUILDERS[str(part.data)](Words(part))
            found.append((attrs.evolve(claim, mode=mode, on=on, line=place(node)[0]), part))
    return found


def _target(token: Token | Tree[Token]) -> str:
    """A release, range or design; a claim about none that there is would never be judged."""
    word, at = str(token), place(token)
    low, dots, high = word.partition("..")
    if dots and _numbers(low)[: len(_numbers(high))] > _numbers(high):
        raise Complaint(f"{word}: expected the older release first", at)
    if word[0].isalpha() and word not in DESIGNS:
        near = difflib.get_close_matches(word, DESIGNS, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise Complaint(f"{word}: no release and no design{hint}", at)
    return word


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


def _pages(words: Words) -> Pages:
    first, count = words.range()
    if not count:
        raise Complaint(f"range [{first},{first}) is empty", place(words.part("range").node))  # type: ignore[union-attr]
    return Pages(str(words.need("WINDOW")), first, first + count)


def _held(words: Words) -> tuple[Held, ...]:
    parts = [Words(part) for part in words.parts()]
    return tuple(Held(_pages(part), BY_SHORT[part.need("CACHE")]) for part in parts)


def _result(words: Words) -> Expect:
    word = words.need("RESULT")
    if word not in _OTHER_RESULTS and not isinstance(getattr(errno, word, None), int):
        raise Complaint(
            f"{word} is no result; results are ok, the name of an error, SIGBUS, SIGSEGV and NULL",
            place(word),
        )
    return ExpectResult(str(word), str(words.token("SIDE") or ""))


def _run(words: Words) -> Entries:
    at, pages = words.range()
    if words.node.data == "copied_run":
        return Entries(at, pages)
    first, length = words.range(1)
    if pages != length:
        raise Complaint(
            f"the two ranges differ in length: {pages} and {length} pages",
            place(words.need("WINDOW")),
        )
    to = Pages(str(words.need("WINDOW")), first, first + length)
    return Entries(at, pages, to, BY_SHORT[words.need("CACHE")])


def _said(words: Words) -> Said:
    kind = str(words.node.data)
    if kind == "line":
        return Said(kind, text=text_of(words.need("STRING")))
    if kind in ("warn", "bug"):
        return Said(kind, text=str(words.need("NAME")))
    types = tuple(
        BY_SHORT[token]
        for token in words.node.children
        if isinstance(token, Token) and token.type == "CACHE"
    )
    return Said(kind, None if kind == "ram_type" else _pages(words), types)


def _tracked(words: Words) -> Expect:
    at, pages = words.range()
    process = str(words.need("PROCESS"))
    return ExpectTracked(process, at, pages, words.node.data == "tracked")


def _mappings(words: Words) -> Expect:
    areas = [words.range(number) for number in range(len(words.parts()))]
    process = str(words.need("PROCESS"))
    return ExpectMappings(process, tuple((at, at + pages) for at, pages in areas))


def _properties(words: Words) -> Expect:
    tokens = [token for token in words.node.children if isinstance(token, Token)]
    for token in tokens:
        if token not in PROPERTIES:
            raise Complaint(
                f"{token} is no property; they are I1 to I10, I5-tlb and tight", place(token)
            )
    return ExpectProperty(tuple(map(str, tokens)), words.node.data == "breaks")


_BUILDERS: dict[str, Callable[[Words], Expect]] = {
    "result": _result,
    "struck": lambda words: ExpectStruck(words.number()),
    "reservations": lambda words: ExpectReservations(_held(words)),
    "log": lambda words: ExpectLog(tuple(_said(Words(part)) for part in words.parts())),
    "tracked": _tracked,
    "untracked": _tracked,
    "mappings": _mappings,
    "entries": lambda words: ExpectEntries(
        str(words.need("PROCESS")), tuple(_run(Words(part)) for part in words.parts())
    ),
    "breaks": _properties,
    "keeps": _properties,
    "leaks": lambda words: ExpectLeaks(_held(words)),
}
