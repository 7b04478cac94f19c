"""Alerts by keyboard alone: a rule from the form, the alert that a reading raises, and what people make of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.test_keyboard import Stop, axe, judged, page, sign_in, tab_to  # noqa: F401 - fixtures
from tests.support.alerts import reading
from tests.support.serve import Served, wait_until

RULES = "a[href^='/account/alerts/rules']"


@pytest.mark.spec("FHIR R4 detectedissue.html")
def test_a_rule_an_alert_and_its_end_by_keyboard(
    served: Served,
    page: webdriver.Chrome,  # noqa: F811 - the fixture
    axe: str,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    """A clinician sets a limit, sees the alert within a second or so, acknowledges it and resolves it."""
    page.get(f"{served.url}/account/login")
    sign_in(served, page, "clinician")
    page.get(str(page.find_element(By.CSS_SELECTOR, RULES).get_attribute("href")))
    patient = page.current_url.rpartition("=")[2]
    tab_to(page, lambda one: one.get_attribute("name") == "measure").send_keys("Heart")
    tab_to(page, lambda one: one.get_attribute("name") == "limit").send_keys("120")
    tab_to(page, lambda one: one.get_attribute("name") == "plain").send_keys("Your heart beats fast.", Keys.ENTER)
    wait_until(lambda: "Heart rate above 120" in page.page_source, "the rule in the list")

    def in_force() -> bool:
        page.refresh()
        return "in force" in page.page_source

    wait_until(in_force, "the rule in force")
    judged(page, axe, tmp_path, "rules")
    now = datetime.now(UTC).replace(microsecond=0)
    with served.client(served.token("system/Observation.cu")) as client:
        client.put("/fhir/Observation/fast", json=reading("fast", 151, now, patient)).raise_for_status()

    def alerted() -> bool:
        page.get(f"{served.url}/account/alerts")
        return "151 /min" in page.page_source

    wait_until(alerted, "the alert")
    judged(page, axe, tmp_path, "inbox")
    tab_to(page, lambda one: one.get_attribute("name") == "note" and _of_reading(one)).send_keys("called", Keys.ENTER)
    wait_until(lambda: "Acknowledged: called" in page.page_source, "the acknowledgement")
    judged(page, axe, tmp_path, "acknowledged")
    page.get(f"{served.url}/account/flags?patient={patient}")
    judged(page, axe, tmp_path, "flags")
    tab_to(page, lambda one: one.text == "See the alert").send_keys(Keys.ENTER)
    wait_until(lambda: "#alert-" in page.current_url, "the alert that the flag stands beside")
    tab_to(page, lambda one: one.text == "Resolve" and _of_reading(one)).send_keys(Keys.ENTER)

    def over() -> bool:
        page.get(f"{served.url}/account/alerts")
        return "151 /min" not in page.page_source

    wait_until(over, "an inbox without it")


def _of_reading(control: Stop) -> bool:
    """Whether a control is of the alert on the test's own reading; the demo has another."""
    return "151 /min" in control.find_element(By.XPATH, "ancestor::article").text
