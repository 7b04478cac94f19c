"""Downloading one's record, by keyboard alone: made by the worker that runs beside, and found in the list."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.test_keyboard import axe, judged, page, sign_in, tab_to  # noqa: F401 - fixtures
from tests.support.serve import Served, wait_until

REPORT = "a[href^='/account/report?patient=']"


@pytest.mark.spec("WCAG 2.2 2.1.1")
def test_a_record_is_downloaded_by_keyboard(
    served: Served,
    page: webdriver.Chrome,  # noqa: F811 - the fixture
    axe: str,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    """A patient finds the page, makes a report, sees it in the list, and where it is sent from."""
    page.get(f"{served.url}/account/login")
    sign_in(served, page, "patient")
    page.get(str(page.find_element(By.CSS_SELECTOR, REPORT).get_attribute("href")))
    judged(page, axe, tmp_path, "report")
    tab_to(page, lambda one: one.text == "Make the report").send_keys(Keys.ENTER)
    wait_until(lambda: "The report is made." in page.page_source, "the report")
    tab_to(page, lambda one: one.tag_name == "summary").send_keys(Keys.ENTER)
    judged(page, axe, tmp_path, "made")
    page.get(f"{served.url}/account/document?link=none")
    judged(page, axe, tmp_path, "link")
