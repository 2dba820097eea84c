"""How an operation is declared: its sentence, its name in recordings, who plays it.

`mm/ops.py` declares all operations; this module only keeps what they say. Readers are
`scenario/sentences.py` (text both ways), `traces/programs.py` (recordings both ways),
`lab/play/ops.py` (lines for a guest) and `repro/steps.py` (C).

A sentence is the line of a scenario, word by word, with

- ``{field}``: a field, said as its kind is said; ``{field:kind}`` says it as another kind;
- ``[at,pages)``: first page and number of pages, ``[off,pages|end)`` with ``end`` for 0,
  ``[off)`` for one page; a field that stands twice has one value;
- ``( words)``: said where a field in it differs from its default, ``(+ words)`` always said
  and not always read, ``( words)?field`` says by its presence that `field` is not the default;
- ``< a | b>``: such pieces in any order, as often as one likes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import attrs

from pfntrack.pat.cachemode import CacheMode

# The kinds of fields. The word names how it is said, written and played.
Process = Annotated[str, "process"]
Window = Annotated[str, "window"]
Ram = Annotated[str, "ram"]
Fd = Annotated[int, "fd"]
Fds = Annotated[tuple[int, int, int], "fds"]
Page = Annotated[int, "page"]
Pages = Annotated[int, "pages"]
Number = Annotated[int, "number"]
Errno = Annotated[int, "errno"]
Cache = Annotated[CacheMode, "cache"]
Prot = Annotated[str, "prot"]
Advice = Annotated[str, "advice"]
Name = Annotated[str, "name"]
Text = Annotated[str, "text"]
SysctlName = Annotated[str, "sysctl"]
Setting = Annotated[str, "setting"]
Switch = Annotated[bool, "switch"]
Flag = Annotated[bool, "flag"]


@attrs.frozen
class Call:
    """A system call or a request to the lab's module: its name and what it is given."""

    name: str
    arguments: tuple[str, ...]


@attrs.frozen
class Form:
    """One way to say an operation: where `fixed` fields have these values.

    `recorded` is its name in recordings (`kernel ioremap`: an operation of the kernel).
    Of `call` and `ask` one says who plays it: a system call, or a request to the module;
    neither, and the lab and the C generator know how.
    """

    sentence: str
    recorded: str
    call: Call | None = None
    ask: Call | None = None
    fixed: Mapping[str, object] = attrs.field(factory=dict)

    def fits(self, op: object) -> bool:
        """Has `op` the fixed fields?"""
        return all(getattr(op, name) == value for name, value in self.fixed.items())


_T = TypeVar("_T", bound=type)
_FORMS: dict[type, tuple[Form, ...]] = {}
_KINDS: dict[type, Mapping[str, str]] = {}


def form(
    sentence: str, recorded: str, *, call: str = "", ask: str = "", **fixed: object
) -> Callable[[_T], _T]:
    """Declare a way to say the decorated operation; the topmost that fits is the one printed."""

    def declare(kind: _T) -> _T:
        made = Form(sentence, recorded, _call(call), _call(ask), fixed)
        _FORMS[kind] = (made, *_FORMS.get(kind, ()))
        return kind

    return declare


def _call(text: str) -> Call | None:
    """`mprotect(at, pages, prot)` as a name and its arguments."""
    if not text:
        return None
    name, _, rest = text.removesuffix(")").partition("(")
    return Call(name, tuple(filter(None, re.split(r",\s*", rest))))


def declared() -> Mapping[type, tuple[Form, ...]]:
    """All operations with their forms, in the order of their declaration."""
    return _FORMS


def form_of(op: object) -> Form:
    """The first form whose fixed fields `op` has; those of one name differ in words alone."""
    for each in _FORMS[type(op)]:
        if each.fits(op):
            return each
    raise TypeError(f"no way to say {op!r}")


def kinds(kind: type) -> Mapping[str, str]:
    """The fields of an operation, each with the word for its kind."""
    if kind not in _KINDS:
        hints = get_type_hints(kind, include_extras=True)
        _KINDS[kind] = {field.name: _kind(hints[field.name]) for field in attrs.fields(kind)}
    return _KINDS[kind]


def _kind(hint: Any) -> str:
    annotated = next(
        (each for each in (hint, *get_args(hint)) if get_origin(each) is Annotated), None
    )
    if annotated is None:
        raise TypeError(f"{hint} is no kind of field")
    return str(get_args(annotated)[1])


def defaults(kind: type) -> Mapping[str, object]:
    """The fields of an operation that have a default."""
    fields = attrs.fields(kind)
    return {each.name: each.default for each in fields if each.default is not attrs.NOTHING}
