"""The man page and the completion scripts that the package installs."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from tools.man import ROOT, files
from tools.parsers import pages

from pfntrack.cli import build_parser
from pfntrack.cli.parsing.commands import COMMANDS

PAGE = ROOT / "man" / "pfntrack.1"


def test_generated_files_are_fresh() -> None:
    """`make man` would change nothing but, with another Python, line breaks of usage."""
    for path, text in files().items():
        fresh, kept = text.split(), path.read_text(encoding="utf-8").split()
        assert fresh == kept, f"{path.name} is stale: make man"


def test_every_command_has_a_section() -> None:
    """Commands and their actions, each under a heading of its own."""
    text = PAGE.read_text(encoding="utf-8")
    headings = re.findall(r"(?m)^\.SS \\fB(pfntrack .+)\\fR$", text)
    assert [page.name for page in pages(build_parser())] == headings
    assert set(COMMANDS) == {name.split()[1] for name in headings}


@pytest.mark.parametrize("width", [80, 132])
def test_man_accepts_the_page(width: int) -> None:
    """The formatter has nothing to warn about, and nothing of the end is lost."""
    if shutil.which("man") is None or shutil.which("groff") is None:
        pytest.skip("man and groff are not installed")
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", str(PAGE)],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": str(width)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert "EXIT STATUS" in done.stdout
    assert "SEE ALSO" in done.stdout
