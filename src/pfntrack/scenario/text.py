"""From scenarios back to text: the canonical form of the language.

`parse(format_scenario(s)) == s` holds for every scenario that makes sense.
"""

from __future__ import annotations

from collections.abc import Iterable

from pfntrack.mm import ops
from pfntrack.mm.overlap import Overlap
from pfntrack.pat.physical import Window
from pfntrack.scenario.expect import (
    Expect,
    ExpectEntries,
    ExpectLeaks,
    ExpectLog,
    ExpectMappings,
    ExpectProperty,
    ExpectReservations,
    ExpectResult,
    ExpectStruck,
    ExpectTracked,
    Said,
)
from pfntrack.scenario.kinds import quoted, say_count
from pfntrack.scenario.model import NO_LIMIT, MachineSpec, Scenario
from pfntrack.scenario.saying import say


def format_scenario(scenario: Scenario) -> str:
    """The scenario as a `.pfn` text."""
    head = [f"scenario {scenario.name}"]
    if scenario.about:
        head.append(f"about {quoted(scenario.about)}")
    if scenario.tags:
        head.append(" ".join(("tags", *scenario.tags)))
    settings = _settings(scenario.machine)
    if settings:
        head += ["", "machine", *(f"  {line}" for line in settings)]
    body = [""]
    for step in scenario.steps:
        body.append(format_op(step.op, scenario.machine))
        if isinstance(step.op, Overlap) and step.op.schedule:
            body.append(f"  schedule {format_schedule(step.op.schedule)}")
        body += [f"  expect{_claim(expect)}" for expect in step.expects]
    if scenario.final:
        body += ["", *(f"finally{_claim(expect)}" for expect in scenario.final)]
    return "\n".join((*head, *body, ""))


def _settings(machine: MachineSpec) -> list[str]:
    lines = []
    if machine.pat == "off":
        lines.append("pat off")
    elif machine.pat != "full":
        lines.append(f"pat layout {machine.pat}")
    if not machine.mtrrs:
        lines.append("no mtrr")
    if machine.phys_bits != MachineSpec().phys_bits:
        lines.append(f"physical bits {machine.phys_bits}")
    if machine.overcommit_pages != NO_LIMIT:
        lines.append(f"overcommit limit {say_count(machine.overcommit_pages)}")
    return lines + [_window(window) for window in machine.windows]


def _window(window: Window) -> str:
    text = f"window {window.name} at {window.start:#x} for {say_count(window.pages)}"
    if window.bdf:
        text += f" as BAR {window.bar} of {window.bdf}"
        if not window.prefetchable:
            text += ", not prefetchable"
    return text


def format_op(op: ops.Op, machine: MachineSpec | None = None) -> str:
    """One operation as a line of the language."""
    if isinstance(op, Overlap):
        return f"{format_op(op.left, machine)} || {format_op(op.right, machine)}"
    return say(op, machine or MachineSpec())


def format_schedule(schedule: Iterable[tuple[int, int]]) -> str:
    """Who goes on for how many parts: `left 4, right`."""
    sides = ("left", "right")
    return ", ".join(f"{sides[who]} {parts}" if parts else sides[who] for who, parts in schedule)


def _claim(expect: Expect) -> str:
    """What follows `expect` or `finally`."""
    on = f" on {', '.join(expect.on)}" if expect.on else ""
    mode = f" {expect.mode}" if expect.mode else ""
    return f"{mode}{on}: {format_claim(expect)}"


def format_claim(expect: Expect) -> str:
    """A claim without the releases it is made for."""
    match expect:
        case ExpectResult(word=word, side=side):
            return f"{side} {word}" if side else word
        case ExpectStruck(times=times):
            return f"struck {times}"
        case ExpectReservations(held=held):
            return f"reservations {_listed(held)}"
        case ExpectLeaks(held=held):
            return f"leaks {_listed(held)}"
        case ExpectLog(said=said):
            return f"log {', '.join(map(format_said, said)) or 'none'}"
        case ExpectTracked(p=p, at=at, pages=pages, tracked=tracked):
            return f"{'tracked' if tracked else 'untracked'} {p}{_range(at, pages)}"
        case ExpectMappings(p=p, areas=areas):
            ranges = ", ".join(_range(at, end - at) for at, end in areas)
            return f"mappings of {p} {ranges or 'none'}"
        case ExpectEntries(p=p, runs=runs):
            return f"entries of {p} {_listed(runs)}"
        case ExpectProperty(names=names, broken=broken):
            return f"{'breaks' if broken else 'keeps'} {', '.join(names)}"
        case _:
            raise TypeError(f"no way to say {type(expect).__name__}")


def format_said(said: Said) -> str:
    """A log line in neutral form."""
    types = [cache.short for cache in said.types]
    match said.kind:
        case "freeing_invalid":
            return f"freeing invalid {said.pages}"
        case "conflicting_types":
            return f"conflicting types {said.pages} {types[0]}<->{types[1]}"
        case "expected_type":
            return f"expected {types[0]} for {said.pages} got {types[1]}"
        case "ram_type":
            return f"RAM wanted {types[0]} got {types[1]}"
        case "ioremap_error":
            return f"ioremap error {said.pages} wanted {types[0]} got {types[1]}"
        case "warn":
            return f"WARN {said.text}"
        case "bug":
            return f"BUG {said.text}"
        case _:
            return f"line {quoted(said.text)}"


def _listed(values: tuple[object, ...]) -> str:
    return ", ".join(map(str, values)) or "none"


def _range(first: int, pages: int) -> str:
    return f"[{first},{first + pages})"
