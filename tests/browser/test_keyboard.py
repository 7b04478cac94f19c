"""The pages by keyboard alone, without JavaScript, at the width of a desk and of a phone, each judged by axe-core."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from conformance.smart.asking import parameters
from conformance.smart.parties import App
from tests.support.node import installed
from tests.support.registered import registered
from tests.support.serve import Served, wait_until

SCRIPTS = Path(__file__).parent.parent / "integration" / "interop" / "node"
SCOPE = "launch/patient openid fhirUser offline_access patient/Patient.rs patient/Observation.rs"
WIDTHS = {"desk": 1280, "phone": 390}
MOST_STOPS = 80
SECTIONS = ("users", "clients", "devices", "audit", "jobs", "storage", "health", "settings", "peers", "sync", "studies")
WANTED = {
    "": {"/account/register"},
    "patient": {"/account/apps"},
    "clinician": {"/account/emergency"},
    "admin": {"/account/security"} | {f"/admin/{section}" for section in SECTIONS},
}
"""Pages that a person of each role comes to at least."""
AXE = """
const [only, done] = arguments;
const told = one => one.id + ": " + one.nodes.map(node => node.html).join(" ");
axe.run(document, {resultTypes: ["violations"], ...(only && {runOnly: only})}).then(
  found => done(found.violations.map(told)));
"""
SCHEMES = {"light": None, "dark": ["color-contrast"]}
"""The rules that a page is judged by in each scheme, where None is all: of dark there is only what has colors."""
INLINE = """
const names = [...document.querySelectorAll("*")].flatMap(one => one.getAttributeNames());
return [...document.querySelectorAll("script:not([src]), style, [style]")].map(one => one.outerHTML).concat(
  names.filter(name => name.startsWith("on")));
"""
WATCH = """
document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0);
const stops = window.stopsOfTab = [];
document.addEventListener("focusin", ({target: one}) => {
  const style = getComputedStyle(one);
  stops.push({
    name: (one.labels?.[0]?.innerText || one.innerText || one.getAttribute("aria-label") || "").trim(),
    seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
  });
});
document.addEventListener("focusout", event => event.relatedTarget || stops.push(null));
"""
"""Keep what gets the focus from now on, and null where it leaves the page."""
FOCUS = (
    WATCH
    + """
const able = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")];
able.filter(one => one.tabIndex >= 0).slice(0, arguments[0]).forEach(one => one.focus());
return stops.filter(Boolean);
"""
)
"""Give the focus to what Tab comes to, in turn: as after keys, so that it is shown where it is."""
STEPS = 20
"""How often Tab is pressed before the browser is asked what it came to: each question takes as long as many steps."""
WALK = """
const walked = window.walkedByTab = [];
document.addEventListener("focusin", ({target: one}) => walked.push({
  element: one, tag_name: one.tagName.toLowerCase(), text: one.innerText.trim(),
  attributes: Object.fromEntries([...one.attributes].map(({name, value}) => [name, value])),
}));
document.addEventListener("focusout", event => event.relatedTarget || walked.push(null));
"""
"""Keep what gets the focus from now on with what it is known by, and null where it leaves the page."""
FEW = 6
"""How often Tab is pressed on the way to something: what is pressed too often is taken back."""
LINKS = "return [...document.querySelectorAll('a[href]')].map(link => link.href);"
STOPS = "return document.querySelectorAll('a[href], button, input, select, textarea, summary').length;"


@dataclass(frozen=True)
class Stop:
    """What had the focus, as the browser told it at once: asking an element takes as long as several keys."""

    element: WebElement
    tag_name: str
    text: str
    attributes: Mapping[str, str]

    def get_attribute(self, name: str) -> str | None:
        """What is written there, if anything."""
        return self.attributes.get(name)

    def find_element(self, by: str, value: str) -> WebElement:
        """As of an element."""
        return self.element.find_element(by, value)


@pytest.fixture(params=WIDTHS)
def page(request: pytest.FixtureRequest, shared_browser: webdriver.Chrome) -> webdriver.Chrome:
    """A browser of a certain width that runs no script of a page, and where nobody is logged in."""
    return opened(shared_browser, request.param)


def opened(browser: webdriver.Chrome, width: str) -> webdriver.Chrome:
    """The browser, at a certain width, without the cookies of who was logged in."""
    browser.get("about:blank")
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    widen(browser, width)
    scripts(browser, run=False)
    return browser


def widen(browser: webdriver.Chrome, width: str) -> None:
    """Show the page at a certain width."""
    size = {"width": WIDTHS[width], "height": 844, "deviceScaleFactor": 1, "mobile": width == "phone"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.fixture(scope="module")
def axe() -> str:
    """The accessibility checker, as a script."""
    packages, _ = installed(SCRIPTS)
    return (packages / "node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture(scope="module")
def address(served: Served) -> str:
    """Where an app sends a person who is to decide."""
    back = f"{served.url}/healthz"
    client_id, _ = registered(served, "none", SCOPE, redirect=back)
    sent, _ = parameters(App(client_id, "none", back, "", "", {}), SCOPE, f"{served.url}/fhir")
    return f"{served.url}/oauth/authorize?{urlencode(sent)}"


def test_a_patient_lets_an_app_in_and_takes_it_back(
    served: Served, page: webdriver.Chrome, axe: str, address: str, tmp_path: Path
) -> None:
    """Login, consent and the list of apps by Tab, Space and Enter."""
    page.get(address)
    judged(page, axe, tmp_path, "login")
    sign_in(served, page, "patient")
    judged(page, axe, tmp_path, "consent")
    tab_to(page, lambda one: one.get_attribute("value") == "patient/Observation.rs").send_keys(Keys.SPACE)
    assert not page.find_element(By.CSS_SELECTOR, "input[value='patient/Observation.rs']").is_selected()
    tab_to(page, lambda one: one.get_attribute("value") == "allow").send_keys(Keys.ENTER)
    wait_until(lambda: "/healthz" in page.current_url, "the way back to the app")
    assert "code" in parse_qs(urlsplit(page.current_url).query)
    page.get(f"{served.url}/account/apps")
    judged(page, axe, tmp_path, "apps")
    tab_to(page, lambda one: one.text.startswith("Take back access")).send_keys(Keys.ENTER)
    wait_until(lambda: "/account/apps" in page.current_url, "the list again")


def test_a_clinician_chooses_a_patient(
    served: Served, page: webdriver.Chrome, axe: str, address: str, tmp_path: Path
) -> None:
    """The choice of a patient by Tab, arrows and Enter."""
    page.get(address)
    sign_in(served, page, "clinician")
    judged(page, axe, tmp_path, "picker")
    tab_to(page, lambda one: one.get_attribute("name") == "patient").send_keys(Keys.ARROW_DOWN)
    chosen = page.switch_to.active_element
    assert chosen.is_selected()
    chosen.send_keys(Keys.ENTER)
    wait_until(lambda: page.find_elements(By.NAME, "decision"), "the consent page")
    tab_to(page, lambda one: one.get_attribute("value") == "deny").send_keys(Keys.ENTER)
    wait_until(lambda: "error=access_denied" in page.current_url, "the way back to the app")


@pytest.mark.parametrize("username", ["", "patient", "clinician", "admin"])
def test_every_page_is_accessible(
    served: Served, shared_browser: webdriver.Chrome, axe: str, tmp_path: Path, username: str
) -> None:
    """Each page that a person of a role comes to by links: labels, names, landmarks, contrast, width, and no script."""
    page = opened(shared_browser, "desk")
    page.get(f"{served.url}/account/login")
    if username:
        sign_in(served, page, username)
    waiting, looked = [page.current_url], set()
    while waiting:
        url = waiting.pop()
        if kind(url) in looked:
            continue
        page.get(url)
        looked.add(kind(url))
        name = urlsplit(url).path.strip("/").replace("/", "-")
        judged(page, axe, tmp_path, name)
        widen(page, "phone")
        judged(page, "", tmp_path, f"{name}-phone", walk=shown)
        widen(page, "desk")
        links: list[str] = page.execute_script(LINKS)
        waiting += sorted(
            link
            for link in {link.partition("#")[0] for link in links}
            if link.startswith((f"{served.url}/account", f"{served.url}/admin"))
            if kind(link) not in looked
            if not link.endswith("/pdf")  # a document to print: no page
        )
    wanted = WANTED[username]
    assert wanted <= {urlsplit(one).path for one in looked}


def kind(url: str) -> str:
    """What one page stands for: all with the same address, and of administrators' pages all of one user or client."""
    address = url.partition("?")[0]
    head, _, name = address.rpartition("/")
    return f"{head}/each" if "/admin/" in head and name != "new" else address


Walk = Callable[[webdriver.Chrome, str], list[dict[str, Any]]]
"""What can have the focus on a page of this name, with what it is called and whether it is seen to have it."""


def judged(page: webdriver.Chrome, axe: str, folder: Path, name: str, *, walk: Walk | None = None) -> None:
    """Fail where a page has a barrier, is wider than the screen, cannot be walked by Tab, or holds a script; then there
    is a picture of it in `folder`. A page that was judged already has `axe`, and is told another `walk`.
    """
    try:
        _judged(page, axe, name, walk or stops)
    except AssertionError:
        (folder / f"{name}.png").write_bytes(page.get_screenshot_as_png())
        raise


def _judged(page: webdriver.Chrome, axe: str, name: str, walk: Walk) -> None:
    scripts(page, run=True)
    if axe:
        page.execute_script(axe)
    for scheme, rules in SCHEMES.items():
        page.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        assert page.execute_async_script(AXE, rules) == [], f"{name}, {scheme}"
    assert page.execute_script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth"), (
        f"{name} is too wide"
    )
    assert page.execute_script(INLINE) == [], name
    refused = [entry for entry in page.get_log("browser") if "Content Security Policy" in entry["message"]]  # type: ignore[no-untyped-call]
    assert refused == []
    for stop in walk(page, name):
        assert stop["name"], f"{name}: something without a name can be reached"
        assert stop["seen"], f"{name}: where the focus is cannot be seen at {stop['name']!r}"
    scripts(page, run=False)


def stops(page: webdriver.Chrome, name: str) -> list[dict[str, Any]]:
    """What Tab reaches from the top of a page to its end."""
    page.execute_script(WATCH)
    found: list[dict[str, Any] | None] = []
    while None not in found and len(found) < MOST_STOPS:
        webdriver.ActionChains(page).send_keys(Keys.TAB * STEPS).perform()
        before, found = len(found), page.execute_script("return window.stopsOfTab")
        assert len(found) > before, f"{name}: Tab goes nowhere"
    reached = [stop for stop in takewhile(bool, found) if stop]
    long = page.execute_script(STOPS) >= MOST_STOPS  # as lists of what other tests have left
    assert reached, f"{name}: Tab goes nowhere"
    assert long or None in found, f"{name}: Tab goes round"
    return reached


def shown(page: webdriver.Chrome, name: str) -> list[dict[str, Any]]:
    """What Tab reaches on a page where it has been pressed at another width: the order is that of the document at any,
    so what is shown at this one is given the focus without keys, each of which takes longer than all this.
    """
    reached: list[dict[str, Any]] = page.execute_script(FOCUS, MOST_STOPS)
    assert reached, f"{name}: nothing can have the focus"
    return reached


def tab_to(page: webdriver.Chrome, wanted: Any) -> WebElement:
    """Press Tab until what is wanted, of a `Stop`, has the focus: some times before the browser is asked, and back by
    Shift and Tab.
    """
    scripts(page, run=True)
    page.execute_script(WALK)
    looked = 0
    while looked < MOST_STOPS:
        webdriver.ActionChains(page).send_keys(Keys.TAB * FEW).perform()
        walked: list[dict[str, Any] | None] = page.execute_script("return window.walkedByTab")
        for number, stop in enumerate(walked[looked:], looked):
            if stop and wanted(Stop(**stop)):
                back = Keys.TAB * (len(walked) - 1 - number)
                webdriver.ActionChains(page).key_down(Keys.SHIFT).send_keys(back).key_up(Keys.SHIFT).perform()
                one = _on_to(page, stop["element"])
                scripts(page, run=False)
                return one
        assert len(walked) > looked, "Tab goes nowhere"
        looked = len(walked)
    raise AssertionError("Tab does not reach it")


def _on_to(page: webdriver.Chrome, wanted: WebElement) -> WebElement:
    """Press Tab until this has the focus, which it has already where each key has come to one element."""
    for _ in range(MOST_STOPS):
        if page.switch_to.active_element == wanted:
            return wanted
        webdriver.ActionChains(page).send_keys(Keys.TAB).perform()
    raise AssertionError("Tab does not reach it again")


def sign_in(served: Served, page: webdriver.Chrome, username: str) -> None:
    """Fill in the login form without touching a mouse: the name has the focus as the page comes."""
    password = json.loads((served.data_dir / "demo.json").read_text())["password"]
    name = tab_to(page, lambda one: one.get_attribute("name") == "username")
    name.send_keys(username, Keys.TAB)
    page.switch_to.active_element.send_keys(password, Keys.ENTER)
    wait_until(lambda: not page.find_elements(By.NAME, "password"), "what comes after the login")


def scripts(page: webdriver.Chrome, *, run: bool) -> None:
    """Let the browser run scripts of pages, or not."""
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not run})
