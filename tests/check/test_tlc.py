"""The TLA+ twin of the tracking by contexts finds the same states and steps as the search."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from bench.peers import Size, Took, compare, ours
from bench.tlc import INVARIANTS, VARIABLE, Tlc, config, counts, main, version

JAR = os.environ.get(VARIABLE)
needs_tlc = pytest.mark.skipif(
    not JAR or shutil.which("java") is None,
    reason=f"needs java and {VARIABLE}, which names tla2tools.jar",
)

# Recorded with TLC 2.15 for P, N, R = 1, 2, 2, but for the names of files that it read.
COMPLETE = """\
TLC2 Version 2.15 of Day Month 20?? (rev: d5b5a7f)
Starting... (2026-11-23 00:04:06)
Computing initial states...
Finished computing initial states: 1 distinct state generated at 2026-11-23 00:04:07.
Progress(7) at 2026-11-23 00:04:10: 8,582 states generated (8,582 s/min), \
1,114 distinct states found (1,114 ds/min), 154 states left on queue.
Model checking completed. No error has been found.
  Estimates of the probability that TLC did not check all reachable states
  because two distinct states had the same fingerprint:
  calculated (optimistic):  val = 5.3E-13
9871 states generated, 1114 distinct states found, 0 states left on queue.
The depth of the complete state graph search is 7.
Finished in 04s at (2026-11-23 00:04:10)
"""
# The same for 1, 1, 1 where a state without steps is an error.
STOPPED = """\
TLC2 Version 2.15 of Day Month 20?? (rev: d5b5a7f)
Finished computing initial states: 1 distinct state generated at 2026-11-23 00:14:58.
Error: Deadlock reached.
Error: The behavior up to this point is:
State 1: <Initial predicate>
/\\ tree = <<>>
/\\ spaces = <<{}>>

State 2: <Next line 145, col 6 to line 151, col 17 of module Context>
/\\ tree = <<>>
/\\ spaces = <<>>

27 states generated, 14 distinct states found, 8 states left on queue.
The depth of the complete state graph search is 3.
"""


@needs_tlc
@pytest.mark.parametrize("size", [(1, 2, 2), (2, 1, 2)])
def test_counts_are_equal(size: Size) -> None:
    """TLC finds as many states and transitions, and what the module says of states holds."""
    mine = ours(*size)
    its, _ = Tlc(Path(str(JAR))).search(size, INVARIANTS)
    assert (its.states, its.transitions) == (mine.states, mine.transitions)


@needs_tlc
def test_no_such_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What TLC says is shown when it fails."""
    wrong = tmp_path / "Context.tla"
    wrong.write_text("---- MODULE Context ----\nnonsense\n====\n")
    monkeypatch.setattr("bench.tlc.MODEL", wrong)
    with pytest.raises(SystemExit, match=r"(?s)java failed:.*nonsense"):
        Tlc(Path(str(JAR))).search((1, 1, 1))


def test_counts() -> None:
    """The last line counts, not one of progress; the first state is no transition."""
    assert counts(COMPLETE) == (1114, 9870)
    assert version(COMPLETE) == "TLC2 Version 2.15 of Day Month 20?? (rev: d5b5a7f)"


@pytest.mark.parametrize(
    "told",
    [
        STOPPED,
        COMPLETE.replace("Model checking completed. No error has been found.\n", ""),
        COMPLETE.replace(", 0 states left", ", 1 states left"),
        "",
    ],
)
def test_incomplete(told: str) -> None:
    """A search that stopped early is no result."""
    with pytest.raises(SystemExit, match="TLC's search is not complete"):
        counts(told)


def test_config() -> None:
    """The bounds are constants; properties are judged only if they are named."""
    assert config((3, 1, 2)) == (
        "CONSTANT P = 3\nCONSTANT N = 1\nCONSTANT R = 2\nSPECIFICATION Spec\n"
    )
    assert config((1, 1, 1), ("TypeOK",)).endswith("\nINVARIANT TypeOK\n")


def test_counts_differ(capsys: pytest.CaptureFixture[str]) -> None:
    """No time is shown where counts differ."""
    found = ours(1, 1, 1)

    def peer(_size: Size, one: Took) -> Took:
        return Took(one.states, one.transitions + 1, 1.0)

    def equal(one: Took, other: Took) -> bool:
        return one.transitions == other.transitions

    assert compare("TLC", peer, [(1, 1, 1)], 1, equal) == 1
    _, *lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "(1, 1, 1): the counts differ, no times are shown",
        f"  ours {found.states} states, {found.transitions} transitions",
        f"  TLC {found.states} states, {found.transitions + 1} transitions",
    ]


def test_without_jar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a jar it is skipped, with a word."""
    monkeypatch.delenv(VARIABLE, raising=False)
    assert main() == 0
    shown = capsys.readouterr().out
    assert shown == "skipped: no jar of TLC named; use --jar PATH or PFNTRACK_TLC=PATH\n"


def test_without_java(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Java as well."""
    jar = tmp_path / "tla2tools.jar"
    jar.touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--jar", str(jar)]) == 0
    assert capsys.readouterr().out == (
        "skipped: java not found; apt-get install default-jre-headless\n"
    )


@pytest.mark.parametrize("by_option", [True, False])
def test_no_such_jar(
    by_option: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A jar that is not there is an error of one line, wherever it was named."""
    jar = tmp_path / "none.jar"
    monkeypatch.setenv(VARIABLE, "" if by_option else str(jar))
    assert main(["--jar", str(jar)] if by_option else []) == 2
    assert capsys.readouterr() == ("", f"{jar}: there is no such jar of TLC\n")
