"""Strings from outside stay text: markup and script in every field of every kind of document."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from audit.build import SNAPSHOTS
from browser.browser import Browser
from pfntrack.cli import main
from pfntrack.report.html import page, read
from pfntrack.report.schemas import schema

pytestmark = pytest.mark.browser

MARKUP = "</script><script>window.owned=1</script><img src=x onerror=window.owned=1>"
PAYLOADS = (
    MARKUP,
    "'\"><svg onload=window.owned=1><a href=javascript:window.owned=1>{{7*7}}<!--<script>",
    "\u202eevil\u2066\u2028\x00\x1b[31m \u05e9\u05dc\u05d5\u05dd </title></style></noscript>",
    "W" * 5000,
    "long words and javascript:window.owned=1 " * 100,
)
COMMANDS = {
    "run": "run fork-allocation-fails --release 5.10 --json",
    "comparison": "compare truncate-middle --with 6.1,7.3 --json",
    "check": "check --preset quick --bounds 1,2,2,1,2 --ops map,munmap --property I4,I9 "
    "--no-output --quiet --json",
    "audit": f"audit --snapshot {SNAPSHOTS / '6.1-split-alive'} --json",
    "conformance": "compare map-and-unmap --with 6.12,7.3 --json",
}
CONFORMANCE = {
    "schema": "pfntrack.conformance/1",
    "limits": ["races"],
    "kernels": {
        "6.12": {
            "modelled_as": "6.12",
            "scenarios": 2,
            "scenarios_agree": 0,
            "steps": 9,
            "steps_agree": 7,
            "disagreements": [
                {
                    "scenario": "a",
                    "path": "a.json",
                    "step": 1,
                    "op": "op",
                    "fields": [{"field": "memtype", "model": "m", "recorded": "r"}],
                }
            ],
            "not_comparable": [
                {"scenario": "b", "path": "b.json", "step": 2, "op": "op", "reason": "why"}
            ],
            "skipped": {"c": "because"},
            "lost": {"d": "panic"},
            "explained_by": {"a": ["7.3"]},
        }
    },
}
Setter = Callable[[str], None]


def leaves(part: Any) -> Iterator[tuple[Any, Any]]:
    """Every string of a document as (container, key)."""
    items = part.items() if isinstance(part, dict) else enumerate(part)
    for key, value in items:
        if isinstance(value, str):
            yield part, key
        elif isinstance(value, dict | list):
            yield from leaves(value)


def poisoned(kind: str, document: Any) -> tuple[Any, int]:
    """The document with payloads wherever its schema allows a free string, and how many."""
    payloads = itertools.cycle(PAYLOADS)
    original = json.loads(json.dumps(document))
    count = 0
    for holder, key in list(leaves(document)):
        holder[key] = f"{next(payloads)}{count}"
        count += 1
    validator = Draft202012Validator(schema(kind))
    for error in list(validator.iter_errors(document)):
        path = list(error.absolute_path)
        here, was = document, original
        for part in path[:-1]:
            here, was = here[part], was[part]
        here[path[-1]] = was[path[-1]]
    assert validator.is_valid(document)
    for holder in (
        [document] if isinstance(document, dict) else [r for c in document for r in c["runs"]]
    ):
        for name in ("properties", "coverage", "kernels"):
            if name in holder and kind != "check":
                holder[name] = {f"{MARKUP}{key}": value for key, value in holder[name].items()}
            elif name in holder:
                holder[name] = {f"{key}{MARKUP}": value for key, value in holder[name].items()}
    return document, count


@pytest.mark.parametrize("kind", COMMANDS)
def test_strings_stay_text(
    kind: str, browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No payload becomes an element, runs, logs, asks the network, or widens the page."""
    main(COMMANDS[kind].split())
    document: Any = json.loads(capsys.readouterr().out)
    if kind == "conformance":
        runs = document[0]["runs"]
        document = json.loads(json.dumps(CONFORMANCE))
        compared = {"scenario": "a", "first_difference": 2, "runs": runs}
        document["kernels"]["6.12"]["comparisons"] = [compared]
    document, count = poisoned(kind, document)
    assert count >= 9
    path = tmp_path / "page.html"
    path.write_text(page(read(json.dumps(document), MARKUP)), encoding="utf-8")
    for width, scripts in ((1200, True), (360, True), (1200, False)):
        browser.size(width)
        browser.scripts(on=scripts)
        try:
            browser.open(path, "step=2")
            complaints, asked = browser.complaints(), browser.requests()
        finally:
            browser.scripts(on=True)
        assert complaints == []
        assert asked == [path.as_uri()]
        assert len(browser.all("script")) == 2
        assert not browser.all("img, iframe, object, embed, [onerror], [onload]")
        links = browser.run(
            "[...document.body.querySelectorAll('[href]')].map((e) => e.getAttribute('href'))"
        )
        assert all(link.startswith("#") for link in links)
        assert MARKUP in browser.text("body")
        assert browser.run("document.documentElement.scrollWidth") <= width
        if scripts:
            assert not browser.run("Boolean(window.owned)")
            browser.press("home", "right", "end")
            assert browser.complaints() == []
            assert not browser.run("Boolean(window.owned)")
