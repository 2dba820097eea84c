"""One browser for all tests of this folder, and pages made by the commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from browser.browser import MISSING, Browser, start, stop
from pfntrack.cli import main

Make = Callable[[str], Path]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A running browser."""
    if MISSING:
        pytest.skip(MISSING)
    driver = start()
    try:
        yield Browser(driver)
    finally:
        driver.quit()
        stop(driver.service)


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    """The browser with a screen of ordinary width."""
    chromium.size(1200)
    return chromium


@pytest.fixture
def make(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Make:
    """A page by the command line that makes it, without its output option."""

    def made(line: str) -> Path:
        path = tmp_path / "page.html"
        option = "-o" if line.startswith("report ") else "--html"
        assert main([*line.split(), option, str(path)]) in (0, 1)
        capsys.readouterr()
        return path

    return made
