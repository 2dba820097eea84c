"""What a shell has to know to complete a command line: taken from the parser, without running it.

Each option and argument has a kind of value. Words of a kind are listed once; a kind with
a comma behind it is a list of such words, separated by commas.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

import attrs

from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.search.bounds import GROUPS
from pfntrack.cli.words import catalogue
from pfntrack.designs import DESIGNS
from pfntrack.field.catalogue.diagnoses.codes import CODES
from pfntrack.releases import HISTORIC, RELEASES

FILE, DIRECTORY, NOTHING = "file", "directory", "nothing"
_SCENARIO = "scenario"
# The kind of an option's or argument's value by its name; elsewhere by its placeholder.
_BY_DEST = {
    "release": "release",
    "design": "design",
    "releases": "model,",
    "explore": "model",
    "designs": "design,",
    "properties": "property,",
    "ops": "operations,",
    "tag": "tag",
    "query": "code",
    "inputs": _SCENARIO,
    "scenario": _SCENARIO,
    "scenarios": _SCENARIO,
    "name": _SCENARIO,
    "names": _SCENARIO,
    "files": _SCENARIO,
    "kernel": "kernel,",
    "kernels": "kernel",
}
# Of the same name, but another thing.
_BY_COMMAND = {"triage files": FILE, "triage kernel": "release"}
_BY_METAVAR = {"FILE": FILE, "DIR": DIRECTORY, "SOCKET": FILE}
_LONGEST = 60


@attrs.frozen
class Option:
    """One way to write an option: its word, what it means, and the kind of each value."""

    word: str
    about: str
    kinds: tuple[str, ...]


@attrs.frozen
class Place:
    """A command or an action of one: what may stand behind it.

    `arguments` are kinds; the last one stands for all that follow if `more` is true.
    """

    path: str
    actions: tuple[tuple[str, str], ...]
    options: tuple[Option, ...]
    arguments: tuple[str, ...]
    more: bool


@attrs.frozen
class Table:
    """All places, and the words of each kind."""

    places: tuple[Place, ...]
    words: Mapping[str, Sequence[str]]


def table(parser: argparse.ArgumentParser) -> Table:
    """The table of a complete parser."""
    words = {
        "release": [*RELEASES, *HISTORIC],
        "model": [*RELEASES, *HISTORIC, *DESIGNS],
        "design": list(DESIGNS),
        "property": list(PROPERTIES),
        "operations": list(GROUPS),
        "tag": sorted({tag for entry in catalogue.entries() for tag in entry.tags}),
        "code": list(CODES),
        "kernel": list(RELEASES),
        _SCENARIO: catalogue.names(),
    }
    places = tuple(_places(parser, "", words))
    return Table(places, words)


def _places(
    parser: argparse.ArgumentParser, path: str, words: dict[str, list[str]]
) -> Iterator[Place]:
    actions: list[tuple[str, str]] = []
    inside: list[Place] = []
    options: list[Option] = []
    arguments: list[str] = []
    more = False
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for choice in action._choices_actions:  # noqa: SLF001
                actions.append((choice.dest, _brief(choice.help)))
            for name, each in action.choices.items():
                inside += _places(each, f"{path} {name}".strip(), words)
        elif action.option_strings:
            count = 0 if action.nargs == 0 else action.nargs if isinstance(action.nargs, int) else 1
            kinds = (_kind(action, path, words),) * count
            options += [Option(word, _brief(action.help), kinds) for word in action.option_strings]
        else:
            arguments.append(_kind(action, path, words))
            more = more or action.nargs in ("*", "+")
    yield Place(path, tuple(actions), tuple(options), tuple(arguments), more)
    yield from inside


def _kind(action: argparse.Action, path: str, words: dict[str, list[str]]) -> str:
    command = path.partition(" ")[0]
    if action.choices is not None:
        name = f"{path.replace(' ', '_')}_{action.dest}"
        words[name] = [str(choice) for choice in action.choices]
        return name
    kind = _BY_COMMAND.get(f"{command} {action.dest}") or _BY_DEST.get(action.dest)
    if kind is None and isinstance(action.metavar, str):
        kind = _BY_METAVAR.get(action.metavar)
    return kind or NOTHING


def _brief(text: str | None) -> str:
    """The first clause of a help text, in one line that a menu has room for."""
    line = " ".join((text or "").replace("%%", "%").split())
    line = line.partition(" (")[0].partition(";")[0].partition(": ")[0]
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3].rstrip()}..."
