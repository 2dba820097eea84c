"""The documentation site: pages made from the program, and a site that needs no network."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tools.parsers import pages
from tools.site.designs import rows
from tools.site.stage import ROOT, stage

from browser.browser import MISSING, Browser, start
from pfntrack.cli import build_parser
from pfntrack.designs import DESIGNS

BUILD = """
import sys
from pathlib import Path
from tools.site.__main__ import build
sys.exit(build(*map(Path, sys.argv[1:])))
"""


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pages as Markdown."""
    target = tmp_path_factory.mktemp("stage") / "site"
    stage(target)
    return target


def test_every_command_is_on_the_page(staged: Path) -> None:
    """Each command and action has a heading, its usage and all its arguments."""
    text = (staged / "commands.md").read_text(encoding="utf-8")
    for page in pages(build_parser()):
        assert re.search(rf"(?m)^#+ {page.name}$", text)
        assert page.usage in text
        for group in page.groups:
            for argument in group.arguments:
                assert f"`{argument.written}`\n: " in text


@pytest.mark.parametrize("name", DESIGNS)
def test_every_design_has_a_page(staged: Path, name: str) -> None:
    """With its section, its row of the table and scenarios, and the index links to it."""
    text = (staged / "designs" / f"{name}.md").read_text(encoding="utf-8")
    documents = {"designs.md": (ROOT / "docs" / "designs.md").read_text(encoding="utf-8")}
    (row,) = list(rows(name, documents))[:1]
    assert len(row.cells) > 10
    assert all(f"| {column} | {cell or '0'} |" in text for column, cell in row.cells.items())
    section = documents["designs.md"].split(f"\n### `{name}`\n")[1].strip()
    assert section.splitlines()[0] in text
    assert f"--design {name}" in text
    assert f"designs/{name}.md)" in (staged / "designs.md").read_text(encoding="utf-8")


def test_pictures_are_drawn(staged: Path) -> None:
    """Each picture asked for is a page of its own, and nothing meant for tests is left."""
    wanted = 0
    for path in (ROOT / "docs").rglob("*.md"):
        text = (staged / path.relative_to(ROOT / "docs")).read_text(encoding="utf-8")
        assert "<!--" not in text
        wanted += path.read_text(encoding="utf-8").count("<!-- picture: ")
        for place in re.findall(r'<iframe src="(?:\.\./)*([^"]+)"', text):
            assert "</html>" in (staged / "_extra" / place).read_text(encoding="utf-8")
    assert len(list((staged / "_extra" / "pictures").iterdir())) == wanted > 3


class _Fetched(HTMLParser):
    """What a browser fetches for a page without being asked."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if tag != "a" and name in ("src", "href", "srcset", "data") and value:
                self.found.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, in whose making Sphinx had nothing to warn about."""
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    work = tmp_path_factory.mktemp("built")
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(work / "pages"), str(work / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return work / "site"


@pytest.mark.package
def test_links_lead_somewhere(site: Path) -> None:
    """What pages fetch is part of the site, and so is what they link to in it."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        parser = _Fetched()
        parser.feed(text)
        links = re.findall(r'<a [^>]*href="([^"#]+)', text)
        for place in (*parser.found, *(link for link in links if "://" not in link)):
            assert "//" not in place, f"{page.name} fetches {place}"
            local = re.split(r"[?#]", place)[0]
            if local and not local.startswith(("data:", "mailto:")):
                assert (page.parent / local).exists(), f"{page.name}: {place}"


@pytest.mark.package
def test_browser_is_content(site: Path) -> None:
    """From a disk: no complaint, no request that leaves, nothing wider than a phone."""
    if MISSING:
        pytest.skip(MISSING)
    driver = start()
    try:
        browser = Browser(driver)
        browser.size(400)
        for page in sorted(site.rglob("*.html")):
            if "pictures" in page.parts:
                continue
            browser.open(page)
            wide = browser.run("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{page.name} is {wide} pixels wider than the screen"
            asked = {address.partition(":")[0] for address in browser.requests()}
            assert asked <= {"file", "data"}
            assert browser.complaints() == []
    finally:
        driver.quit()
