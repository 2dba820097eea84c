"""From text to a parse tree, and from a parser's complaint to a plain sentence."""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib.resources
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import lark
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lexer import PatternStr
from lark.parsers.lalr_interactive_parser import InteractiveParser

from pfntrack.edges.cache import cache_folder
from pfntrack.errors import ScenarioError
from pfntrack.scenario.sentences import grammar

_WORDS = {
    "PROCESS": "a process (A, B, ...)",
    "WINDOW": "a window (H, L, R, ...)",
    "FD": "a descriptor (fd0, fd1, ...)",
    "NUMBER": "a number",
    "INTEGER": "a number",
    "NAME": "a name",
    "STRING": "a text in double quotes",
    "CACHE": "a memory type (UC-, UC, WC, WT, WP or WB)",
    "RESOURCE": "resource2 or resource2_wc",
    "PROT": "a protection (rw, r, w, x, ... or none)",
    "SWITCH": "on or off",
    "RESULT": "a result (ok, EINVAL, SIGBUS, NULL, ...)",
    "PROPERTY": "a property (I1 to I10, I5-tlb, tight)",
    "SIDE": "left or right",
    "MODE": "always, possible or never",
    "ON": "a release (6.1), a range of releases (6.1..6.12) or a design (vm-pat)",
    "BDF": "a PCI address (0000:00:07.0)",
    "SYSCTL": "a sysctl (vm/max_map_count)",
    "_PAGES": "pages",
    "_NL": "the end of the line",
    "$END": "the end of the file",
}
_COMMENT_LIKE = ("//", "/*", ";", "--", "%")


class _RunInError(UnexpectedToken):
    """Two words without anything between them."""


class _Apart:
    """Between lexer and parser: two words must have something between them."""

    always_accept: Iterable[str] = ()

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        end, last = -1, " "
        for token in stream:
            if token and token.start_pos == end and (last + token[0]).isalnum():
                raise _RunInError(token, set())  # type: ignore[no-untyped-call]
            if token:
                end, last = token.end_pos or 0, token[-1]
            yield token


@functools.cache
def parser() -> Lark:
    """The LALR parser of grammar.lark and of the sentences of operations."""
    return _Parser(_text(), **_OPTIONS, cache=_kept(_text()))


_OPTIONS: dict[str, Any] = {
    "start": "file",
    "parser": "lalr",
    "propagate_positions": True,
    "postlex": _Apart(),
}


class _Parser(Lark):
    """Lark leaves its grammar out of kept tables; who asks for that gets it all the same."""

    def __getattr__(self, name: str) -> Any:
        if name != "grammar":
            raise AttributeError(name)
        self.grammar = Lark(_text(), **_OPTIONS).grammar
        return self.grammar


@functools.cache
def _text() -> str:
    frame = importlib.resources.files(__package__).joinpath("grammar.lark")
    return f"{frame.read_text(encoding='utf-8')}\n{grammar()}"


def _kept(text: str) -> str | bool:
    """Where the parser's tables stay between two commands, if there is such a place.

    Making them takes longer than running a small scenario. Each grammar has a file of its
    own: commands of another version may write theirs while this one reads.
    """
    folder = cache_folder()
    if folder is None:
        return False
    key = f"{text}\0{lark.__version__}\0{sys.version}"
    return str(folder / f"grammar-{hashlib.sha256(key.encode()).hexdigest()[:16]}.lalr")


def tree(text: str, file: str) -> Tree[Token]:
    """The parse tree of `text`; any complaint becomes a ScenarioError."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if not text.endswith("\n"):
        text += "\n"
    try:
        return parser().parse(text)
    except UnexpectedInput as error:
        raise ScenarioError(_sentence(error, text, file)) from None


def _sentence(error: UnexpectedInput, text: str, file: str) -> str:
    """`FILE:LINE:COLUMN: found X, expected Y`, on one line."""
    start, names, at_end = 0, set[str](), False
    if isinstance(error, UnexpectedToken):
        names, at_end = _acceptable(error), error.token.type == "$END"
        start = error.token.start_pos or 0
    elif isinstance(error, UnexpectedCharacters):
        names = set(error.allowed or ())
        start = int(getattr(error, "pos_in_stream", 0) or 0)
    start, found = (len(text.rstrip()), "") if at_end else _word(text, start)
    line = text.count("\n", 0, start) + 1
    column = start - (text.rfind("\n", 0, start) + 1) + 1
    words = _known(names)
    place = f"{file}:{line}:{column}"
    shown = "the end of the line" if found == "\n" else repr(found) if found else "the end"
    if isinstance(error, _RunInError):
        return f"{place}: {shown} runs into the word before it; put a space between"
    message = f"{place}: found {shown}"
    close = difflib.get_close_matches(found, words, n=1, cutoff=0.6)
    if close:
        message += f", did you mean {close[0]!r}?"
    message += f" (expected {_list(_described(names))})"
    if found.startswith(_COMMENT_LIKE):
        message += "; a comment starts with '#'"
    if found == '"' and "STRING" in names:
        message += "; this text is not closed on its line"
    return message


def _acceptable(error: UnexpectedToken) -> set[str]:
    """The terminals that the parser would really have taken."""
    tried: InteractiveParser | None = error.interactive_parser
    if tried is None:
        return set(error.expected)
    return set(tried.accepts())  # type: ignore[no-untyped-call]


def _word(text: str, start: int) -> tuple[int, str]:
    """The whole word around `start`, or the one character there."""
    if start < len(text) and re.match(r"\w", text[start]):
        while start and re.match(r"\w", text[start - 1]):
            start -= 1
    found = re.compile(r"\w[\w-]*|//|/\*|--|\n|\S", re.ASCII).search(text, start)
    if not found:
        return start, text[start : start + 1]
    return found.start(), found.group()


@functools.cache
def _keywords() -> dict[str, str]:
    """Terminal name to the keyword that it stands for."""
    return {
        terminal.name: terminal.pattern.value
        for terminal in parser().terminals
        if isinstance(terminal.pattern, PatternStr)
    }


def _known(names: Iterable[str]) -> list[str]:
    return [_keywords()[name] for name in sorted(names) if name in _keywords()]


def _described(names: Iterable[str]) -> list[str]:
    words = {_WORDS.get(name) or repr(_keywords().get(name, name)) for name in names}
    return sorted(words, key=lambda word: (word.startswith(("'", "the ")), word))


def _list(words: list[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} or {words[-1]}"
