"""The OHIF viewer, installed by `healix viewer install`: people sign in and see the images that are theirs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support import stow
from tests.support.dicom import ct, uid
from tests.support.serve import Served, healix, wait_until
from tests.support.tools import require_tool

STUDY = "2.25.301839441279017.1"
"""Of the demo's Jonas, whose account is `patient`."""
OTHER = uid(88)
"""Of the demo's Mei; the study after it is of a patient in nobody's care."""
VIEWPORT = (400, 200, 1000, 800)
"""Where the image is shown: left, top, right, bottom."""
GREY_LEVELS = 40
TOKEN = """
const key = Object.keys(sessionStorage).find(key => key.startsWith("oidc.user"));
return JSON.parse(sessionStorage.getItem(key)).access_token;
"""


@pytest.fixture(scope="module")
def viewer(served: Served) -> Served:
    """The running server with the viewer installed, and studies of other patients."""
    require_tool("npm")
    done = healix(served.data_dir, "viewer", "install")
    if "npm could not get" in done.stderr:
        pytest.skip(f"the npm package @ohif/app cannot be had here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] > 100
    with served.client(served.token("system/*.cruds")) as client:
        for study, patient in ((88, "HX-1003"), (89, "HX-9999")):
            file = ct(study, size=64, PatientID=patient, PatientName="Other", StudyDescription=patient)
            stored = client.post("/dicomweb/studies", content=stow.body([file]), headers=stow.HEADERS)
            assert stored.status_code == 200, stored.text
    return served


@pytest.mark.spec("SMART App Launch 2.2 app-launch.html#obtain-authorization-code")
def test_a_patient_signs_in_and_sees_the_ct(viewer: Served, browser: webdriver.Chrome, tmp_path: Path) -> None:
    """The viewer sends a patient to sign in, gets its token without any in an address, and draws the slices."""
    open_viewer(viewer, browser, f"viewer?StudyInstanceUIDs={STUDY}")
    sign_in(viewer, browser, "patient")
    seen = set()

    def drawn() -> bool:
        seen.add(browser.current_url)
        return grey_levels(browser) >= GREY_LEVELS

    try:
        wait_until(drawn, "a picture in the viewport", seconds=90)
    finally:
        (tmp_path / "ohif.png").write_bytes(browser.get_screenshot_as_png())
    assert browser.current_url == f"{viewer.url}/ohif/viewer?StudyInstanceUIDs={STUDY}"
    asked = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [url for url in [*seen, *asked] if "token=" in url] == []
    assert [entry for entry in console(browser) if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize(
    ("username", "studies"), [("patient", {"CT head (demo)"}), ("clinician", {"CT head (demo)", "HX-1003"})]
)
def test_the_list_has_the_studies_of_the_person(
    viewer: Served, browser: webdriver.Chrome, tmp_path: Path, username: str, studies: set[str]
) -> None:
    """A patient sees the own studies, a clinician those of the patients in care, after one login and no question."""
    open_viewer(viewer, browser, "")
    sign_in(viewer, browser, username)
    try:
        wait_until(lambda: studies <= shown(browser), "the studies in the list", seconds=60)
    finally:
        (tmp_path / "list.png").write_bytes(browser.get_screenshot_as_png())
    assert shown(browser) == studies


def test_a_study_of_another_is_not_there(viewer: Served, browser: webdriver.Chrome) -> None:
    """Opened for another patient's study the viewer draws nothing."""
    open_viewer(viewer, browser, f"viewer?StudyInstanceUIDs={OTHER}")
    sign_in(viewer, browser, "patient")
    wait_until(lambda: "notfoundstudy" in browser.current_url, "the study not to be found", seconds=60)
    assert browser.find_elements(By.TAG_NAME, "canvas") == []


def test_from_the_record_and_out_again(viewer: Served, browser: webdriver.Chrome) -> None:
    """Who is signed in comes from a study's line to its images unasked; who signs out there is asked once."""
    browser.get(f"{viewer.url}/account/login")
    sign_in(viewer, browser, "patient")
    browser.find_element(By.CSS_SELECTOR, f"a[href*='{STUDY}']").click()
    wait_until(lambda: grey_levels(browser) >= GREY_LEVELS, "a picture in the viewport", seconds=90)
    token = browser.execute_script(TOKEN)
    browser.get(f"{viewer.url}/ohif/logout?redirect_uri={viewer.url}/ohif/")
    wait_until(lambda: "/account/logout" in browser.current_url, "the question")
    with viewer.client(token) as client:
        assert client.get("/dicomweb/studies").status_code == 401
    browser.find_element(By.CSS_SELECTOR, "main button").click()
    wait_until(lambda: browser.find_elements(By.NAME, "password"), "the login form")


def test_another_name_of_the_server_leads_to_the_right_one(viewer: Served, browser: webdriver.Chrome) -> None:
    """Codes go to the server's own address only, so the viewer opened as localhost goes there first."""
    browser.get(f"http://localhost:{viewer.port}/ohif/viewer?StudyInstanceUIDs={STUDY}")
    wait_until(lambda: browser.find_elements(By.NAME, "password"), "the login form", seconds=60)
    assert browser.current_url.startswith(viewer.url)


def test_nothing_from_elsewhere(viewer: Served, browser: webdriver.Chrome) -> None:
    """The viewer's page asks no other origin for anything."""
    open_viewer(viewer, browser, "")
    sign_in(viewer, browser, "patient")
    wait_until(lambda: shown(browser), "the list", seconds=60)
    urls = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert urls
    assert [url for url in urls if not url.startswith((viewer.url, "blob:", "data:"))] == []


def open_viewer(viewer: Served, browser: webdriver.Chrome, path: str) -> None:
    """Open a page of the viewer; it leads to the login form."""
    browser.get(f"{viewer.url}/ohif/{path}")
    wait_until(lambda: browser.find_elements(By.NAME, "password"), "the login form", seconds=60)


def sign_in(viewer: Served, browser: webdriver.Chrome, username: str) -> None:
    """Fill in the login form."""
    password = json.loads((viewer.data_dir / "demo.json").read_text())["password"]
    browser.find_element(By.NAME, "username").send_keys(username)
    browser.find_element(By.NAME, "password").send_keys(password, Keys.ENTER)
    wait_until(lambda: not browser.find_elements(By.NAME, "password"), "what comes after the login")


def shown(browser: webdriver.Chrome) -> set[str]:
    """The known descriptions of studies that the page shows."""
    text = browser.find_element(By.TAG_NAME, "body").text
    return {name for name in ("CT head (demo)", "HX-1003", "HX-9999") if name in text}


def grey_levels(browser: webdriver.Chrome) -> int:
    """How many different greys, of at least 20 pixels each, the viewport shows."""
    picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB").crop(VIEWPORT)
    colours = picture.getcolors(picture.width * picture.height) or []
    return sum(1 for count, colour in colours if count >= 20 and isinstance(colour, tuple) and len(set(colour)) == 1)


def console(browser: webdriver.Chrome) -> list[dict[str, str]]:
    """What the page has logged since this was last asked."""
    entries: list[dict[str, str]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return entries
