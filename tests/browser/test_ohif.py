"""The OHIF viewer, installed by `healix viewer install`, shows the demo CT in Chromium."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from selenium import webdriver

from tests.support.serve import Served, healix, wait_until
from tests.support.tools import require_tool

STUDY = "2.25.301839441279017.1"
VIEWPORT = (400, 200, 1000, 800)
"""Where the image is shown: left, top, right, bottom."""
GREY_LEVELS = 40


@pytest.fixture(scope="module")
def viewer(served: Served) -> Served:
    """The running server with the viewer installed."""
    require_tool("npm")
    done = healix(served.data_dir, "viewer", "install")
    if "npm could not get" in done.stderr:
        pytest.skip(f"the npm package @ohif/app cannot be had here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] > 100
    return served


def test_viewer_shows_the_ct(viewer: Served, browser: webdriver.Chrome, tmp_path: Path) -> None:
    """OHIF opened for a study with a token gets it over DICOMweb and draws its slices."""
    browser.get(f"{viewer.url}/ohif/viewer?StudyInstanceUIDs={STUDY}&token={viewer.demo_token}")
    try:
        wait_until(lambda: grey_levels(browser) >= GREY_LEVELS, "a picture in the viewport", seconds=90)
    finally:
        (tmp_path / "ohif.png").write_bytes(browser.get_screenshot_as_png())
    assert [entry for entry in console(browser) if entry["level"] == "SEVERE"] == []


def test_viewer_needs_a_token(viewer: Served, browser: webdriver.Chrome) -> None:
    """OHIF without a token shows nothing of a study."""
    browser.get(f"{viewer.url}/ohif/viewer?StudyInstanceUIDs={STUDY}")
    wait_until(lambda: any("401" in entry["message"] for entry in console(browser)), "a refusal", seconds=60)
    assert grey_levels(browser) < GREY_LEVELS


def test_nothing_from_elsewhere(viewer: Served, browser: webdriver.Chrome) -> None:
    """The viewer's page asks no other origin for anything."""
    browser.get(f"{viewer.url}/ohif/")
    wait_until(lambda: browser.execute_script("return document.querySelectorAll('#root *').length > 5"), "the page")
    urls = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert urls
    assert [url for url in urls if not url.startswith((viewer.url, "blob:", "data:"))] == []


def grey_levels(browser: webdriver.Chrome) -> int:
    """How many different greys, of at least 20 pixels each, the viewport shows."""
    picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB").crop(VIEWPORT)
    colours = picture.getcolors(picture.width * picture.height) or []
    return sum(1 for count, colour in colours if count >= 20 and isinstance(colour, tuple) and len(set(colour)) == 1)


def console(browser: webdriver.Chrome) -> list[dict[str, str]]:
    """What the page has logged since this was last asked."""
    entries: list[dict[str, str]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return entries
