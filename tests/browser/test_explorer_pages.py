"""The explorer of the documentation site: Python itself runs in the browser, without a server."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from tools.site import browser as pages

from browser.browser import Browser
from browser.test_serve import MARKUP, offered, picture, text, until, write

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *_args: object) -> None:
        """Not in the output of tests."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page on a web server that knows nothing of it."""
    folder = tmp_path_factory.mktemp("site")
    try:
        pages.build(folder, ROOT / "build" / "npm")
    except pages.NoRuntimeError as error:
        pytest.skip(str(error))
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/explorer/"
    server.shutdown()
    server.server_close()
    thread.join()


def opened(browser: Browser, address: str, fragment: str = "") -> None:
    browser.driver.get("about:blank")
    browser.complaints()
    browser.requests()
    browser.driver.get(f"{address}index.html{fragment}")
    until(lambda: browser.run("document.body.dataset.ready"), "Python in the browser")


def test_a_session(browser: Browser, site: str) -> None:
    """By mouse: an offer, its picture, a link that holds it, its reproducer; all stays here."""
    opened(browser, site)
    zap = "driver zaps fd0[0,1) of A"
    until(lambda: offered(browser, zap), "offers")
    assert "6.12: breaks I2" in offered(browser, zap)
    for button in browser.all("#offers button"):
        if button.find_element(By.TAG_NAME, "code").text == zap:
            button.click()
            break
    until(lambda: "6.12 breaks I2" in browser.text("#verdicts"), "the verdict")
    until(lambda: "without a reservation" in picture(browser), "the picture")
    program = text(browser)
    fragment = "#" + browser.driver.current_url.partition("#")[2]
    opened(browser, site, fragment)
    assert text(browser) == program
    write(browser, f'scenario x\nabout "{MARKUP}"\n\nA opens driver on H as fd0\nA oops\n')
    until(lambda: "line 5" in browser.text("#complaint"), "the complaint")
    browser.one("#tab-log").click()
    write(browser, f"x86/PAT: {MARKUP}:7 freeing invalid memtype [mem 0xc0000000-0xc0000fff]\n")
    until(lambda: "freeing invalid memtype" in picture(browser), "the triage")
    assert not browser.run("Boolean(window.owned)")
    assert browser.complaints() == []
    local = (site, "blob:", "data:", "about:")
    assert [url for url in browser.requests() if not url.startswith(local)] == []
