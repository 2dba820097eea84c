"""Names that C has taken, and texts that act on who reads them: programs compile all the same."""

from __future__ import annotations

import shutil

import pytest

from pfntrack.repro import plan, source
from pfntrack.repro.mail import mail
from pfntrack.repro.trial import compile_program
from pfntrack.scenario import parse

NAMES = ("NULL", "EOF", "PROT_READ", "BUFSIZ", "MAP_SHARED", "TEST", "ARENA", "NONE", "PAGE", "A")


def text(name: str, at: int = 0x200000000, about: str = "") -> str:
    """A program that cuts a mapping of a window of that name, and forks."""
    return (
        f'scenario s\nabout "{about}"\nmachine\n  window {name} at {at:#x} for 8 pages\n'
        f"A opens driver on {name} with WC as fd0\nA maps fd0[0,4) at 0\nA unmaps [1,2)\n"
        f"kernel ioremaps {name}[5,6) with UC- as errno\n"
        f"A forks B\nB forks H\n"
    )


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_windows_may_have_any_name(name: str) -> None:
    """Macros, functions and our own names; a process and a window of one name as well."""
    repro = plan(parse(text(name), "s"))
    assert compile_program(source(repro, "s"), "s")


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_a_window_where_the_standard_one_lies() -> None:
    """Two names for one place."""
    assert compile_program(source(plan(parse(text("Q", 0xFC000000), "s")), "s"), "s")


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_what_acts_is_shown() -> None:
    """Escapes, ends of comments and directions of text from `about` reach neither C nor mail."""
    about = r"\u001b]0;x\u0007 \u202e */ int main; /* ??/ \r \\"
    repro = plan(parse(text("Q", about=about), "s"))
    made = source(repro, "s")
    for written in (made, mail(repro, "s.c")):
        assert not set(written) & set("\x1b\x07\r\u202e")
    assert compile_program(made, "s")
