"""Apps on the npm package fhirclient get their access through the real pages, in Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support.node import installed
from tests.support.serve import Served, healix, wait_until

SCRIPTS = Path(__file__).parent.parent / "integration" / "interop" / "node"
STANDALONE = "launch/patient openid fhirUser offline_access patient/Patient.rs patient/Observation.rs"
VISIT = "launch/patient launch/encounter openid fhirUser offline_access patient/Patient.rs"
EHR = "launch openid fhirUser online_access patient/Patient.rs"
LAUNCH = """<!doctype html><title>launch</title><script src="fhir-client.js"></script><script src="config.js"></script>
<script>
const asked = new URLSearchParams(location.search);
const scope = asked.has("launch") ? EHR : asked.has("visit") ? VISIT : STANDALONE;
FHIR.oauth2.authorize({clientId: CLIENT, scope, redirectUri: "app.html", pkceMode: "required"});
</script>"""
APP = """<!doctype html><title>app</title><pre id="seen"></pre><script src="fhir-client.js"></script><script>
(async () => {
  try {
    const client = await FHIR.oauth2.ready();
    const patient = await client.patient.read();
    await client.refresh();
    return {patient: patient.id, scope: client.state.tokenResponse.scope, user: client.user.fhirUser,
            encounter: client.state.tokenResponse.encounter, again: (await client.patient.read()).id};
  } catch (error) {
    return {error: String(error)};
  }
})().then(seen => { document.getElementById("seen").textContent = JSON.stringify(seen); });
</script>"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        """Say nothing."""


@dataclass(frozen=True)
class App:
    """Where the app is, and as what it is registered."""

    url: str
    client_id: str


@pytest.fixture(scope="module")
def app(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Pages that load fhirclient, registered as a public client."""
    packages, _ = installed(SCRIPTS)
    folder = tmp_path_factory.mktemp("app")
    script = packages / "node_modules/fhirclient/build/fhir-client.js"
    (folder / "fhir-client.js").write_bytes(script.read_bytes())
    (folder / "launch.html").write_text(LAUNCH)
    (folder / "app.html").write_text(APP)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        client_id = _registered(served, url)
        config = {"CLIENT": client_id, "STANDALONE": STANDALONE, "EHR": EHR, "VISIT": VISIT}
        lines = [f"const {name} = {json.dumps(value)};" for name, value in config.items()]
        (folder / "config.js").write_text("\n".join(lines))
        Thread(target=server.serve_forever, daemon=True).start()
        yield App(url, client_id)
        server.shutdown()


def _registered(served: Served, url: str) -> str:
    done = healix(
        served.data_dir, "client", "create", "--name", "Growth chart", "--scope", f"{STANDALONE} {EHR} {VISIT}",
        "--auth", "none", "--redirect-uri", f"{url}/app.html", "--launch-uri", f"{url}/launch.html",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["client_id"])


def test_standalone_launch(served: Served, browser: webdriver.Chrome, app: App, tmp_path: Path) -> None:
    """A patient signs in by keyboard on a phone's screen, allows the app, and it reads the record and refreshes."""
    browser.set_window_size(500, 844)
    browser.get(f"{app.url}/launch.html?{urlencode({'iss': f'{served.url}/fhir'})}")
    sign_in(served, browser, "patient", tmp_path)
    shot(browser, tmp_path, "consent")
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    boxes = browser.find_elements(By.NAME, "scope")
    assert {box.get_attribute("value") for box in boxes if box.is_selected()} == set(STANDALONE.split())
    boxes[-1].send_keys(Keys.TAB)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    seen = result(browser)
    assert set(seen.pop("scope").split()) == set(STANDALONE.split())
    assert seen == {"patient": "demo-jonas", "again": "demo-jonas", "user": "Patient/demo-jonas"}


def test_choice_of_a_patient(served: Served, browser: webdriver.Chrome, app: App, tmp_path: Path) -> None:
    """A clinician chooses a patient, leaves out a scope, and the app gets just that."""
    browser.get(f"{app.url}/launch.html?{urlencode({'iss': f'{served.url}/fhir'})}")
    sign_in(served, browser, "clinician", tmp_path)
    shot(browser, tmp_path, "picker")
    chosen = browser.find_elements(By.NAME, "patient")[-1]
    patient = chosen.get_attribute("value")
    chosen.click()
    chosen.submit()
    wait_until(lambda: browser.find_elements(By.NAME, "decision"), "the consent page")
    browser.find_element(By.CSS_SELECTOR, "input[value='patient/Observation.rs']").click()
    browser.find_element(By.CSS_SELECTOR, "button[value=allow]").click()
    seen = result(browser)
    assert seen["patient"] == patient
    assert "Observation" not in seen["scope"]


@pytest.fixture(scope="module")
def parent(served: Served) -> str:
    """The account of a parent of two patients of the demo, one of whom had visits; its password."""
    made = healix(served.data_dir, "token", "create", "--scope", "system/*.cruds")
    access = json.loads(made.stdout)["access_token"]
    with httpx.Client(base_url=f"{served.url}/fhir", headers={"Authorization": f"Bearer {access}"}) as client:
        for child in ("demo-ines", "demo-mei"):
            whose = {"reference": f"Patient/{child}"}
            related = {"resourceType": "RelatedPerson", "id": f"of-{child}", "patient": whose}
            assert client.put(f"/RelatedPerson/of-{child}", json=related).is_success
        for n in range(1, 25):
            visit = {
                "resourceType": "Encounter", "id": f"visit-{n}", "status": "finished", "class": {"code": "AMB"},
                "type": [{"text": f"Check-up number {n}"}], "subject": {"reference": "Patient/demo-ines"},
                "period": {"start": f"2027-02-{n:02}T09:30:00Z", "end": f"2027-02-{n:02}T10:00:00Z"},
                "reasonCode": [{"text": "Hay fever"}],
            }  # fmt: skip
            assert client.put(f"/Encounter/visit-{n}", json=visit).is_success
    password = "a long enough passphrase"
    options = ("--role", "patient", "--fhir-user", "RelatedPerson/of-demo-ines", "--password-stdin")
    done = healix(served.data_dir, "user", "create", "parent", *options, stdin=password)
    assert done.returncode == 0, done.stderr
    assert healix(served.data_dir, "user", "link", "parent", "RelatedPerson/of-demo-mei").returncode == 0
    return password


@pytest.mark.parametrize("width", [500, 1280])
def test_a_parent_chooses_child_and_visit(
    served: Served, browser: webdriver.Chrome, app: App, parent: str, tmp_path: Path, width: int
) -> None:
    """By keyboard alone, on a phone's and on a desk's screen, a parent chooses a child and one of its visits."""
    browser.set_window_size(width, 844)
    browser.get(f"{app.url}/launch.html?{urlencode({'iss': f'{served.url}/fhir', 'visit': ''})}")
    sign_in(served, browser, "parent", tmp_path, parent)
    _fits(browser, tmp_path, f"child-{width}")
    children = [one.get_attribute("value") for one in browser.find_elements(By.NAME, "patient")]
    assert sorted(map(str, children)) == ["demo-ines", "demo-mei"]
    _walk(browser, children.index("demo-ines"))
    wait_until(lambda: browser.find_elements(By.NAME, "encounter"), "the visits")
    _fits(browser, tmp_path, f"visit-{width}")
    _walk(browser, 1)
    wait_until(lambda: browser.find_elements(By.NAME, "decision"), "the consent page")
    _fits(browser, tmp_path, f"child-consent-{width}")
    assert "Check-up number 23" in browser.page_source
    browser.find_element(By.CSS_SELECTOR, "button[value=allow]").send_keys(Keys.ENTER)
    seen = result(browser)
    assert (seen["patient"], seen["encounter"]) == ("demo-ines", "visit-23")
    assert seen["user"] == "RelatedPerson/of-demo-ines"
    browser.get(f"{served.url}/account/")
    _fits(browser, tmp_path, f"home-{width}")


def _walk(browser: webdriver.Chrome, steps: int) -> None:
    """Choose by keyboard the radio button that many below the one that has the focus, and go on."""
    active = browser.switch_to.active_element
    active.send_keys(Keys.SPACE)
    for _ in range(steps):
        browser.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    browser.switch_to.active_element.send_keys(Keys.ENTER)


def _fits(browser: webdriver.Chrome, folder: Path, name: str) -> None:
    """The page is no wider than the screen."""
    shot(browser, folder, name)
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


def test_ehr_launch(served: Served, browser: webdriver.Chrome, app: App, tmp_path: Path) -> None:
    """From a patient's entry the app opens with that patient; the person finds it listed, and takes it back."""
    browser.get(f"{served.url}/account/login")
    sign_in(served, browser, "clinician", tmp_path)
    shot(browser, tmp_path, "home")
    form = browser.find_element(By.CSS_SELECTOR, "form.launch")
    patient = form.find_element(By.NAME, "patient").get_attribute("value")
    form.find_element(By.CSS_SELECTOR, f"button[value='{app.client_id}']").click()
    wait_until(lambda: browser.find_elements(By.CSS_SELECTOR, "button[value=allow]"), "the consent page")
    browser.find_element(By.CSS_SELECTOR, "button[value=allow]").click()
    seen = result(browser)
    assert (seen["patient"], seen["user"]) == (patient, "Practitioner/demo-clinician")
    browser.get(f"{served.url}/account/apps")
    shot(browser, tmp_path, "apps")
    listed = f"button[value='{app.client_id}']"
    browser.find_element(By.CSS_SELECTOR, listed).click()
    wait_until(
        lambda: "What you take back" in browser.page_source and not browser.find_elements(By.CSS_SELECTOR, listed),
        "the list without the app",
    )
    browser.get(f"{app.url}/app.html")
    assert "error" in result(browser)


def sign_in(
    served: Served, browser: webdriver.Chrome, username: str, tmp_path: Path, password: str | None = None
) -> None:
    """Fill in the login form by keyboard."""
    wait_until(lambda: browser.find_elements(By.NAME, "username"), "the login form")
    shot(browser, tmp_path, "login")
    known = password or json.loads((served.data_dir / "demo.json").read_text())["password"]
    browser.find_element(By.NAME, "username").clear()
    browser.find_element(By.NAME, "username").send_keys(username)
    browser.find_element(By.NAME, "password").send_keys(known, Keys.ENTER)
    wait_until(lambda: not browser.find_elements(By.NAME, "password"), "what comes after the login")


def result(browser: webdriver.Chrome) -> dict[str, Any]:
    """What the app saw."""
    wait_until(lambda: browser.find_elements(By.ID, "seen") and browser.find_element(By.ID, "seen").text, "the app")
    seen: dict[str, Any] = json.loads(browser.find_element(By.ID, "seen").text)
    return seen


def shot(browser: webdriver.Chrome, folder: Path, name: str) -> None:
    """Keep a picture of the page, to be looked at when a test fails."""
    (folder / f"{name}.png").write_bytes(browser.get_screenshot_as_png())
