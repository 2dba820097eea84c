"""The words that move a session; the same for lines from a pipe and for the screen."""

from __future__ import annotations

from pathlib import Path

from pfntrack import __version__
from pfntrack.designs import DESIGNS
from pfntrack.edges import files
from pfntrack.edges.near import meant
from pfntrack.errors import PfntrackError
from pfntrack.releases import HISTORIC, RELEASES
from pfntrack.scenario import format_scenario
from pfntrack.stepper.offers import Offer, offers
from pfntrack.stepper.session import Session, SessionError

HELP = """\
next, n or an empty line   do the next step
back, b                    take the last step back
go N, g N                  be where N steps are done
release R, r R             the same under release or design R (6.12, ours, ...)
try OPERATION, t OP        do an operation here: try A unmaps [0,1)
offers, o                  operations that make sense here, and what they would break
undo, u                    without the last operation that was tried
program, p                 all steps
state, s                   reservations, mappings, entries, contexts
properties, l              which properties are broken, and why
write FILE, w FILE         the program, with what was tried, into a file
help, h                    this
quit, q                    leave
"""

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
    "o": "offers",
    "w": "write",
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
        near = meant(word, set(_SHORT.values()))
        raise SessionError(f"{word!r} is no command{near}: help lists them")
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


def written(session: Session, name: str) -> str:
    """Write the program, with what was tried; what to tell about it.

    Raises SessionError: no name, or it cannot be written.
    """
    if not name:
        raise SessionError("write where? expected a file, such as: write mine.pfn")
    text = f"# made by pfntrack {__version__}\n{format_scenario(session.scenario)}"
    try:
        files.write_text(Path(name), text)
    except PfntrackError as error:
        raise SessionError(str(error)) from None
    return f"wrote {name}"


def offered(session: Session) -> list[Offer]:
    """What could be done here, each performed under the session's release."""
    return offers(session.scenario, [session.release], session.done)


def offer_line(offer: Offer) -> str:
    """An operation, and what it does that somebody should know."""
    effect = offer.effects[0]
    told = f"breaks {', '.join(effect.breaks)}" if effect.breaks else ""
    if not effect.result.startswith("ok"):
        told = f"{effect.result}{', ' if told else ''}{told}"
    return f"{offer.text:<48} {told}".rstrip()


def completions(session: Session, line: str) -> list[str]:
    """The words or operations that `line` could go on with, as whole lines."""
    word, space, rest = line.partition(" ")
    if not space:
        return sorted(f"{each} " for each in set(_SHORT.values()) if each.startswith(word))
    full = _SHORT.get(word, word)
    if full == "try":
        texts = [offer.text for offer in offered(session)]
    elif full == "release":
        texts = [*RELEASES, *HISTORIC, *DESIGNS]
    else:
        texts = []
    return [f"{word} {text}" for text in texts if text.startswith(rest)]
