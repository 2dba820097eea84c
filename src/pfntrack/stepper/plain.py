"""Stepping line by line: commands are read from one text stream, and answers written to another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TextIO

from pfntrack.stepper import commands, view
from pfntrack.stepper.session import Session, SessionError


def step_through(
    session: Session,
    lines: Iterable[str],
    out: TextIO,
    *,
    prompt: str = "",
    moved: Callable[[Session], None] = lambda _session: None,
) -> None:
    """Do what the lines say until they end or say quit; `moved` hears of each new session."""
    moved(session)
    _say(out, [*view.note(session), ("", view.title(session)), *view.program(session)])
    out.write(prompt)
    out.flush()
    for line in lines:
        try:
            word, rest = commands.read(line)
            if word == "quit":
                return
            if word == "write":
                _say(out, [("", commands.written(session, rest))])
            else:
                changed = commands.moved(session, word, rest)
                _say(out, _shown(word, changed))
                session = changed
                moved(session)
        except SessionError as error:
            out.write(f"? {error}\n")
        out.write(prompt)
        out.flush()


def _shown(word: str, session: Session) -> list[view.Line]:
    match word:
        case "program":
            return [("", view.title(session)), *view.program(session)]
        case "state":
            return list(view.state(session))
        case "properties":
            steps = session.run.steps
            why = view.reasons(steps[-1]) if steps else []
            lamps = ", ".join(text for _, text in view.lamps(session))
            return [("", lamps), *(("", f"  {line}") for line in why)]
        case "offers":
            return [("", commands.offer_line(offer)) for offer in commands.offered(session)]
        case "help":
            return [("", line) for line in commands.HELP.splitlines()]
        case "release":
            note = list(view.note(session))
            return [*note, ("", view.title(session)), *view.happened(session)]
        case _:
            return [("", view.title(session)), *view.happened(session)]


def _say(out: TextIO, lines: Iterable[view.Line]) -> None:
    for _, text in lines:
        out.write(f"{text}\n")
