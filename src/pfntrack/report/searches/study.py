"""The decision table as text, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pfntrack.check.asked.programs import PROGRAMS, SERVED
from pfntrack.check.asked.study import Field, Row
from pfntrack.check.asked.work import OPERATIONS, Count, System
from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.report.searches.check import bounds_json

# Operations whose work is a column: page-table reads + tree operations.
BYTES_AND_WORK = ("zap", "split", "fork", "munmap", "partial munmap")
_SHORT = {
    "narrowing": "narrowing",
    "remap after zap": "remap",
    "other type after zap": "other type",
    "refault after zap": "refault",
    "first fault": "first fault",
    "part of a mapping": "part",
    "freed part with another type": "freed part",
    "MAP_FIXED over the same pages": "over same",
    "MAP_FIXED over the middle": "over middle",
    "fork of a written copy": "fork of copy",
    "fork after zap": "fork of zapped",
}


def text(rows: Sequence[Row], fields: Sequence[Field], watched: frozenset[str]) -> str:
    """Design by design: properties, programs, bytes, work."""
    lines: list[str] = []
    for row in rows:
        lines += [*_text(row, watched), ""]
    lines += [*_legend(fields)]
    return "\n".join(lines) + "\n"


def _text(row: Row, watched: frozenset[str]) -> Iterator[str]:
    yield f"{row.design}: {row.model.summary}"
    yield f"  idea        {row.model.cost.idea}"
    if row.model.cost.forbids:
        yield f"  forbids     {', '.join(row.model.cost.forbids)}"
    yield f"  drivers     {row.model.cost.drivers}"
    for name in PROPERTIES:
        if name in row.broken:
            found = row.broken[name]
            steps = f"{found.steps} {'step' if found.steps == 1 else 'steps'}"
            less = "" if found.exact else ", perhaps one less"
            yield f"  {name:<11} BROKEN after {steps}{less} ({found.field})"
    kept = [name for name in PROPERTIES if name in watched - row.broken.keys()]
    if kept:
        where = "within the bounds"
        if row.incomplete:
            where = f"within the bounds but for {', '.join(row.incomplete)}"
        yield f"  holds       {', '.join(kept)}: {where}"
    for name, why in row.incomplete.items():
        yield f"  incomplete  {name}: {why}"
    for name, outcome in row.programs.items():
        if outcome != SERVED:
            yield f"  {name}: {outcome}"
    yield f"  bytes       {row.bytes:,}"
    work = ", ".join(f"{name} {_cell(count)}" for name, count in row.work.items())
    yield f"  work        {work}"


def _cell(count: Count) -> str:
    return f"{count.reads}+{count.tree}"


def _legend(fields: Sequence[Field]) -> Iterator[str]:
    yield "Searched to the end, unless said otherwise:"
    for field in fields:
        yield f"  {field.name}: {', '.join(field.groups)}; {field.bounds}"
    yield f"Bytes on a machine with {System()}."
    yield "Work is page-table reads + searches and changes of shared structures, for four pages."


def markdown(rows: Sequence[Row], fields: Sequence[Field], watched: frozenset[str]) -> str:
    """Three tables: properties; legal programs; bytes and work."""
    names = [name for name in PROPERTIES if name in watched]
    lines = [*_caption(rows, fields), ""]
    lines += _table(["design", *names], [[f"`{r.design}`", *_verdicts(r, names)] for r in rows])
    lines.append("")
    heads = [_SHORT[program.name] for program in PROGRAMS]
    programs = [program_cells(row.design, row.programs) for row in rows]
    lines += [*_table(["design", *heads], programs), "", "The programs, each legal:", ""]
    lines += [f"- {_SHORT[program.name]}: {program.about}" for program in PROGRAMS]
    lines.append("")
    costs = [cost_cells(row.design, row.bytes, row.work) for row in rows]
    lines += _table(["design", "bytes", *BYTES_AND_WORK], costs)
    lines += [
        "",
        f"Bytes on a machine with {System()}.",
        "Work is page-table reads + searches and changes of shared structures, counted while",
        "the model performs the operation on a mapping of four pages.",
    ]
    return "\n".join(lines) + "\n"


def _caption(rows: Sequence[Row], fields: Sequence[Field]) -> Iterator[str]:
    """What the first table says, within which bounds, and whether they were reached."""
    yield "A number is the length of the shortest program that breaks the property; a dot"
    yield "says that it holds for all programs of the searches below, and for no more. Each"
    yield "design is searched with the same bounds, up to its last state or until every"
    yield "property has broken:"
    yield ""
    yield from (f"- {each.name}: {', '.join(each.groups)}; {each.bounds}" for each in fields)
    yield ""
    cut = [f"`{row.design}` ({', '.join(row.incomplete)})" for row in rows if row.incomplete]
    end = f"A limit ended some: {', '.join(cut)}." if cut else "No search was cut short."
    yield f"{sum(row.states for row in rows):,} states were seen. {end}"


def program_cells(design: str, programs: Mapping[str, str]) -> list[str]:
    """A line of the table of legal programs."""
    return [f"`{design}`", *(_outcome(programs[program.name]) for program in PROGRAMS)]


def cost_cells(design: str, size: int, work: Mapping[str, Count]) -> list[str]:
    """A line of the table of bytes and work."""
    return [f"`{design}`", f"{size:,}", *(_cell(work[name]) for name in BYTES_AND_WORK)]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _verdicts(row: Row, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if name in row.broken:
            found = row.broken[name]
            yield f"{found.steps}" if found.exact else f"<= {found.steps}"
        else:
            yield "?" if row.incomplete else "."


def _outcome(outcome: str) -> str:
    return "." if outcome == SERVED else outcome.removeprefix("refused: ")


def as_json(
    rows: Sequence[Row],
    fields: Sequence[Field],
    watched: frozenset[str],
    files: Mapping[tuple[str, str], str],
) -> dict[str, Any]:
    """`pfntrack.study/1`; `files` are those of programs, by design and property."""
    return {
        "schema": "pfntrack.study/1",
        "searches": [
            {
                "name": each.name,
                "bounds": bounds_json(each.bounds),
                "operations": list(each.groups),
            }
            for each in fields
        ],
        "programs": {program.name: program.about for program in PROGRAMS},
        "operations": list(OPERATIONS),
        "system": str(System()),
        "designs": [_row_json(row, watched, files) for row in rows],
    }


def _row_json(
    row: Row, watched: frozenset[str], files: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    properties = {}
    for name in PROPERTIES:
        if name not in watched:
            continue
        found = row.broken.get(name)
        properties[name] = {
            "broken_after": None if found is None else found.steps,
            "exact": found is None or found.exact,
            "search": None if found is None else found.field,
            "scenario": None if found is None else found.program,
            "file": files.get((row.design, name)),
        }
    cost = row.model.cost
    return {
        "design": row.design,
        "summary": row.model.summary,
        "idea": cost.idea,
        "forbids": list(cost.forbids),
        "drivers": cost.drivers,
        "properties": properties,
        "complete": not row.incomplete,
        "incomplete": row.incomplete,
        "states": row.states,
        "programs": row.programs,
        "bytes": row.bytes,
        "work": {
            name: {"page_table_reads": count.reads, "tree_operations": count.tree}
            for name, count in row.work.items()
        },
        "seconds": round(row.seconds, 3),
    }
