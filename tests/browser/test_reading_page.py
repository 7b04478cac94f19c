"""A case by keyboard alone: taken from the list, its report written, a key image chosen, kept as a draft, and given
back.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.test_keyboard import Stop, axe, judged, page, sign_in, tab_to  # noqa: F401 - fixtures
from tests.support.serve import Served, wait_until


def is_free(one: Stop) -> bool:
    """Whether it chooses an image that is not chosen yet."""
    offered = (one.get_attribute("name") or "").startswith("pick-")
    return offered and "chosen" not in one.find_element(By.XPATH, "..").text


@pytest.mark.spec("WCAG 2.2 2.1.1")
def test_a_case_by_keyboard(
    served: Served,
    page: webdriver.Chrome,  # noqa: F811 - the fixture
    axe: str,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    """The demo's CT waits to be read; what was written is there when the case is taken again."""
    page.get(f"{served.url}/account/login")
    sign_in(served, page, "clinician")

    def waiting() -> bool:
        page.get(f"{served.url}/account/reading")
        return "CT of the head" in page.page_source

    wait_until(waiting, "the case that the worker makes")
    judged(page, axe, tmp_path, "list")
    tab_to(page, lambda one: one.text.startswith("Take")).send_keys(Keys.ENTER)
    wait_until(lambda: "Give this case back" in page.page_source, "the case")
    field = tab_to(page, lambda one: one.get_attribute("name") == "findings")
    field.clear()
    field.send_keys("No haemorrhage.")
    judged(page, axe, tmp_path, "case")
    tab_to(page, lambda one: one.text == "Choose key images").send_keys(Keys.ENTER)
    wait_until(lambda: "Images of the study" in page.page_source, "the pictures")
    picked = tab_to(page, is_free)
    uid = picked.get_attribute("value")
    picked.send_keys(Keys.SPACE)
    tab_to(page, lambda one: one.text == "Add what is checked").send_keys(Keys.ENTER)
    wait_until(lambda: "The key images are saved." in page.page_source, "the chosen image")
    judged(page, axe, tmp_path, "key images")
    tab_to(page, lambda one: one.text == "CT of the head").send_keys(Keys.ENTER)
    wait_until(lambda: "Sign the report" in page.page_source, "the case")
    assert f"instance={uid}" in page.page_source
    tab_to(page, lambda one: one.text == "Save the draft").send_keys(Keys.ENTER)
    wait_until(lambda: "The draft is saved." in page.page_source, "the saved draft")
    assert "No haemorrhage." in page.page_source
    tab_to(page, lambda one: one.text == "Give this case back").send_keys(Keys.ENTER)
    wait_until(lambda: page.current_url.endswith("/account/reading"), "the list")
