"""Moving through a scenario, trying operations, and the same through a pipe."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfntrack.cli import main
from pfntrack.releases import release_for
from pfntrack.scenario import find
from pfntrack.stepper import Session, SessionError, start
from pfntrack.stepper.commands import HELP, moved, read
from pfntrack.stepper.plain import step_through
from pfntrack.stepper.view import lamps

SPLIT = start(find("split-head-first"), release_for("6.12"))


def test_forward_and_back() -> None:
    """One step each; the ends of the program are walls."""
    third = SPLIT.to(3)
    assert third.forward().back() == third
    assert third.run.steps[-1].text == "A unmaps [0,1)"
    with pytest.raises(SessionError, match="start of the program"):
        SPLIT.back()
    with pytest.raises(SessionError, match="end of the program"):
        SPLIT.to(4).forward()


def test_another_release_does_the_same_steps() -> None:
    """What breaks under 6.12 does not under 7.3; the place stays."""
    there = SPLIT.to(3)
    assert "I4 BROKEN" in [text for _, text in lamps(there)]
    here = there.under("7.3")
    assert here.done == 3
    assert "I4 holds" in [text for _, text in lamps(here)]
    assert here.under("ours").release.design.name == "ours"


def test_tried_operation_comes_next_and_can_be_undone() -> None:
    """It is inserted here, done at once, and taken back with the place."""
    tried = SPLIT.to(2).attempt("A forks B")
    assert (tried.done, tried.length, tried.tried) == (3, 5, (2,))
    assert [p.name for p in tried.run.steps[-1].state.processes] == ["A", "B"]
    twice = tried.attempt("B unmaps [0,1)")
    assert twice.tried == (2, 3)
    assert twice.undo() == tried
    assert twice.undo().undo() == SPLIT.to(2)
    # The release is what it is now, not what it was then.
    assert tried.under("7.3").undo().release.name == "7.3"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "found 'nonsense'"),
        ("B unmaps [0,1)", "unknown process B"),
        ("A maps fd7[0,1) at 0", "fd7"),
        ("A unmaps [0,1)\nA unmaps [1,2)", "one operation"),
        ("# nothing", "one operation"),
    ],
)
def test_what_cannot_be_tried_is_said(line: str, message: str) -> None:
    """One line without the place in a text that nobody sees."""
    with pytest.raises(SessionError, match=message) as caught:
        SPLIT.to(2).attempt(line)
    assert "\n" not in str(caught.value)
    assert "<text>" not in str(caught.value)


@given(st.lists(st.sampled_from(("n", "b", "u", "r 7.3", "r 6.1", "t A forks B", "g 2"))))
def test_no_walk_loses_the_program(words: list[str]) -> None:
    """Whatever is done, without what was tried the program is the old one."""
    session: Session = SPLIT
    for line in words:
        try:
            session = moved(session, *read(line))
        except SessionError:
            continue
        assert 0 <= session.done <= session.length
        assert len(session.run.steps) == session.done
    kept = [s for n, s in enumerate(session.scenario.steps) if n not in session.tried]
    assert kept == list(SPLIT.scenario.steps)


def test_every_command_of_the_help_is_one() -> None:
    """The help's words are read, in their long and short forms."""
    for line in HELP.splitlines():
        for word in line[:27].replace(" or an empty line", "").split(","):
            read(word.strip())
    assert read("") == ("next", "")
    with pytest.raises(SessionError, match="no command"):
        read("jump")


def test_lines_from_a_pipe() -> None:
    """Commands in, text out; a mistake does not end it."""
    out = io.StringIO()
    words = ["n", "go 3", "properties", "state", "try A forks B", "undo", "jump", "go x", "q", "n"]
    step_through(SPLIT, [f"{word}\n" for word in words], out)
    text = out.getvalue()
    assert "3. A unmaps [0,1): ok" in text
    assert "I4 BROKEN" in text
    assert "I4: H[0,1): a release that no reservation fits" in text
    assert "process A\n  [1,2) rw-s resource2, tracked" in text
    assert "4. A forks B: ok" in text
    assert "? 'jump' is no command" in text
    assert "? go where?" in text
    assert text.rstrip().endswith("go 3")


def test_command_reads_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`pfntrack step` without a terminal is the same."""
    monkeypatch.setattr("sys.stdin", io.StringIO("go 3\n"))
    assert main(["step", "split-head-first", "--design", "ours"]) == 0
    assert "split-head-first on ours: 3 of 4 steps done" in capsys.readouterr().out
