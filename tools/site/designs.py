"""A page for each design: what its file says of itself, its rows, its section, its scenarios.

Rows come from every table in the documentation whose first column is called
`design`, so that a new table needs nothing here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence

import attrs

from pfntrack.designs import DESIGNS, Design
from pfntrack.releases import HISTORIC, RELEASES
from pfntrack.scenario import find, library
from tools.site.commands import plain

_SECTION = re.compile(r"(?ms)^### `(?P<name>[^`]+)`\n(?P<text>.*?)(?=^#{1,3} |\Z)")


@attrs.frozen
class Row:
    """A design's row of a table: the page that has it, and the cells by column."""

    page: str
    cells: Mapping[str, str]


def without_sections(text: str) -> str:
    """docs/designs.md with links in the place of each design's section and in its tables."""
    text = re.sub(
        r"(?m)^\| `([\w.-]+)` \|",
        lambda row: f"| [`{row[1]}`](designs/{row[1]}.md) |" if row[1] in DESIGNS else row[0],
        text,
    )
    return _SECTION.sub(lambda found: f"- [`{found['name']}`](designs/{found['name']}.md)\n", text)


def contents() -> str:
    """What ties the pages into the navigation."""
    names = "\n".join(f"designs/{name}" for name in DESIGNS)
    return f"\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"


def page(design: Design, documents: Mapping[str, str]) -> str:
    """The page of one design; `documents` are the pages written by hand, by name."""
    return "\n".join(_parts(design, documents))


def _parts(design: Design, documents: Mapping[str, str]) -> Iterator[str]:
    yield f"# {design.name}\n"
    yield f"*{plain(design.summary[:1].upper() + design.summary[1:])}.*\n"
    sections = {
        found["name"]: found["text"] for found in _SECTION.finditer(documents["designs.md"])
    }
    # Its own headings move up with it; links start one folder further down.
    section = re.sub(r"(?m)^##(#+ )", r"\1", sections.get(design.name, "")).strip()
    yield re.sub(r"\]\((?!https?:|#)", "](../", section) + "\n"
    yield "## At a glance\n"
    yield from _facts(design)
    yield "\n## Its rows in the tables\n"
    for row in rows(design.name, documents):
        title = documents[row.page].partition("\n")[0].removeprefix("# ")
        yield f"\nFrom [{title}](../{row.page}), where the columns are explained:\n"
        yield "| column | value |\n|---|---|"
        yield from (f"| {column} | {cell or '0'} |" for column, cell in row.cells.items())
    yield "\n## What its file says\n"
    module = sys.modules[type(design).__module__]
    for text in (module.__doc__, type(design).__doc__):
        yield plain("\n".join(line.strip() for line in (text or "").strip().splitlines())) + "\n"
    yield "## Scenarios that speak of it\n"
    yield from _scenarios(design)


def _facts(design: Design) -> Iterator[str]:
    kernels = [
        f"{release.name} ({release.kernels})"
        for release in (*RELEASES.values(), *HISTORIC.values())
        if release.design.name == design.name
    ]
    known = {
        "idea": design.cost.idea,
        "modelled releases": "; ".join(kernels),
        "rest of the kernel": "" if kernels else f"that of {design.base}",
        "forbids": "; ".join(design.cost.forbids),
        "what drivers must change": design.cost.drivers,
        "functions that can be made to fail": ", ".join(
            f"`{name}()`" for name in sorted(design.symbols)
        ),
        "source": f"`{type(design).__module__.replace('.', '/')}.py`",
    }
    yield "| | |\n|---|---|"
    for fact, value in known.items():
        if value:
            yield f"| {fact} | {value if '`' in value else plain(value)} |"


def rows(name: str, documents: Mapping[str, str]) -> Iterator[Row]:
    """The design's rows in all tables of designs."""
    for document, text in documents.items():
        columns: Sequence[str] = ()
        for line in text.splitlines():
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            if not line.startswith("|"):
                columns = ()
            elif cells[0] == "design":
                columns = cells
            elif columns and cells[0].strip("`") == name:
                yield Row(document, dict(zip(columns[1:], cells[1:], strict=False)))


def _scenarios(design: Design) -> Iterator[str]:
    named = [name for name, file in library().items() if _speaks(file.read_text(), design.name)]
    if not named:
        yield "None names it; any runs on it, for example:\n"
    for name in named:
        yield f"- `{name}`: {plain(find(name).about)}"
    example = named[0] if named else "truncate-middle"
    yield f"\n```console\n$ pfntrack run {example} --design {design.name}\n```\n"


def _speaks(text: str, name: str) -> bool:
    """Does an `on` list of the scenario name the design?"""
    lists = re.findall(r"(?m)^\s*(?:expect|finally) on ([^:]+):", text)
    return any(name in re.split(r",\s*", each.strip()) for each in lists)
