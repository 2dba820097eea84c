"""What a terminal gets: colour, folding, pictures; and the doors for pipes."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from pfntrack.audit.question import parse_range
from pfntrack.cli import main
from pfntrack.cli.output.terminal import folded, style
from pfntrack.errors import InputFormatError

MINE = "scenario mine\n\nA opens driver on H as fd0\nA maps fd0[0,4) at 0\n"


def on_a_terminal(line: str, columns: int, **env: str) -> str:
    """What a command writes to a terminal of this width."""
    leader, follower = pty.openpty()
    words = [sys.executable, "-m", "pfntrack", *line.split()]
    settings = {"TERM": "xterm", "COLUMNS": str(columns), "LINES": "500"} | env
    clean = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    child = subprocess.Popen(words, stdin=follower, stdout=follower, env=clean | settings)
    os.close(follower)
    shown = b""
    try:
        while part := os.read(leader, 65536):
            shown += part
    except OSError:
        pass  # what Linux says at the end of a terminal
    os.close(leader)
    assert child.wait() in (0, 1)
    return shown.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colours() -> None:
    """What is broken is red; with NO_COLOR, or on a dumb terminal, there is no escape."""
    line = "run truncate-middle --release 6.12"
    shown = on_a_terminal(line, 200)
    assert "\x1b[1;31m       BROKEN I2" in shown
    assert "\x1b" not in on_a_terminal(line, 200, NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(line, 200, TERM="dumb")


def test_a_terminal_gets_folded_lines() -> None:
    """No line is wider than the terminal, but for words that are; nothing is lost."""
    line = "run truncate-middle --release 6.12"
    narrow = on_a_terminal(line, 60, NO_COLOR="1")
    assert all(len(each) <= 60 for each in narrow.splitlines())
    assert narrow.split() == on_a_terminal(line, 300, NO_COLOR="1").split()


@pytest.mark.parametrize(
    "text", ["", "word", "a b c d " * 30, "  - x " + "y" * 90, "    deep " * 9]
)
def test_folding_loses_nothing(text: str) -> None:
    """The words are the same, in order, at any width."""
    for columns in (40, 55, 80):
        assert " ".join(folded(text, columns)).split() == text.split()


def test_styles() -> None:
    """Words inside a sentence have no style of their own."""
    assert style("       BROKEN I2: H[0,1): x")
    assert style("       entries:       A + [0,1) -> H[0,1) UC-") == "32"
    assert style("       reservations:  - H[0,4) UC-") == "31"
    assert style("The driver zaps one page in the middle; the rest stays mapped.") == ""


def test_a_scenario_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`run -` and `compare -` read a program; a mistake names standard input."""

    def typed(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    typed(MINE)
    assert main(["run", "-"]) == 0
    assert "A maps fd0[0,4) at 0" in capsys.readouterr().out
    typed(MINE)
    assert main(["compare", "-", "--with", "6.12,7.3"]) == 0
    capsys.readouterr()
    typed("scenario x\n\nnonsense\n")
    assert main(["run", "-"]) == 2
    assert "standard input:3:1: found 'nonsense'" in capsys.readouterr().err


def test_a_page_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """`--html -`: the page alone stands there, the text goes to standard error."""
    assert main(["run", "truncate-middle", "--html", "-"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("<!DOCTYPE html>")
    assert out.rstrip().endswith("</html>")
    assert "BROKEN I2" in err


def test_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    """One column per page: what is reserved, who maps it, where something broke."""
    assert main(["run", "truncate-middle", "--release", "6.12", "--picture"]) == 1
    lines = [line.partition("| ")[2] for line in capsys.readouterr().out.splitlines()]
    drawn = [line.split() for line in lines if line]
    assert drawn[:3] == [["H[0,4)", "0123"], ["reserved", "uuuu"], ["A", "maps", "uuuu"]]
    assert drawn[3:6] == [["H[0,4)", "0123"], ["A", "maps", "u.uu"], ["broken", "!.!!"]]
    assert "nothing is mapped or reserved" in lines


@pytest.mark.parametrize(
    "text",
    [
        "0xfe000000-0xfe010000",
        "fe000000-fe00ffff",
        "[mem 0xfe000000-0xfe00ffff]",
        "PAT: [mem 0xfe000000-0xfe00ffff]",
        "[0xfe000000, 0xfe010000)",
        "[0xfe000000,0xfe010000)",
        "write-combining @ 0xfe000000-0xfe010000",
        "fe000000-fe00ffff : 0000:00:06.0",
        "0xfe000000+64K",
        "0xfe000000+0x10000",
    ],
)
def test_ranges_as_they_are_printed(text: str) -> None:
    """Every notation of the kernel and of this tool means the same 16 pages."""
    assert parse_range(text) == (0xFE000000, 0xFE010000)


@pytest.mark.parametrize("text", ["", "zz", "5-3", "[mem ]", "1+", "0-1ffffffffffffffff", "H[0,4)"])
def test_what_is_no_range(text: str) -> None:
    """One line that says which forms there are."""
    with pytest.raises(InputFormatError, match="START-END in hex"):
        parse_range(text)


def test_format_takes_names_and_says_what_was_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scenario of the library by its name; a file that was rewritten is named."""
    assert main(["scenarios", "format", "truncate-middle"]) == 0
    assert capsys.readouterr().out.startswith("scenario truncate-middle\n")
    assert main(["scenarios", "format", "--check", "truncate-middle"]) == 0
    assert main(["scenarios", "format", "--in-place", "truncate-middle"]) == 2
    path = tmp_path / "mine.pfn"
    path.write_text(MINE.replace("maps fd0", "maps   fd0"))
    capsys.readouterr()
    assert main(["scenarios", "format", "--in-place", str(path)]) == 0
    assert f"{path}: rewritten" in capsys.readouterr().err


def test_lists_by_words(capsys: pytest.CaptureFixture[str]) -> None:
    """All words have to be there, in name, sentence or tags; none that has them is an error."""
    assert main(["scenarios", "list", "fork", "middle"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert "truncate-middle-fork" in names
    assert "map-and-unmap" not in names
    assert main(["scenarios", "list", "no-such-word"]) == 2
