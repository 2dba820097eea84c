"""The words that move a session; the same for lines from a pipe and for the screen."""

from __future__ import annotations

from pfntrack.stepper.session import Session, SessionError

HELP = """\
next, n or an empty line   do the next step
back, b                    take the last step back
go N, g N                  be where N steps are done
release R, r R             the same under release or design R (6.12, ours, ...)
try OPERATION, t OP        do an operation here: try A unmaps [0,1)
undo, u                    without the last operation that was tried
program, p                 all steps
state, s                   reservations, mappings, entries, contexts
properties, l              which properties are broken, and why
help, h                    this
quit, q                    leave
"""

SHOWS = {"program": "program", "state": "state", "properties": "properties", "help": "help"}
_SHORT = {
    "": "next",
    "n": "next",
    "b": "back",
    "g": "go",
    "r": "release",
    "d": "release",
    "design": "release",
    "t": "try",
    "u": "undo",
    "p": "program",
    "s": "state",
    "l": "properties",
    "h": "help",
    "?": "help",
    "q": "quit",
}


def read(line: str) -> tuple[str, str]:
    """A command in full and what comes behind it.

    Raises SessionError: there is no such command.
    """
    word, _, rest = line.strip().partition(" ")
    word = _SHORT.get(word, word)
    if word not in _SHORT.values():
        raise SessionError(f"{word!r} is no command: help lists them")
    return word, rest.strip()


def moved(session: Session, word: str, rest: str) -> Session:
    """The session after a command that moves it.

    Raises SessionError: it cannot be done here.
    """
    match word:
        case "next":
            return session.forward()
        case "back":
            return session.back()
        case "go":
            if not rest.isdecimal():
                raise SessionError("go where? expected a number of steps, such as: go 3")
            return session.to(int(rest))
        case "release":
            if not rest:
                raise SessionError("expected a release or design, such as: release 7.3")
            return session.under(rest)
        case "try":
            if not rest:
                raise SessionError("expected an operation, such as: try A unmaps [0,1)")
            return session.attempt(rest)
        case "undo":
            return session.undo()
        case _:
            return session
