"""The full screen: by keys without a terminal, and once in a real one."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import signal
import struct
import sys
import time
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest

from pfntrack.releases import release_for
from pfntrack.scenario import find
from pfntrack.stepper import start

prompt_toolkit = pytest.importorskip("prompt_toolkit", reason="the extra tui is not installed")

from prompt_toolkit.input import create_pipe_input  # noqa: E402
from prompt_toolkit.output import DummyOutput  # noqa: E402

from pfntrack.stepper.screen import Screen  # noqa: E402

RIGHT, LEFT = "\x1b[C", "\x1b[D"


def pressed(keys: str) -> Screen:
    """The screen after these keys and `q`."""
    session = start(find("split-head-first"), release_for("6.12"))
    with create_pipe_input() as source:
        source.send_text(f"{keys}q")
        screen = Screen(session, source=source, output=DummyOutput())
        # A key that is lost must not hang the tests.
        asyncio.run(asyncio.wait_for(screen.application.run_async(), timeout=20))
        return screen


def test_keys_move() -> None:
    """Letters and arrows; Home and End."""
    assert pressed(f"nn{RIGHT}b{LEFT}").session.done == 1
    assert pressed("\x1b[F").session.done == 4


def test_line_is_asked_for() -> None:
    """An operation, a release and a number; undo takes the operation back."""
    tried = pressed("nntA forks B\r")
    assert (tried.session.done, tried.session.tried) == (3, (2,))
    assert pressed("nntA forks B\ru").session.tried == ()
    assert pressed("r7.3\r").session.release.name == "7.3"
    assert pressed("g3\r").session.done == 3


def test_offers_and_files(tmp_path: Path) -> None:
    """`o` lists what could be done; `w` writes the program, and says so at the bottom."""
    screen = pressed("nno")
    assert any("A unmaps [0,1)" in text for _, text in screen._program())
    path = tmp_path / "mine.pfn"
    written = pressed(f"nntA forks B\rw{path}\r")
    assert "A forks B" in path.read_text()
    assert written.message == f"wrote {path}"


def test_mistake_is_shown_at_the_bottom() -> None:
    """The session stays where it is."""
    wrong = pressed("tnonsense\r")
    assert wrong.session.done == 0
    assert "nonsense" in wrong.message


def test_in_a_real_terminal() -> None:
    """The command takes the screen, shows what it does, and gives the screen back."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        os.execv(
            sys.executable,
            [sys.executable, "-m", "pfntrack", "step", "split-head-first", "--release", "6.12"],
        )
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    try:
        assert "0 of 4 steps done" in _until(terminal, "next")
        os.write(terminal, b"nnn")
        assert "freeing invalid memtype" in _until(terminal, "BROKEN I4")
        os.write(terminal, b"q")
        _until(terminal, "\x1b[?1049l")
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0


def _until(terminal: int, text: str) -> str:
    """What the terminal shows up to and with `text`."""
    shown, end = b"", time.monotonic() + 30
    while text.encode() not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 1 << 16)
            except OSError:
                break
    assert text.encode() in shown, shown[-2000:]
    return shown.decode(errors="replace")
