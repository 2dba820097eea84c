"""One message of the catalogue, and how a line is recognised as it.

`texts` are what the message always holds, `*` standing for what varies; `sites` are the
places ("FILE FUNCTION", with `*`) of warnings and BUGs that have no text of their own.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import attrs

PAT = "Memory types (PAT)"
USER = "Mappings of user space"
IOREMAP = "ioremap() and memremap()"
CPA = "set_memory_*() and the direct map"
MTRR = "MTRRs"
RESOURCES = "Resources, BARs, /dev/mem"
PROGRAMS = "Drivers and programs"
GROUPS = (PAT, USER, IOREMAP, CPA, MTRR, RESOURCES, PROGRAMS)

TRIAGE = "pfntrack triage FILE, with the whole log"


@attrs.frozen(slots=True)
class Message:
    """One message of the kernel (or of a program) and how to read it."""

    kind: str
    form: str
    printed_by: str
    level: str
    notation: str
    meaning: str
    trap: str
    codes: tuple[str, ...]
    since: str = ""
    texts: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    group: str = PAT
    next: str = TRIAGE

    def match(self, line: str) -> int:
        """How many fixed characters of a text `line` holds in order; 0 if it is not this."""
        return max((held(text, line) for text in self.texts), default=0)

    def at(self, file: str, function: str) -> int:
        """How exactly a site is this message's: 2 the function, 1 only the file, 0 neither."""
        best = 0
        for site in self.sites:
            where, _, name = site.partition(" ")
            if not _file_fits(where, file):
                continue
            if name == "" and not function:
                best = max(best, 1)
            elif name and function and fnmatchcase(function, name):
                best = 2
        return best


def _file_fits(where: str, file: str) -> bool:
    return where == "*" or not file or file == where or file.endswith("/" + where)


def held(text: str, line: str) -> int:
    """The number of fixed characters of `text` if all its parts stand in `line` in order, else 0.

    A text that begins with `=` has to be the whole line. Blanks count as one.
    """
    whole = text.startswith("=")
    parts = text.removeprefix("=").split("*")
    line = " ".join(line.split())
    at = 0
    for number, part in enumerate(parts):
        found = line.find(part, at)
        if found < 0 or (whole and number == 0 and found):
            return 0
        at = found + len(part)
    if whole and parts[-1] and not line.endswith(parts[-1]):
        return 0
    return sum(map(len, parts))


def words(text: str) -> set[str]:
    """The words of a text that carry meaning: three letters or more, underscores kept."""
    return {word.lower() for word in re.findall(r"[A-Za-z_][\w^]{2,}", text)}
