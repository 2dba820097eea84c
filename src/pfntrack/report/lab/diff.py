"""What a change changes, as text, as a mail's summary, and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from pfntrack.lab.differ.campaign import Outcome
from pfntrack.lab.differ.explain import Explained
from pfntrack.lab.differ.sides import Side

SCHEMA = "pfntrack.labdiff/1"
COLUMNS = 75


def text(outcome: Outcome, found: Sequence[Explained]) -> str:
    """The kinds of difference, each with a program, what explains it and what it means."""
    lines = [f"A: {_named(outcome.one)}", f"B: {_named(outcome.other)}", ""]
    for number, each in enumerate(found, 1):
        lines += [f"{number}. {each.group.kind}", *(f"   {line}" for line in _about(each)), ""]
        lines += [f"   {line}" if line else "" for line in each.text.splitlines()]
        lines.append("")
    return "\n".join([*lines, summary(outcome, found)]) + "\n"


def _named(side: Side) -> str:
    if side.kernel is None:
        return f"{side.name}, the model"
    return f"{side.name}, modelled as {side.release.name}"


def _about(each: Explained) -> Iterator[str]:
    group = each.group
    yield f"seen in {_count(len(group.scenarios), 'scenario')} and {group.random} random programs"
    if group.scenarios:
        yield f"  such as {', '.join(sorted(group.scenarios)[:4])}"
    yield f"A: {group.found.before}"
    yield f"B: {group.found.after}"
    if len(group.found.fields) > 1:
        yield f"also differing: {', '.join(group.found.fields[1:])}"
    for name, designs, own in zip("AB", each.designs, each.own, strict=True):
        if not designs:
            yield f"{name} does what no design does"
        else:
            others = list(designs[own:])
            also = f" (so do {', '.join(others)})" if own and others else ""
            head = designs[0] if own else f"{', '.join(designs)}, not its own"
            yield f"{name} does what this design does: {head}{also}"
    if each.breaks:
        yield f"B breaks {', '.join(each.breaks)} in this program, A does not"
    if each.mends:
        yield f"B mends {', '.join(each.mends)} in this program, which A breaks"
    if not each.breaks and not each.mends and all(each.designs):
        yield "no property tells the two apart here"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def summary(outcome: Outcome, found: Sequence[Explained]) -> str:
    """One sentence: what was played, and at what the two differ."""
    scenarios = _count(outcome.scenarios, "scenario")
    programs = _count(outcome.programs, "random program")
    played = f"{scenarios} and {programs}, {outcome.steps} steps on both"
    if not found:
        return f"{played}: no difference"
    where = dict.fromkeys(each.group.kind.at for each in found)
    return f"{played}; they differ at: {', '.join(where)}"


def mail(outcome: Outcome, found: Sequence[Explained]) -> str:
    """The summary that a reviewer can send: at most 75 columns."""
    lines = _wrap(
        f"I played {summary(outcome, found)}, on A ({outcome.one.name}) and "
        f"B ({outcome.other.name}), and compared results, entries, mappings, reservations "
        "and the log after every step."
    )
    if outcome.skipped:
        lines += _wrap(f"{_count(len(outcome.skipped), 'scenario')} could not be played.")
    for number, each in enumerate(found, 1):
        group = each.group
        lines += ["", *_wrap(f"{number}) {group.kind}", "   ")]
        lines += _wrap(f"A: {group.found.before}", "      ", "   ")
        lines += _wrap(f"B: {group.found.after}", "      ", "   ")
        if each.breaks:
            lines += _wrap(f"B breaks {', '.join(each.breaks)} here.", "   ", "   ")
        if each.mends:
            lines += _wrap(f"B mends {', '.join(each.mends)} here.", "   ", "   ")
        lines.append("   The program:")
        steps = [s for s in each.text.splitlines() if s and not s.startswith(("scenario", "about"))]
        for step in steps:
            lines += _wrap(step.strip(), "       ", "     ")
    return "\n".join(lines) + "\n"


def _wrap(words: str, rest: str = "", first: str = "") -> list[str]:
    return textwrap.wrap(
        words, COLUMNS, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )


def as_json(outcome: Outcome, found: Sequence[Explained]) -> dict[str, Any]:
    """The JSON form."""
    return {
        "schema": SCHEMA,
        "sides": [
            {
                "name": side.name,
                "kernel": side.kernel.release or side.kernel.series if side.kernel else None,
                "release": side.release.name,
                "design": side.release.design.name,
            }
            for side in (outcome.one, outcome.other)
        ],
        "scenarios": outcome.scenarios,
        "programs": outcome.programs,
        "steps": outcome.steps,
        "skipped": dict(sorted(outcome.skipped.items())),
        "kinds": [
            {
                "at": each.group.kind.at,
                "field": each.group.kind.field,
                "change": each.group.kind.change,
                "shown": [each.group.found.before, each.group.found.after],
                "fields": list(each.group.found.fields),
                "scenarios": sorted(each.group.scenarios),
                "random_programs": each.group.random,
                "designs": [list(names) for names in each.designs],
                "breaks": list(each.breaks),
                "mends": list(each.mends),
                "program": each.text,
            }
            for each in found
        ],
    }
