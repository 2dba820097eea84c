"""Pictures: pages that the program draws, shown inside the pages written by hand.

A line `<!-- picture: compare truncate-middle --with 6.12,7.3 -->` becomes the
page that `pfntrack compare truncate-middle --with 6.12,7.3 --html` writes.
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import io
import re
from pathlib import Path

from pfntrack.cli import main

_PICTURE = re.compile(r"(?m)^<!-- picture: (?P<command>[^\n]+?) -->$")


def with_pictures(text: str, target: Path, up: str) -> str:
    """`text` with its pictures drawn into `target`, which is at `up` for the page."""

    def shown(found: re.Match[str]) -> str:
        command = found["command"]
        name = _drawn(command, target)
        place = f"{up}{target.name}/{name}"
        title = html.escape(f"pfntrack {command}", quote=True)
        return (
            f'```{{raw}} html\n<figure class="picture">\n'
            f'<iframe src="{place}" title="{title}" loading="lazy"></iframe>\n'
            f'<figcaption><code>{title}</code> <a href="{place}">alone on a page</a>; '
            f"step with the arrow keys</figcaption>\n</figure>\n```"
        )

    return _PICTURE.sub(shown, text)


def _drawn(command: str, target: Path) -> str:
    """The file that shows a command's result; raises RuntimeError if none was written."""
    words = command.split()
    name = f"{words[0]}-{words[1]}-{hashlib.sha256(command.encode()).hexdigest()[:6]}.html"
    file = target / name
    target.mkdir(parents=True, exist_ok=True)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            code = main([*words, "--html", str(file)])
        except SystemExit as stopped:
            code = stopped.code if isinstance(stopped.code, int) else 0
    if code not in (0, 1) or not file.exists():
        raise RuntimeError(f"pfntrack {command} --html: exit code {code}\n{printed.getvalue()}")
    return name
