"""Prescriptions by keyboard alone: a clinician writes one, answers what there is to warn of and signs; the patient asks
for more; the clinician sees it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.test_keyboard import axe, judged, page, sign_in, tab_to  # noqa: F401 - fixtures
from tests.support.serve import Served, wait_until

LISTED = "a[href^='/account/report?patient=']"


@pytest.mark.spec("FHIR R4 medicationrequest.html")
def test_a_prescription_by_keyboard(
    served: Served,
    page: webdriver.Chrome,  # noqa: F811 - the fixture
    axe: str,  # noqa: F811 - the fixture
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """From the search for a medication to the signature, with an answer to an allergy on the way."""
    name = f"Testmycin {request.node.callspec.id}"
    page.get(f"{served.url}/account/login")
    sign_in(served, page, "patient")
    page.get(str(page.find_element(By.CSS_SELECTOR, LISTED).get_attribute("href")))
    patient = page.current_url.rpartition("=")[2]
    with served.client(served.token("system/*.cruds")) as client:
        allergy = {
            "resourceType": "AllergyIntolerance",
            "patient": {"reference": f"Patient/{patient}"},
            "code": {"text": name},
            "criticality": "high",
        }
        client.post("/fhir/AllergyIntolerance", json=allergy).raise_for_status()
    page.delete_all_cookies()
    page.get(f"{served.url}/account/login")
    sign_in(served, page, "clinician")
    page.get(f"{served.url}/account/prescriptions/write?patient={patient}")
    tab_to(page, lambda one: one.get_attribute("name") == "q").send_keys(name, Keys.ENTER)
    tab_to(page, lambda one: one.text.startswith(f"“{name}”")).send_keys(Keys.ENTER)
    wait_until(lambda: page.find_elements(By.NAME, "amount"), "the form of the dose")
    judged(page, axe, tmp_path, "write")
    tab_to(page, lambda one: one.get_attribute("name") == "amount").send_keys("1", Keys.ENTER)
    wait_until(lambda: "Danger" in page.page_source, "the warning")
    judged(page, axe, tmp_path, "sign")
    tab_to(page, lambda one: one.tag_name == "textarea").send_keys("tolerated since")
    tab_to(page, lambda one: one.text == "Sign the prescription").send_keys(Keys.ENTER)
    wait_until(lambda: "The prescription is signed" in page.page_source, "the list")
    judged(page, axe, tmp_path, "list")
    page.delete_all_cookies()
    page.get(f"{served.url}/account/login")
    sign_in(served, page, "patient")
    page.get(f"{served.url}/account/prescriptions")
    judged(page, axe, tmp_path, "mine")
    tab_to(page, lambda one: one.tag_name == "summary" and name in one.text).send_keys(Keys.ENTER)
    tab_to(page, lambda one: one.tag_name == "textarea").send_keys("on Monday")
    tab_to(page, lambda one: one.text == "Ask your clinic").send_keys(Keys.ENTER)
    wait_until(lambda: "Your clinic has been asked" in page.page_source, "what was asked")
    page.delete_all_cookies()
    page.get(f"{served.url}/account/login")
    sign_in(served, page, "clinician")
    page.get(f"{served.url}/account/refills")
    assert name in page.page_source
    judged(page, axe, tmp_path, "refills")
