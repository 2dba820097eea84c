"""What a parser says about itself, for pages that are made from it."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
from collections.abc import Iterator, Mapping

import attrs


@attrs.frozen
class Argument:
    """One argument: how it is written, and what it means."""

    written: str
    meaning: str


@attrs.frozen
class Group:
    """Arguments under one title; the parser's own have none."""

    title: str
    arguments: tuple[Argument, ...]


@attrs.frozen
class Page:
    """A command or an action of a command, such as `pfntrack lab run`."""

    name: str
    summary: str
    usage: str
    description: str
    groups: tuple[Group, ...]

    @property
    def depth(self) -> int:
        """1 for a command, 2 for an action of one."""
        return self.name.count(" ")


@contextlib.contextmanager
def wide() -> Iterator[None]:
    """Usage is wrapped to the width of the terminal; a page is always 80 columns wide."""
    width, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), "80"
    try:
        yield
    finally:
        if width is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = width


def pages(parser: argparse.ArgumentParser) -> Iterator[Page]:
    """Every command and action below `parser`, in the order of --help."""
    with wide():
        yield from list(_below(parser))


def _below(parser: argparse.ArgumentParser) -> Iterator[Page]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}
            choices: Mapping[str, argparse.ArgumentParser] = action.choices
            for name, sub in choices.items():
                yield _page(sub, summaries.get(name, ""))
                yield from _below(sub)


def _page(parser: argparse.ArgumentParser, summary: str) -> Page:
    groups = []
    for group in parser._action_groups:
        found = tuple(
            _argument(action)
            for action in group._group_actions
            if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
            and action.help is not argparse.SUPPRESS
        )
        plain = group.title in ("positional arguments", "options")
        if found:
            groups.append(Group("" if plain else group.title or "", found))
    return Page(
        parser.prog,
        summary,
        parser.format_usage().removeprefix("usage: ").rstrip(),
        (parser.description or "").strip("\n"),
        tuple(groups),
    )


def _argument(action: argparse.Action) -> Argument:
    formatter = argparse.HelpFormatter("")
    if action.option_strings:
        values = formatter._format_args(action, action.dest.upper())
        written = f"{', '.join(action.option_strings)} {values}".strip()
    else:
        written = formatter._metavar_formatter(action, action.dest)(1)[0]
    return Argument(written, (action.help or "").replace("%%", "%"))


def exit_codes(epilog: str) -> list[tuple[str, str]]:
    """Each exit code that the epilog of --help names, and its meaning."""
    said = " ".join(epilog.split()).partition(":")[2]
    return re.findall(r"\b(\d+) (.+?)(?=, \d+ |$)", said)


def paragraphs(text: str) -> Iterator[tuple[bool, str]]:
    """Paragraphs of a description, and whether their layout means something."""
    for part in text.split("\n\n"):
        lines = part.strip("\n").splitlines()
        if lines:
            laid_out = any(line.startswith(" ") or "  " in line.strip() for line in lines)
            yield laid_out, "\n".join(lines)
