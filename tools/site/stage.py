"""All pages as Markdown: those written by hand, and those made from the program."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from pfntrack.designs import DESIGNS
from tools.site import commands, designs
from tools.site.pictures import with_pictures

ROOT = Path(__file__).parents[2]
# Documents of the repository that are pages as well.
TOP = {
    "DESIGN.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
}


def stage(target: Path) -> None:
    """Write all pages as Markdown below `target`, which is made anew."""
    shutil.rmtree(target, ignore_errors=True)
    source = ROOT / "docs"
    documents = {
        str(path.relative_to(source)): path.read_text(encoding="utf-8")
        for path in sorted(source.rglob("*.md"))
    }
    pages = dict(documents)
    pages["designs.md"] = designs.without_sections(pages["designs.md"]) + designs.contents()
    pages["index.md"] = _complete(pages["index.md"], documents)
    pages["commands.md"] = commands.page()
    for design in DESIGNS.values():
        pages[f"designs/{design.name}.md"] = designs.page(design, documents)
    for name, page in TOP.items():
        pages[page] = _moved((ROOT / name).read_text(encoding="utf-8"))
    for drawing in (*source.rglob("*.svg"), *source.rglob("*.png")):
        place = target / drawing.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(drawing, place)
    pictures = target / "_extra" / "pictures"
    for name, text in pages.items():
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        up = "../" * name.count("/")
        file.write_text(with_pictures(_plain(text), pictures, up), encoding="utf-8")


def _complete(index: str, documents: Mapping[str, str]) -> str:
    """The index with pages that its reference does not name yet."""
    named = {"index", *index.split()}
    new = [name.removesuffix(".md") for name in documents if "/" not in name]
    return index.replace("\nlab\n", "\n".join(["", "lab", *(n for n in new if n not in named), ""]))


def _plain(text: str) -> str:
    """Without what only tests and commands read; output is not coloured as if it were code.

    A design's name links to its own page, which exists on the site only.
    """
    text = re.sub(r"(?m)^<!-- (?!picture: ).*-->\n", "", text)
    text = re.sub(r"(\[`([\w.-]+)`\]\([./]*)designs\.md\)", _page_of_design, text)
    return text.replace("```console\n", "```text\n")


def _page_of_design(link: re.Match[str]) -> str:
    return f"{link[1]}designs/{link[2]}.md)" if link[2] in DESIGNS else link[0]


def _moved(text: str) -> str:
    """Links of a document at the top of the repository, as seen from docs/."""
    text = text.replace("](docs/", "](")
    for name, page in TOP.items():
        text = text.replace(f"]({name})", f"]({page})")
    # Other files of the repository are no part of the site.
    return re.sub(r"\[([^\]]+)\]\((?!https?:|#)(?!\w[\w/-]*\.md\))[^)]+\)", r"\1", text)
