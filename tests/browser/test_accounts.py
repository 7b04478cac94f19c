"""A patient's account in Chromium, over a real server and the mails that its job worker writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support.mailbox import received
from tests.support.serve import Served, wait_until

FIRST, SECOND, THIRD = "seven quiet lighthouses", "nine loud harbour cranes", "four slow canal barges"
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


def fill(browser: webdriver.Chrome, **fields: str) -> None:
    """Type into the fields of the page, and send the form by keyboard."""
    for name, text in fields.items():
        field = next(one for one in browser.find_elements(By.NAME, name) if one.is_displayed())
        field.send_keys(text)
    field.send_keys(Keys.ENTER)


def arrives(browser: webdriver.Chrome, heading: str) -> None:
    """Wait for the page with this heading."""
    wait_until(lambda: f"<h1>{heading}</h1>" in browser.page_source, f"'{heading}'")


def press(browser: webdriver.Chrome, text: str) -> None:
    """Press the button, or follow the link, that begins with this text."""
    found = browser.find_elements(By.CSS_SELECTOR, "button, a, summary")
    next(one for one in found if one.is_displayed() and one.text.startswith(text)).click()


def shot(browser: webdriver.Chrome, folder: Path, name: str) -> None:
    """Keep pictures of the page on a desk and on a phone; nothing of it may stick out of the window."""
    for size, (width, height) in SIZES.items():
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        (folder / f"{name}-{size}.png").write_bytes(browser.get_screenshot_as_png())
        assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth"), name
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


class Mails:
    """The outbox of a server, read one mail to a person after the other."""

    def __init__(self, server: Served) -> None:
        self.folder = server.data_dir / "outbox"
        self.seen = set(self.folder.glob("*.eml"))

    def next(self, to: str, subject: str) -> str:
        """The path of the link in the next mail."""
        found: list[str] = []

        def arrived() -> bool:
            for file in set(self.folder.glob("*.eml")) - self.seen:
                self.seen.add(file)
                mail = received(file)
                if (mail.to, mail.subject) == (to, subject):  # others use the server, too
                    found.append(mail.link)
            return bool(found)

        wait_until(arrived, f"the mail '{subject}'")
        (link,) = found
        return link


@pytest.mark.spec("OWASP ASVS 5.0 6.4.1")
def test_the_life_of_an_account(served: Served, browser: webdriver.Chrome, tmp_path: Path) -> None:
    """A patient registers, confirms by mail, signs in, changes the password, forgets it, sets a new one by mail."""
    mails = Mails(served)
    browser.get(f"{served.url}/account/login")
    shot(browser, tmp_path, "login")
    press(browser, "Register")
    arrives(browser, "Register as a patient")
    shot(browser, tmp_path, "register")
    person = {"identifier": "HX-1003", "birthdate": "07031991", "email": "mei@example.org", "username": "mei"}
    fill(browser, **person, password="password1234")
    wait_until(lambda: "first that are guessed" in browser.page_source, "the refusal of a weak password")
    shot(browser, tmp_path, "weak")
    fill(browser, password=FIRST)
    arrives(browser, "Check your mail")
    shot(browser, tmp_path, "sent")

    browser.get(served.url + mails.next("mei@example.org", "Confirm your account"))
    shot(browser, tmp_path, "confirm")
    press(browser, "Confirm")
    arrives(browser, "Welcome")
    shot(browser, tmp_path, "welcome")
    press(browser, "Sign in")
    arrives(browser, "Sign in")
    fill(browser, username="mei", password=FIRST)
    wait_until(lambda: "Tanaka" in browser.page_source, "the record")
    shot(browser, tmp_path, "home")

    press(browser, "Password and mail address")
    arrives(browser, "Your account")
    press(browser, "Change the password")
    shot(browser, tmp_path, "settings")
    fill(browser, current=FIRST, password=SECOND)
    wait_until(lambda: "Your password is changed" in browser.page_source, "the changed password")
    shot(browser, tmp_path, "changed")
    mails.next("mei@example.org", "Your password was changed")
    press(browser, "Where you are signed in")
    arrives(browser, "Where you are signed in")
    assert "this browser" in browser.page_source
    shot(browser, tmp_path, "sessions")
    press(browser, "Sign out")
    arrives(browser, "Sign in")

    press(browser, "Forgotten password")
    arrives(browser, "Forgotten password")
    shot(browser, tmp_path, "reset")
    fill(browser, username="mei@example.org")
    arrives(browser, "Check your mail")
    browser.get(served.url + mails.next("mei@example.org", "Set a new password"))
    arrives(browser, "Set a new password")
    shot(browser, tmp_path, "new-password")
    fill(browser, password=THIRD)
    arrives(browser, "Done")
    press(browser, "Sign in")
    arrives(browser, "Sign in")
    fill(browser, username="mei", password=SECOND)
    wait_until(lambda: "is not right" in browser.page_source, "the refusal of the old password")
    fill(browser, password=THIRD)
    wait_until(lambda: "Tanaka" in browser.page_source, "the record")
    log = browser.get_log("browser")  # type: ignore[no-untyped-call]
    assert not [entry["message"] for entry in log if "Content-Security-Policy" in entry["message"]]
