"""Scenario texts and files, and the library that comes with the package."""

from __future__ import annotations

import difflib
import importlib.resources
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path

import attrs
from lark import Token, Tree

from pfntrack.edges import files
from pfntrack.edges.text import brief
from pfntrack.errors import InputFormatError, ScenarioError
from pfntrack.mm import ops
from pfntrack.mm.bounds import MAX_PAGES
from pfntrack.mm.overlap import Overlap
from pfntrack.pat.physical import Window
from pfntrack.pat.ram import PAGE_SHIFT, PAGE_SIZE
from pfntrack.scenario import meaning
from pfntrack.scenario.build import Draft, build
from pfntrack.scenario.claims import claims
from pfntrack.scenario.expect import Expect, ExpectResult
from pfntrack.scenario.model import PAT_LAYOUTS, MachineSpec, Scenario, Step
from pfntrack.scenario.syntax import tree
from pfntrack.scenario.words import Complaint, Words, integer, place, text_of

SUFFIX = ".pfn"
# Programs are short; the parser takes a megabyte a second.
MAX_TEXT = 1 << 20
MAX_BITS = 52


def parse(text: str, file: str = "<text>") -> Scenario:
    """The scenario in `text`; `file` is named in errors.

    Raises ScenarioError, one line with file, line and column.
    """
    root = tree(text, file)
    try:
        return _scenario(root)
    except Complaint as complaint:
        line, column = complaint.place
        raise ScenarioError(f"{file}:{line}:{column}: {complaint}") from None


def load(path: Path | Traversable | str) -> Scenario:
    """The scenario in a file."""
    path = Path(path) if isinstance(path, str) else path
    try:
        if isinstance(path, Path):
            text = files.read_bytes(path, "a scenario", MAX_TEXT).decode()
        else:
            text = path.read_text(encoding="utf-8")
    except InputFormatError as error:
        raise ScenarioError(str(error)) from None
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{brief(str(path))}: not UTF-8 (byte {error.start})") from None
    return parse(text, brief(str(path)))


def library() -> Mapping[str, Traversable]:
    """All scenarios that come with the package: name to file, sorted."""
    folder = importlib.resources.files(__package__).joinpath("library")
    files = [entry for entry in folder.iterdir() if entry.name.endswith(SUFFIX)]
    return {file.name.removesuffix(SUFFIX): file for file in sorted(files, key=lambda f: f.name)}


def find(name_or_path: str) -> Scenario:
    """A scenario by its name in the library, or by the path of a file."""
    known = library()
    if name_or_path in known:
        return load(known[name_or_path])
    path = Path(name_or_path)
    if path.suffix == SUFFIX or len(path.parts) > 1 or files.exists(path):
        return load(path)
    close = difflib.get_close_matches(name_or_path, known, n=3)
    hint = f", did you mean {' or '.join(close)}?" if close else ""
    raise ScenarioError(
        f"no scenario {brief(name_or_path)!r} in the library and no such file{hint}"
    )


def _scenario(root: Tree[Token]) -> Scenario:
    words = Words(root)
    about, tags, block = words.part("about"), words.part("tags"), words.part("machine")
    machine = _machine(block) if block else MachineSpec()
    try:
        known = meaning.start(machine)
    except meaning.MeaninglessError as wrong:
        raise Complaint(str(wrong), place(block.node if block else root)) from None
    steps = []
    for part in words.parts():
        if part.data == "step":
            step, known = _step(known, part)
            steps.append(step)
    finals = [part for part in words.parts() if part.data == "final"]
    return Scenario(
        name=str(words.need("NAME")),
        about=text_of(about.need("STRING")) if about else "",
        tags=tuple(map(str, tags.node.children)) if tags else (),
        machine=machine,
        steps=tuple(steps),
        final=tuple(claim for part in finals for claim in _claims(known, part)),
    )


def _step(known: meaning.Known, node: Tree[Token]) -> tuple[Step, meaning.Known]:
    first, *rest = Words(node).parts()
    line = place(first)[0]
    op, known = _op(known, first)
    overlapped = Words(node).part("overlapped")
    schedule = Words(node).part("schedule")
    if overlapped:
        other, known = _op(known, overlapped.parts()[0])
        op = Overlap(op, other, _turns(schedule) if schedule else ())
    elif schedule:
        raise Complaint("a schedule is for two operations with || between", place(schedule.node))
    claimed = [part for part in rest if part.data == "expect"]
    expects = tuple(claim for part in claimed for claim in _claims(known, part))
    for claim in expects:
        sided = isinstance(claim, ExpectResult) and claim.side
        if not overlapped and (claim.mode or sided):
            word = claim.mode or claim.side  # type: ignore[attr-defined]
            raise Complaint(f"{word} is for two operations with || between", (claim.line, 1))
    return Step(op, line, expects), known


def _op(known: meaning.Known, node: Tree[Token]) -> tuple[ops.Op, meaning.Known]:
    """One operation, and what is known behind it."""
    draft = build(node)
    op = draft.op
    if isinstance(op, ops.Open):
        if draft.fd_missing:
            op = attrs.evolve(op, fd=known.free_fd(op.p))
        _bar_number(known.machine, draft)
    try:
        return op, meaning.step(known, op)
    except meaning.MeaninglessError as wrong:
        where = draft.places.get(wrong.field) or draft.places[""]
        raise Complaint(str(wrong), where) from None


def _turns(schedule: Words) -> tuple[tuple[int, int], ...]:
    """Who goes on for how many parts; 0 is until it returns."""
    turns = []
    for node in schedule.parts():
        side, number = Words(node).need("SIDE"), Words(node).token("NUMBER")
        if number and not integer(number):
            raise Complaint("a turn has at least one part", place(number))
        turns.append((("left", "right").index(side), integer(number) if number else 0))
    return tuple(turns)


def _claims(known: meaning.Known, node: Tree[Token]) -> list[Expect]:
    found = []
    for claim, part in claims(node):
        try:
            meaning.expectation(known, claim)
        except meaning.MeaninglessError as wrong:
            raise Complaint(str(wrong), place(part)) from None
        found.append(claim)
    return found


def _bar_number(machine: MachineSpec, draft: Draft) -> None:
    """`resource2 of H` must name the BAR that H is."""
    if draft.bar is None or not isinstance(draft.op, ops.Open):
        return
    window = machine.window(draft.op.window)
    if window and window.bdf and window.bar != draft.bar:
        message = f"{window.name} is BAR {window.bar}: say resource{window.bar}"
        raise Complaint(message, draft.places["wc"])


def _machine(block: Words) -> MachineSpec:
    spec = MachineSpec()
    for node in block.parts():
        words = Words(node)
        match str(node.data):
            case "pat_off":
                spec = attrs.evolve(spec, pat="off")
            case "pat_layout":
                name = words.need("NAME")
                if name not in PAT_LAYOUTS:
                    known = ", ".join(PAT_LAYOUTS)
                    raise Complaint(f"no PAT layout {str(name)!r}; there are {known}", place(name))
                spec = attrs.evolve(spec, pat=str(name))
            case "window":
                spec = attrs.evolve(spec, windows=(*spec.windows, _window(words)))
            case "physical_bits":
                spec = attrs.evolve(spec, phys_bits=_within(words, 32, 52))
            case "overcommit_limit":
                spec = attrs.evolve(spec, overcommit_pages=words.number())
            case _:
                spec = attrs.evolve(spec, mtrrs=False)
    return spec


def _within(words: Words, low: int, high: int) -> int:
    token = words.need("NUMBER")
    if not low <= integer(token) <= high:
        raise Complaint(f"{token} is not between {low} and {high}", place(token))
    return integer(token)


def _window(words: Words) -> Window:
    start, pages = words.need("NUMBER", 0), words.need("NUMBER", 1)
    if integer(start) % PAGE_SIZE:
        raise Complaint(f"{start} is not the start of a page", place(start))
    if integer(pages) > MAX_PAGES:
        raise Complaint(f"a window has at most {MAX_PAGES} pages", place(pages))
    if integer(start) + (integer(pages) << PAGE_SHIFT) > 1 << MAX_BITS:
        raise Complaint(f"physical addresses have {MAX_BITS} bits", place(start))
    if not integer(pages):
        raise Complaint("a window has at least one page", place(pages))
    name = words.need("WINDOW")
    if name.startswith("ram"):
        raise Complaint("names in ram... belong to allocated RAM", place(name))
    bar = words.part("bar")
    if bar is None:
        return Window(str(name), integer(start) >> PAGE_SHIFT, integer(pages), prefetchable=False)
    return Window(
        str(name),
        integer(start) >> PAGE_SHIFT,
        integer(pages),
        bdf=str(bar.need("BDF")),
        bar=bar.number(),
        prefetchable=bar.part("plain") is None,
    )
