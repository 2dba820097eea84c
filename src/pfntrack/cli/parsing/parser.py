"""A parser whose complaints say what was probably meant, and show the usage of that command."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Sequence
from typing import NoReturn

from pfntrack.edges.near import meant

_CHOICE = re.compile(r"^argument ([^:]+): invalid choice: '(.*)' \(choose from (.*)\)$", re.DOTALL)
_UNKNOWN = re.compile(r"^unrecognized arguments: (.*)$", re.DOTALL)


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are written; the names in help texts are not cut at their hyphens."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        joined = " ".join(text.split())
        return textwrap.wrap(joined, width, break_on_hyphens=False, break_long_words=False)


class Parser(argparse.ArgumentParser):
    """As argparse's, with better complaints."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """What is not known is complained about by the parser that it was meant for."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest

    def error(self, message: str) -> NoReturn:
        """Usage and one line, exit code 2."""
        super().error(self._told(message))

    def _told(self, message: str) -> str:
        if found := _CHOICE.match(message):
            what, word, choices = found.groups()
            known = re.findall(r"'([^']*)'", choices)
            near = meant(word, known)
            among = "" if near and len(known) > 8 else f"; there are {', '.join(known)}"
            return f"{what}: {word!r} is not known{near}{among}"
        if found := _UNKNOWN.match(message):
            word = found[1].split(" ")[0]
            if word.startswith("-") and word != "-":
                known = [each for action in self._actions for each in action.option_strings]
                name = word.partition("=")[0]
                return f"there is no option {name}{meant(name, known)}"
            return f"one argument too many: {word!r}"
        return message
