"""A real headless browser for the tests that look at pages."""

from __future__ import annotations

import base64
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = [
    "A4_WIDTH",
    "chromium",
    "console_errors",
    "cut_cells",
    "cut_texts",
    "on_paper",
    "pages_printed",
    "resized",
    "unfolds",
    "wider_than",
]

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


# Inches of an A4 sheet, and CSS pixels of what the page's @page margins leave of its width and
# height: 210 mm less 2 × 13, 297 mm less 2 × 14.
A4 = {"paperWidth": 8.27, "paperHeight": 11.69}
A4_WIDTH, A4_HEIGHT = 695, 1_016

# Elements that are seen and reach over the right edge, themselves and not only what scrolls in
# a box of theirs that ends before it.
_TOO_WIDE = """
const limit = arguments[0] + 1, found = [];
const scrolls = (e) => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
for (const e of document.body.querySelectorAll('*')) {
  const box = e.getBoundingClientRect();
  // Parts of a drawing end at its frame; cut_texts looks at their words.
  if (e.ownerSVGElement || !box.width || !box.height || box.right <= limit) continue;
  const holds = (around) => scrolls(around) && around.getBoundingClientRect().right <= limit;
  let around = e.parentElement;
  while (around && !holds(around)) around = around.parentElement;
  if (!around) found.push(`${e.tagName} ${Math.round(box.right)} ${e.textContent.slice(0, 40)}`);
}
return found;
"""
# Cells whose words do not fit into them, or that nobody can scroll to.
_CUT_CELLS = """
const limit = arguments[0] + 1, found = [];
for (const cell of document.querySelectorAll('th, td')) {
  const box = cell.getBoundingClientRect();
  if (!box.width) continue;
  const inline = getComputedStyle(cell).display === 'inline';
  const cut = !inline && cell.scrollWidth > cell.clientWidth + 1;
  const around = cell.closest('.wide');
  const scrolled = around && around.scrollWidth > around.clientWidth
    && getComputedStyle(around).overflowX === 'auto'
    && around.getBoundingClientRect().right <= limit;
  const reached = box.right <= limit || scrolled;
  if (cut || !reached) found.push(cell.textContent.trim().slice(0, 40));
}
return found;
"""
# Words of drawings that reach out of their drawing, or are drawn smaller than arguments[0] pixels.
_CUT_TEXTS = """
const found = [];
for (const svg of document.querySelectorAll('figure svg')) {
  const frame = svg.getBoundingClientRect();
  if (!frame.width) continue;
  for (const text of svg.querySelectorAll('text')) {
    const box = text.getBoundingClientRect();
    if (!box.width) continue;
    const scale = frame.width / svg.viewBox.baseVal.width;
    const small = parseFloat(getComputedStyle(text).fontSize) * scale < arguments[0];
    if (box.left < frame.left - 2 || box.right > frame.right + 2 || small)
      found.push(svg.id + ': ' + text.textContent);
  }
}
return found;
"""


def wider_than(browser: Any, width: int) -> Sequence[str]:
    """The elements of the page that reach over its width."""
    found: Sequence[str] = browser.execute_script(_TOO_WIDE, width)
    return found


def cut_cells(browser: Any, width: int) -> Sequence[str]:
    """The cells of tables that cannot be read whole, by themselves or by scrolling their box."""
    found: Sequence[str] = browser.execute_script(_CUT_CELLS, width)
    return found


def cut_texts(browser: Any, least: float) -> Sequence[str]:
    """The words of drawings that are cut, or have fewer pixels than can be read."""
    found: Sequence[str] = browser.execute_script(_CUT_TEXTS, least)
    return found


@contextmanager
def on_paper(browser: Any) -> Iterator[float]:
    """The page laid out as it is printed on A4; how many sheets its height would fill."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    resized(browser, A4_WIDTH)
    try:
        height = browser.execute_script("return document.documentElement.scrollHeight")
        yield height / A4_HEIGHT
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def pages_printed(browser: Any, pdf: Path) -> int:
    """Print the page on A4 into a file; the number of its sheets."""
    options = {**A4, "preferCSSPageSize": True, "printBackground": False}
    printed = browser.execute_cdp_cmd("Page.printToPDF", options)
    pdf.write_bytes(base64.b64decode(printed["data"]))
    return len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))


def unfolds(browser: Any) -> bool:
    """Whether what is folded away is open while the page prints, and folded again after."""
    script = """
    const open = () => [...document.querySelectorAll('details')].map((each) => each.open);
    const before = open();
    dispatchEvent(new Event('beforeprint'));
    const during = open();
    dispatchEvent(new Event('afterprint'));
    return [before, during, open()];
    """
    before, during, after = browser.execute_script(script)
    return bool(before) and not any(before) and all(during) and after == before
