"""What the library has, from the first lines of its files: a list of names parses nothing."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from typing import NamedTuple

SUFFIX = ".pfn"
_ABOUT = re.compile(r'^about\s+"(.*)"\s*$')
_TAGS = re.compile(r"^tags\s+(.+?)\s*(#.*)?$")


class Entry(NamedTuple):
    """A scenario of the library: its name, what it is about in one sentence, its tags."""

    name: str
    about: str
    tags: tuple[str, ...]

    def has(self, word: str) -> bool:
        """Is `word` in its name, its sentence or its tags? Capitals do not matter."""
        low = word.lower()
        return any(low in text.lower() for text in (self.name, self.about, *self.tags))


def _folder() -> Traversable:
    return importlib.resources.files("pfntrack").joinpath("scenario", "library")


def names() -> list[str]:
    """The names of all scenarios that come with the package, sorted."""
    found = sorted(entry.name for entry in _folder().iterdir())
    return [name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX)]


def entries() -> Iterator[Entry]:
    """All of them, in the order of their names."""
    folder = _folder()
    for name in names():
        about = ""
        tags: tuple[str, ...] = ()
        for line in folder.joinpath(name + SUFFIX).read_text(encoding="utf-8").splitlines():
            if found := _ABOUT.match(line):
                about = found[1]
            elif found := _TAGS.match(line):
                tags = tuple(found[1].split())
            elif line and not line.startswith(("#", "scenario ")):
                break
        yield Entry(name, about, tags)
