"""A real headless browser for the tests that look at pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["chromium", "console_errors", "resized"]

MISSING = "no chromium with its chromedriver here (Debian: apt install chromium chromium-driver)"


@contextmanager
def chromium(profile: Path, *, theme: str = "light", width: int = 1_100) -> Iterator[Any]:
    """A headless Chromium; skips the test where there is none."""
    pytest.importorskip("selenium")
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip(MISSING)
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = browser
    words = ["--headless=new", "--disable-dev-shm-usage", f"--window-size={width},900"]
    words += ["--disable-background-networking", f"--user-data-dir={profile}"]
    if os.geteuid() == 0:
        words.append("--no-sandbox")
    for word in words:
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        scheme = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        started.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
        yield started
    finally:
        started.quit()


def console_errors(browser: Any) -> list[str]:
    """What the page complained about."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def resized(browser: Any, width: int) -> None:
    """Make the page as wide as a phone's, narrower than a window can be."""
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
