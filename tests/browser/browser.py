"""A headless Chromium for tests: open a page, press keys, see what it logs and asks for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import attrs
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
MISSING = (
    ""
    if CHROMIUM and DRIVER
    else "no Chromium: install the Debian packages chromium and chromium-driver"
)
KEYS = {
    "left": Keys.ARROW_LEFT,
    "right": Keys.ARROW_RIGHT,
    "home": Keys.HOME,
    "end": Keys.END,
    "enter": Keys.ENTER,
    "tab": Keys.TAB,
}


def start() -> webdriver.Chrome:
    """A browser that logs its console and its network."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    # Tests may run as root in a container, where Chromium's sandbox and /dev/shm do not work.
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for left in (2, 1, 0):
        service = webdriver.ChromeService(DRIVER or "")
        try:
            return webdriver.Chrome(options=options, service=service)
        except WebDriverException:
            # A busy machine starts it too late; what was started must not stay.
            stop(service)
            if not left:
                raise
    raise AssertionError


def stop(service: Any) -> None:
    """The driver's process is gone and collected."""
    service.stop()
    process: Any = getattr(service, "process", None)
    if process is not None:
        process.kill()
        process.wait()


@attrs.define
class Browser:
    """What a test does with a page."""

    driver: webdriver.Chrome

    def _log(self, kind: str) -> list[dict[str, Any]]:
        untyped: Any = self.driver
        return list(untyped.get_log(kind))

    def open(self, path: Path, fragment: str = "") -> None:
        """Open a file anew, as from a mail attachment."""
        self.driver.get("about:blank")
        for kind in ("browser", "performance"):
            self._log(kind)
        self.driver.get(path.as_uri() + (f"#{fragment}" if fragment else ""))

    def size(self, width: int, height: int = 900, scheme: str = "light") -> None:
        """Emulate a screen and a colour scheme."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def scripts(self, *, on: bool) -> None:
        """Switch JavaScript on or off for pages that are opened from now on."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not on})

    def press(self, *names: str) -> None:
        """Press keys where the focus is."""
        for name in names:
            focused = self.driver.switch_to.active_element
            focused.send_keys(KEYS.get(name, name))

    def all(self, selector: str) -> list[WebElement]:
        """All elements of a selector."""
        return list(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def one(self, selector: str) -> WebElement:
        """The first element of a selector."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """Its text, shown or not."""
        return str(self.one(selector).get_attribute("textContent"))

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        return self.driver.execute_script(f"return {script}")

    def complaints(self) -> list[str]:
        """What the console says, refusals of the content security policy included."""
        return [entry["message"] for entry in self._log("browser")]

    def requests(self) -> list[str]:
        """Addresses that were asked for since the page was opened."""
        events = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
