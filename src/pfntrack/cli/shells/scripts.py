"""Completion scripts: the table of the parser, and for each shell the few lines that read it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from importlib import resources

from pfntrack.cli.shells.table import Place, Table

_MARK = "@TABLE@"


def script(shell: str, table: Table) -> str:
    """The completion script of a shell."""
    text = resources.files(__package__).joinpath(f"pfntrack.{shell}").read_text("utf-8")
    return text.replace(_MARK, "\n".join(_TABLES[shell](table)))


Entry = tuple[str, str, str]
"""Array, key and value."""


def _entries(table: Table, listed: Callable[[list[tuple[str, str]]], str]) -> Iterator[Entry]:
    """What the arrays of bash and zsh hold; `listed` makes a value of words and their meaning."""
    for place in table.places:
        key = place.path or "-"
        if place.actions:
            yield "actions", key, listed(list(place.actions))
        yield "options", key, listed([(option.word, option.about) for option in place.options])
        if place.arguments:
            yield "arguments", key, " ".join(_arguments(place))
        for option in place.options:
            if option.kinds:
                yield "values", f"{key} {option.word}", " ".join(option.kinds)
    for kind, words in table.words.items():
        yield "words", kind, " ".join(words)


def _arguments(place: Place) -> list[str]:
    return [*place.arguments, *(["..."] if place.more else [])]


def _bash(table: Table) -> Iterator[str]:
    for array, key, value in _entries(table, lambda pairs: " ".join(word for word, _ in pairs)):
        yield f"_pfntrack_{array}[{shlex.quote(key)}]={shlex.quote(value)}"


def _zsh(table: Table) -> Iterator[str]:
    def listed(pairs: list[tuple[str, str]]) -> str:
        return "\n".join(word.replace(":", "\\:") + f":{about}" for word, about in pairs)

    for array, key, value in _entries(table, listed):
        yield f"_pfntrack_{array}+=({shlex.quote(key)} {shlex.quote(value)})"


def _fish(table: Table) -> Iterator[str]:
    """Functions with a switch, for fish has no associative arrays."""
    lists: dict[str, list[tuple[str, list[str]]]] = {
        "actions": [(p.path or "-", _menu(list(p.actions))) for p in table.places if p.actions],
        "options": [
            (p.path or "-", _menu([(o.word, o.about) for o in p.options])) for p in table.places
        ],
        "arguments": [(p.path or "-", _arguments(p)) for p in table.places if p.arguments],
        "values": [
            (f"{p.path or '-'} {option.word}", list(option.kinds))
            for p in table.places
            for option in p.options
            if option.kinds
        ],
        "words": [(kind, list(words)) for kind, words in table.words.items()],
    }
    for name, cases in lists.items():
        yield f"function __pfntrack_{name}"
        yield "    switch $argv[1]"
        for key, lines in cases:
            yield f"        case {_fish_word(key)}"
            yield f"            printf '%s\\n' {' '.join(map(_fish_word, lines))}"
        yield "    end"
        yield "end"


def _menu(pairs: list[tuple[str, str]]) -> list[str]:
    return [f"{word}\t{about}" for word, about in pairs]


def _fish_word(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_TABLES: dict[str, Callable[[Table], Iterator[str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
