"""The kinds of fields: the symbol of the grammar that stands for one, read and said."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from typing import Any

import attrs
from lark import Token

from pfntrack.pat.cachemode import BY_SHORT
from pfntrack.scenario.words import Complaint, descriptor, integer, place, text_of


@attrs.frozen
class Kind:
    """How one kind of field stands in a text; `rule` defines the symbol if it is no word."""

    symbol: str
    read: Callable[[Any], Any] = str
    say: Callable[[Any], str] = str
    rule: str = ""


def _ram(token: Token) -> str:
    """The id of a RAM window: what follows `ram`."""
    if not token.startswith("ram"):
        raise Complaint(f"RAM is called ram0, ram1, ..., not {token}", place(token))
    return str(token[3:])


def _protection(node: Any) -> str:
    if node.data == "read_only":
        return "r"
    text = str(node.children[0])
    return "-" if text == "none" else text


def _say_protection(prot: str) -> str:
    return {"-": "none", "r": "read-only"}.get(prot, prot)


def _say_access(prot: str) -> str:
    return "read-only" if prot == "r" else f"prot {_say_protection(prot)}"


def _setting(token: Token) -> str:
    return text_of(token) if token.type == "STRING" else str(token)


def _say_setting(value: str) -> str:
    return value if value.isascii() and value.isdigit() else quoted(value)


def _error(token: Token) -> int:
    if token.type == "INTEGER":
        return int(token)
    code = getattr(errno, token, None)
    if not isinstance(code, int):
        raise Complaint(f"{token} is not the name of an error", place(token))
    return -code


def _say_error(value: int) -> str:
    return str(errno.errorcode.get(-value, value))


def _fds(node: Any) -> tuple[int, ...]:
    return tuple(map(descriptor, node.children))


def say_count(pages: int) -> str:
    """`1 page`, `2 pages`."""
    return f"{pages} page{'' if pages == 1 else 's'}"


def quoted(text: str) -> str:
    """The text between double quotes."""
    return json.dumps(text, ensure_ascii=False)


_NUMBER = Kind("NUMBER", integer)
_NAME = Kind("NAME")
KINDS = {
    "process": Kind("PROCESS"),
    "window": Kind("WINDOW"),
    "ram": Kind("WINDOW", _ram, "ram{}".format),
    "fd": Kind("FD", descriptor, "fd{}".format),
    "fds": Kind(
        "fds", _fds, lambda fds: ", ".join(f"fd{fd}" for fd in fds), 'fds: FD "," FD "," FD'
    ),
    "page": _NUMBER,
    "number": _NUMBER,
    "count": Kind("NUMBER _PAGES", integer, say_count),
    "errno": Kind("(RESULT | INTEGER)", _error, _say_error),
    "cache": Kind("CACHE", lambda token: BY_SHORT[token], lambda cache: str(cache.short)),
    "prot": Kind(
        "protection",
        _protection,
        _say_protection,
        'protection: PROT -> prot | "read-only" -> read_only',
    ),
    "access": Kind(
        "access", _protection, _say_access, 'access: "prot" PROT -> prot | "read-only" -> read_only'
    ),
    "advice": _NAME,
    "name": _NAME,
    "text": Kind("STRING", text_of, quoted),
    "switch": Kind("SWITCH", "on".__eq__, lambda on: "on" if on else "off"),
    "sysctl": Kind("SYSCTL"),
    "setting": Kind("(NUMBER | STRING)", _setting, _say_setting),
    # Which resource of the device it is follows from the window, so only `_wc` is read.
    "resource": Kind("RESOURCE", lambda token: token.endswith("_wc")),
}
