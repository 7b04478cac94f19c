"""The OHIF viewer in a browser, used as people use it, and what it shows read from the screen."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.support.serve import Served, wait_until

Point = tuple[float, float, float]
"""In mm, in the patient's system of coordinates."""
Colour = tuple[int, int, int]

THUMBNAIL = '[data-cy^="study-browser-thumbnail"]'
PATIENCE = 150
KEY = 'Object.keys(sessionStorage).find(key => key.startsWith("oidc.user"))'
TOKEN = f"return JSON.parse(sessionStorage.getItem({KEY})).access_token;"
PLACES = """
return cornerstone.getEnabledElements().filter(({viewport}) => viewport.element.isConnected).map(({viewport}) => {
  const {left, top} = viewport.element.getBoundingClientRect();
  const {focalPoint, viewPlaneNormal} = viewport.getCamera();
  return {focus: focalPoint, normal: viewPlaneNormal,
          places: arguments[0].map(point => viewport.worldToCanvas(point)).map(([x, y]) => [left + x, top + y])};
});
"""
"""Where points are drawn on the screen, by viewport; what it looks at; the direction that it looks from."""


class Ohif:
    """The viewer of a server in a browser that one person after the other uses."""

    def __init__(self, served: Served, browser: webdriver.Chrome, pictures: Path) -> None:
        self.served = served
        self.browser = browser
        self._pictures = pictures
        self._person = ""
        self._password = json.loads((served.data_dir / "demo.json").read_text())["password"]

    def open(self, person: str, url: str) -> None:
        """Go to an address as `person`, signing in where that is asked for."""
        if person != self._person:
            self.leave()
        self.browser.get(url)
        self._person = person
        if person:
            wait_until(self._is_there, "the viewer", seconds=PATIENCE)
            if self.is_asked():
                self.sign_in(person)
        self.console()

    def study(self, person: str, study: str) -> None:
        """Open a study, with its thumbnails and its first picture there."""
        self.open(person, f"{self.served.url}/ohif/viewer?StudyInstanceUIDs={study}")
        self.wait_for_study()

    def wait_for_study(self) -> None:
        """Wait for thumbnails and a viewport."""
        wait_until(self.thumbnails, "the thumbnails", seconds=PATIENCE)
        wait_until(lambda: self.find(".cornerstone-canvas"), "a viewport", seconds=PATIENCE)

    def leave(self) -> None:
        """Forget who is signed in, on a page that does nothing by itself: the viewer may sign in again meanwhile."""
        self.browser.get(f"{self.served.url}/account/login")
        self.browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.browser.execute_script("sessionStorage.clear()")
        self._person = ""

    def sign_in(self, person: str) -> None:
        """Fill in the login form."""
        self.browser.find_element(By.NAME, "username").send_keys(person)
        self.browser.find_element(By.NAME, "password").send_keys(self._password, Keys.ENTER)
        wait_until(lambda: not self.is_asked(), "what comes after the login")
        self._person = person

    def is_asked(self) -> bool:
        """Whether the login form is there."""
        return bool(self.find('input[name="password"]'))

    def is_list(self) -> bool:
        """Whether the list of studies is there."""
        return bool(self.find('[data-cy="study-list-results"]'))

    def _is_there(self) -> bool:
        return self.is_asked() or self.is_list() or bool(self.thumbnails()) or self.is_not_found()

    def find(self, selector: str) -> list[WebElement]:
        """The elements that a CSS selector finds."""
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def is_not_found(self) -> bool:
        """Whether the viewer says that the study is not there."""
        return "notfoundstudy" in self.browser.current_url

    def shown(self) -> str:
        """Where the browser is and how what is written there begins, for who waits in vain for something else."""
        return f"{self.browser.current_url}: {self.text()[:300]!r}"

    def text(self) -> str:
        """All that is written on the page."""
        return self.browser.find_element(By.TAG_NAME, "body").text

    def thumbnails(self) -> list[str]:
        """What is written under the thumbnails."""
        try:
            return [element.text for element in self.find(THUMBNAIL)]
        except StaleElementReferenceException:
            return []

    def show(self, series: str) -> None:
        """Double-click the thumbnail with this description."""

        def clicked() -> bool:
            try:
                element = next(element for element in self.find(THUMBNAIL) if series in element.text)
                ActionChains(self.browser).double_click(element).perform()
            except (StopIteration, StaleElementReferenceException):
                return False
            return True

        wait_until(clicked, f"the thumbnail of {series}", seconds=PATIENCE)

    def press(self, *, name: str = "", words: str = "") -> None:
        """Click what is marked by `name`, or says `words`."""
        where = f'//*[@data-cy="{name}"]' if name else f'//*[normalize-space(text())="{words}"]'

        def pressed() -> bool:
            shown = [one for one in self.browser.find_elements(By.XPATH, where) if one.is_displayed()]
            if shown:
                shown[-1].click()
            return bool(shown)

        wait_until(pressed, f"{name or words} to be pressed", seconds=PATIENCE)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse at one place of the screen, move it and let go at another."""
        actions = ActionBuilder(self.browser)
        pointer = actions.pointer_action
        pointer.move_to_location(round(start[0]), round(start[1]))  # type: ignore[no-untyped-call]
        pointer.pointer_down()  # type: ignore[no-untyped-call]
        for part in (0.5, 1.0):
            x, y = (begin + (finish - begin) * part for begin, finish in zip(start, end, strict=True))
            pointer.move_to_location(round(x), round(y))  # type: ignore[no-untyped-call]
            pointer.pause(0.2)
        pointer.pointer_up()  # type: ignore[no-untyped-call]
        actions.perform()

    def token(self) -> str:
        """The access token that the viewer has got."""
        return str(self.browser.execute_script(TOKEN))

    def requests(self) -> list[str]:
        """The addresses that the page has asked for."""
        asked: list[str] = self.browser.execute_script(
            "return performance.getEntriesByType('resource').map(entry => entry.name)"
        )
        return asked

    def console(self) -> list[str]:
        """The errors that the page has logged since this was last asked."""
        entries: list[dict[str, str]] = self.browser.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def viewports(self, points: list[Point] | None = None) -> list[dict[str, Any]]:
        """The viewports: what each looks at and from where, and where on the screen `points` are."""
        found: list[dict[str, Any]] = self.browser.execute_script(PLACES, points or [])
        return found

    def screen(self, name: str = "screen") -> NDArray[np.int_]:
        """What is on the screen: rows of red, green and blue. It is also kept as a picture of this name."""
        content = self.browser.get_screenshot_as_png()
        (self._pictures / f"{name}.png").write_bytes(content)
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)

    def colours(self, points: list[Point], name: str, *, viewport: int = 0) -> list[Colour]:
        """The colours in which points of the patient are drawn in one viewport."""
        places = self.viewports(points)[viewport]["places"]
        return [colour_at(self.screen(name), x, y) for x, y in places]


def colour_at(screen: NDArray[np.int_], x: float, y: float) -> Colour:
    """The colour of a place on the screen."""
    red, green, blue = screen[round(y), round(x)]
    return int(red), int(green), int(blue)
