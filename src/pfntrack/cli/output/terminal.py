"""Results for people at a terminal: folded to its width, coloured, and by pages.

A pipe or a file gets the text as it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

from pfntrack.edges import streams

BOLD, RED, GREEN, DIM = "1", "1;31", "32", "2"
# What a line is, by what it contains: the first that fits.
_STYLES = (
    (re.compile(r"\b(BROKEN|UNMET)\b"), RED),
    (re.compile(r"^(broken|left when all processes are gone): "), RED),
    (re.compile(r"^.* BROKEN after \d+ steps"), RED),
    (re.compile(r"^ +[a-z]+: +([AB][\w ]*)?\+ "), GREEN),
    (re.compile(r"^ +[a-z]+: +([AB][\w ]*)?- "), "31"),
    (re.compile(r"^ +(why|log( \(debugpat\))?): "), DIM),
    (re.compile(r"^ *\d+\. "), BOLD),
)
_LEAST = 40


def coloured() -> bool:
    """Is standard output a terminal whose user has not asked for no colours?"""
    return (
        sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "") not in ("", "dumb")
    )


def width() -> int:
    """Columns of the terminal, or of COLUMNS."""
    return max(_LEAST, shutil.get_terminal_size().columns)


def folded(line: str, columns: int) -> Iterator[str]:
    """A line in pieces that fit, broken at spaces; what follows stands deeper than it began.

    A word that does not fit stays whole.
    """
    deeper = " " * (len(line) - len(line.lstrip()) + 4)
    while len(line) > columns:
        cut = line.rfind(" ", len(deeper) + 1, columns + 1)
        if cut < 0:
            cut = line.find(" ", columns)
        if cut < 0 or not line[cut:].strip():
            break
        yield line[:cut].rstrip()
        line = deeper + line[cut:].lstrip()
    yield line


def style(line: str) -> str:
    """The colour of a line of our reports, as a parameter of SGR; empty for none."""
    return next((code for pattern, code in _STYLES if pattern.search(line)), "")


def show(text: str, *, paged: bool = False) -> None:
    """Print a report; `paged` lets it go through $PAGER if the terminal is not high enough."""
    if not sys.stdout.isatty():
        print(text, end="")
        return
    colours, columns = coloured(), width()
    lines = [
        (style(whole) if colours else "", line)
        for whole in text.splitlines()
        for line in folded(whole, columns)
    ]
    if paged and len(lines) >= shutil.get_terminal_size().lines and _through_pager(lines):
        return
    streams.styled(lines)


def _through_pager(lines: list[tuple[str, str]]) -> bool:
    """Was a pager there to show them?"""
    words = (os.environ.get("PAGER") or "less").split()
    if not words or words == ["cat"] or shutil.which(words[0]) is None or not sys.stdin.isatty():
        return False
    env = {"LESS": "FRX", **os.environ}
    with subprocess.Popen(words, stdin=subprocess.PIPE, text=True, env=env) as pager:  # noqa: S603
        try:
            pager.communicate("\n".join(line for _, line in lines) + "\n")
        except BrokenPipeError:
            return True
    return True
