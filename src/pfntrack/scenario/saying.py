"""An operation as a line of the language, along the parts of its sentence."""

from __future__ import annotations

from pfntrack.mm import ops
from pfntrack.mm.vocabulary import defaults
from pfntrack.scenario.kinds import KINDS
from pfntrack.scenario.model import MachineSpec
from pfntrack.scenario.sentences import (
    Maybe,
    Options,
    Part,
    Range,
    Sentence,
    Slot,
    Word,
    sentences_of,
)


def say(op: ops.Op, machine: MachineSpec) -> str:
    """`op` in the first sentence that fits; the number of a resource is the machine's."""
    for sentence in sentences_of(type(op)):
        if _fits(sentence, op):
            return "".join(_part(part, op, machine) for part in sentence.parts)
    raise TypeError(f"no way to say {op!r}")


def _fits(sentence: Sentence, op: ops.Op) -> bool:
    """Has the operation the sentence's fixed fields, and a value for each that is always said?"""
    return sentence.form.fits(op) and all(
        getattr(op, name) is not None
        for part in sentence.parts
        if isinstance(part, Slot | Range)
        for name in _fields(part)
    )


def _part(part: Part, op: ops.Op, machine: MachineSpec) -> str:
    match part:
        case Word(before, text):
            return before + text
        case Slot(before, field, "resource"):
            window = machine.window(str(getattr(op, "window", "")))
            return f"{before}resource{window.bar if window else ''}{'_wc' * getattr(op, field)}"
        case Slot(before, field, kind):
            return before + KINDS[kind].say(getattr(op, field))
        case Range(before, first, count, open_end):
            return before + _range(op, first, count, open_end=open_end)
        case Maybe():
            said = _is_said(part, op)
            return "".join(_part(each, op, machine) for each in part.parts) if said else ""
        case Options(choices):
            return "".join(_part(choice, op, machine) for choice in choices)


def _is_said(part: Maybe, op: ops.Op) -> bool:
    usual = defaults(type(op))
    names = [part.flag] if part.flag else [n for each in part.parts for n in _fields(each)]
    return part.always or any(getattr(op, name) != usual.get(name) for name in names)


def _fields(part: Part) -> tuple[str, ...]:
    match part:
        case Slot(field=field):
            return (field,)
        case Range(first=first, count=count):
            return (first, count) if count else (first,)
        case _:
            return ()


def _range(op: ops.Op, first: str, count: str, *, open_end: bool) -> str:
    start = getattr(op, first)
    pages = getattr(op, count) if count else 1
    return f"[{start},end)" if open_end and not pages else f"[{start},{start + pages})"
