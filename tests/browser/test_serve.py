"""The explorer of `pfntrack serve`, played by mouse and by keyboard in a real browser."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser.browser import Browser
from pfntrack.serve.server import listen

pytestmark = pytest.mark.browser

MARKUP = "</script><script>window.owned=1</script><img src=x onerror=window.owned=1>"


@pytest.fixture
def address() -> Iterator[str]:
    """A running server."""
    server, where = listen(0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield where
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def until(met: Callable[[], object], what: str) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 60

    def now() -> object:
        try:
            return met()
        except StaleElementReferenceException:
            return False  # the page was put together anew meanwhile

    while not now():
        assert time.monotonic() < end, f"waited for: {what}"
        time.sleep(0.05)


def opened(browser: Browser, address: str, fragment: str = "") -> None:
    browser.driver.get("about:blank")
    browser.complaints()
    browser.requests()
    browser.driver.get(address + fragment)
    until(lambda: browser.run("document.body.dataset.ready"), "the page")


def text(browser: Browser) -> str:
    return str(browser.run("document.getElementById('text').value"))


def write(browser: Browser, value: str) -> None:
    """Replace the editor's text as a paste does."""
    browser.driver.execute_script(
        "const e = document.getElementById('text'); e.value = arguments[0];"
        "e.dispatchEvent(new Event('input', { bubbles: true }));",
        value,
    )


def offered(browser: Browser, operation: str) -> str:
    """The mark of an operation that is offered; empty if it is not there."""
    for button in browser.all("#offers button"):
        if button.find_element(By.TAG_NAME, "code").text == operation:
            return button.text
    return ""


def picture(browser: Browser) -> str:
    """What stands in the frame."""
    browser.driver.switch_to.frame("picture")
    try:
        return browser.text("body")
    finally:
        browser.driver.switch_to.default_content()


def asked_nothing_else(browser: Browser, address: str) -> None:
    """No request went to another place, and nothing was refused or logged."""
    local = (address, "blob:", "data:", "about:")
    assert [url for url in browser.requests() if not url.startswith(local)] == []
    assert browser.complaints() == []
    assert not browser.run("Boolean(window.owned)")


def test_a_session_by_mouse(browser: Browser, address: str) -> None:
    """A marked operation is chosen, breaks what it was said to break, and is taken back."""
    opened(browser, address)
    zap = "driver zaps fd0[0,1) of A"
    until(lambda: offered(browser, zap), "offers")
    assert "6.12: breaks I2" in offered(browser, zap)
    for button in browser.all("#offers button"):
        if button.find_element(By.TAG_NAME, "code").text == zap:
            button.click()
            break
    until(lambda: "breaks I2" in browser.text("#verdicts"), "the verdict")
    assert browser.text("#verdicts").replace("\n", "") == "6.12 breaks I2; 7.3 breaks nothing"
    assert text(browser).endswith(f"{zap}\n")
    until(lambda: "without a reservation" in picture(browser), "the picture")
    next(each for each in browser.all("#chips button") if each.text == "7.3").click()
    until(lambda: browser.text("#verdicts") == "6.12 breaks I2", "one side less")
    browser.one("#undo").click()
    until(lambda: browser.text("#verdicts") == "6.12 breaks nothing", "the undo")
    assert zap not in text(browser)
    asked_nothing_else(browser, address)


def test_a_session_by_keyboard(browser: Browser, address: str) -> None:
    """Typed, complained about at its place, mended, offered, taken back: without a mouse."""
    opened(browser, address)
    editor = browser.one("#text")
    editor.send_keys(Keys.CONTROL, Keys.END)
    editor.send_keys("A unmaps foo")
    until(lambda: "expected" in browser.text("#complaint"), "the complaint")
    assert browser.text("#complaint").startswith("line 5: found 'foo'")
    assert browser.text("#marks u") == "foo"
    assert editor.get_attribute("aria-invalid") == "true"
    assert browser.all("#offers button") == []
    editor.send_keys(*[Keys.BACKSPACE] * 3, "[0,1)")
    until(lambda: "6.12 breaks" in browser.text("#verdicts"), "the verdict")
    assert browser.text("#complaint") == ""
    until(lambda: browser.all("#offers button"), "offers")
    editor.send_keys(Keys.TAB)
    focused = browser.driver.switch_to.active_element
    first = focused.find_element(By.TAG_NAME, "code").text
    focused.send_keys(Keys.ENTER)
    until(lambda: text(browser).endswith(f"{first}\n"), "the offer")
    browser.driver.switch_to.active_element.send_keys(Keys.ALT, "z")
    until(lambda: text(browser).endswith("A unmaps [0,1)"), "the undo")
    asked_nothing_else(browser, address)


def test_a_permalink_holds_the_whole_program(browser: Browser, address: str) -> None:
    """The address, opened anew, shows the same program under the same designs."""
    program = "scenario far-away\n\nA opens driver on H with WC as fd0\nA maps fd0[0,2) at 0\n"
    program += "# ä comment with ünïcode 🙂\n"
    opened(browser, address)
    next(each for each in browser.all("#chips button") if each.text == "6.1").click()
    write(browser, program)
    until(lambda: "6.1 breaks" in browser.text("#verdicts"), "the program")
    until(lambda: "program=" in browser.driver.current_url, "the address")
    time.sleep(0.5)
    fragment = "#" + browser.driver.current_url.partition("#")[2]
    opened(browser, address, fragment)
    assert text(browser) == program
    until(lambda: browser.text("#verdicts").count("breaks") == 3, "the sides")
    asked_nothing_else(browser, address)


def test_hostile_text_stays_text(browser: Browser, address: str) -> None:
    """Markup in a program, in an address and in a log is shown and does nothing."""
    opened(browser, address)
    write(browser, f'scenario x\nabout "{MARKUP}"\n\nA opens driver on H as fd0\n')
    until(lambda: MARKUP in picture(browser), "the sentence in the picture")
    write(browser, f"scenario x\n\n{MARKUP}\n")
    until(lambda: browser.text("#complaint"), "a complaint")
    assert MARKUP in browser.text("#marks")
    browser.one("#tab-log").click()
    write(browser, f"x86/PAT: {MARKUP}:7 freeing invalid memtype [mem 0xc0000000-0xc0000fff]\n")
    until(lambda: "freeing invalid memtype" in picture(browser), "the triage")
    assert not browser.all("img, object, embed, [onerror], [onload]")
    assert len(browser.all("script")) == 1
    asked_nothing_else(browser, address)
    opened(browser, address, "#with=evil,6.12&program=%%%")
    assert "no whole program" in browser.text("#complaint") or text(browser)
    asked_nothing_else(browser, address)


def test_files_are_saved(browser: Browser, address: str, tmp_path: Path) -> None:
    """The program, its reproducer in C and the mail come as downloads of the browser."""
    browser.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    opened(browser, address)
    write(browser, text(browser) + "driver zaps fd0[0,1) of A\n")
    until(lambda: "breaks I2" in browser.text("#verdicts"), "the verdict")
    for button, file, part in (
        ("#save-pfn", "mine.pfn", "driver zaps"),
        ("#save-c", "mine.c", "int main("),
        ("#save-mail", "mine.txt", "Subject: [BUG]"),
    ):
        browser.one(button).click()
        until((tmp_path / file).exists, file)
        until(lambda f=file, p=part: p in (tmp_path / f).read_text(), part)  # type: ignore[misc]
    asked_nothing_else(browser, address)


@pytest.mark.parametrize("width", [390, 900, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_clipped(width: int, scheme: str, browser: Browser, address: str) -> None:
    """The page is as wide as the screen, on a telephone as well."""
    browser.size(width, scheme=scheme)
    opened(browser, address)
    until(lambda: browser.all("#offers button"), "offers")
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_without_the_token_there_is_nothing(address: str) -> None:
    """Neither another path, nor another host or origin, nor a form gets an answer."""
    place = urlsplit(address)
    question = json.dumps({"do": "options"})
    json_type = {"Content-Type": "application/json"}

    def status(path: str, headers: dict[str, str], host: str = place.netloc) -> int:
        connection = http.client.HTTPConnection(place.hostname or "", place.port)
        connection.request("POST", path, question, headers | {"Host": host})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    assert status(f"{place.path}api", json_type) == 200
    assert status("/guess/api", json_type) == 404
    assert status(f"{place.path}api", {"Content-Type": "text/plain"}) == 415
    assert status(f"{place.path}api", json_type, host="evil.example") == 421
    assert status(f"{place.path}api", json_type | {"Origin": "http://evil.example"}) == 403
