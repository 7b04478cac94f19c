"""Passkeys and authenticator apps in Chromium, with its virtual authenticator, over a real server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyotp
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.common.virtual_authenticator import Credential, VirtualAuthenticatorOptions

from tests.support.serve import Served, healix, serving, wait_until

PASSWORD = "a long enough password"
PHONE = (500, 844)


@pytest.fixture(scope="module")
def named(set_up: Callable[[str], Path]) -> Iterator[Served]:
    """A server that browsers know by a name, with an account for each test."""
    with serving(set_up("named"), "--workers", "1", host="localhost") as server:
        yield server


@pytest.fixture
def authenticator(browser: webdriver.Chrome) -> webdriver.Chrome:
    """The browser with an authenticator in it whose owner always agrees."""
    options = VirtualAuthenticatorOptions()
    options.transport = options.Transport.INTERNAL.value
    options.has_resident_key = options.has_user_verification = options.is_user_verified = True
    browser.add_virtual_authenticator(options)
    return browser


def person(server: Served, name: str) -> str:
    """A new account."""
    made = healix(server.data_dir, "user", "create", name, "--role", "admin", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr
    return name


def url(server: Served, path: str) -> str:
    """An address of the server by its name."""
    return f"http://localhost:{server.port}{path}"


def sign_in(server: Served, browser: webdriver.Chrome, username: str) -> None:
    """Fill in the login form by keyboard."""
    browser.get(url(server, "/account/login"))
    browser.find_element(By.NAME, "username").send_keys(username)
    browser.find_element(By.NAME, "password").send_keys(PASSWORD, Keys.ENTER)
    wait_until(lambda: not browser.find_elements(By.NAME, "password"), "what comes after the login")


def arrives(browser: webdriver.Chrome, heading: str) -> None:
    """Wait for the page with this heading."""
    wait_until(lambda: f"<h1>{heading}</h1>" in browser.page_source, f"'{heading}'")


def press(browser: webdriver.Chrome, text: str) -> None:
    """Press the button, or follow the link, that begins with this text."""
    found = browser.find_elements(By.CSS_SELECTOR, "main button, main a, main summary")
    next(one for one in found if one.is_displayed() and one.text.startswith(text)).click()


def shot(browser: webdriver.Chrome, folder: Path, name: str) -> None:
    """Keep a picture of the page; nothing of it may stick out of the window."""
    (folder / f"{name}.png").write_bytes(browser.get_screenshot_as_png())
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


def complaints(browser: webdriver.Chrome) -> list[str]:
    """What the console says went wrong, such as the Content-Security-Policy."""
    log = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in log if entry["level"] == "SEVERE"]


@pytest.mark.spec("WebAuthn Level 2 section 5.1.3")
def test_a_passkey(named: Served, authenticator: webdriver.Chrome, tmp_path: Path) -> None:
    """It is added by keyboard, lets in alone and as the second step, gets another name, and is removed."""
    browser = authenticator
    name = person(named, "ada")
    sign_in(named, browser, name)
    browser.get(url(named, "/account/security"))
    shot(browser, tmp_path, "security-empty")
    press(browser, "Add a passkey")
    arrives(browser, "Add a passkey")
    shot(browser, tmp_path, "passkey-add")
    browser.find_element(By.ID, "name").send_keys("My laptop", Keys.ENTER)
    arrives(browser, "Your recovery codes")
    shot(browser, tmp_path, "recovery-codes")
    press(browser, "I have kept them")
    arrives(browser, "How you sign in")
    assert "My laptop" in browser.page_source
    browser.delete_all_cookies()
    browser.get(url(named, "/account/login"))
    shot(browser, tmp_path, "login")
    press(browser, "Use a passkey")
    arrives(browser, "Server")
    browser.delete_all_cookies()
    sign_in(named, browser, name)
    arrives(browser, "One more step")
    shot(browser, tmp_path, "second-step-passkey")
    press(browser, "Use a passkey")
    arrives(browser, "Server")
    browser.set_window_size(*PHONE)
    browser.get(url(named, "/account/security"))
    press(browser, "Change")
    shot(browser, tmp_path, "security-phone")
    field = browser.find_element(By.CSS_SELECTOR, "input[name=name]")
    field.clear()
    field.send_keys("Blue laptop", Keys.ENTER)
    wait_until(lambda: "Blue laptop" in browser.page_source, "the new name")
    press(browser, "Change")
    press(browser, "Remove")
    wait_until(lambda: "Blue laptop" not in browser.page_source, "the list without it")
    assert complaints(browser) == []


def test_a_passkey_of_nobody(named: Served, authenticator: webdriver.Chrome, tmp_path: Path) -> None:
    """A browser without a passkey says so; the page offers another try, and the password."""
    browser = authenticator
    browser.get(url(named, "/account/login/passkey"))
    wait_until(lambda: "Please try again" in browser.find_element(By.TAG_NAME, "main").text, "what went wrong")
    shot(browser, tmp_path, "passkey-none")
    press(browser, "Sign in with your password")
    arrives(browser, "Sign in")
    assert complaints(browser) == []


@pytest.mark.spec("WebAuthn Level 2 section 6.1.1")
def test_a_copied_authenticator(named: Served, authenticator: webdriver.Chrome, tmp_path: Path) -> None:
    """A copy of an authenticator whose counter is behind is refused."""
    browser = authenticator
    sign_in(named, browser, person(named, "bob"))
    browser.get(url(named, "/account/security/passkey"))
    browser.find_element(By.ID, "name").send_keys("key", Keys.ENTER)
    arrives(browser, "Your recovery codes")
    copy = browser.get_credentials()[0].to_dict()
    browser.delete_all_cookies()
    browser.get(url(named, "/account/login/passkey"))
    arrives(browser, "Server")
    browser.remove_all_credentials()
    browser.add_credential(Credential.from_dict(copy | {"signCount": 0}))
    browser.delete_all_cookies()
    browser.get(url(named, "/account/login/passkey"))
    wait_until(lambda: "That was not right" in browser.page_source, "the refusal")
    shot(browser, tmp_path, "passkey-copy")
    assert not [one for one in browser.get_cookies() if one["name"] == "healix"]


@pytest.mark.spec("RFC 6238 section 4")
def test_an_authenticator_app(named: Served, browser: webdriver.Chrome, tmp_path: Path) -> None:
    """On a phone, without JavaScript: the picture and the secret, the code, the next login, a recovery code."""
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.set_window_size(*PHONE)
    name = person(named, "eve")
    sign_in(named, browser, name)
    browser.get(url(named, "/account/security"))
    press(browser, "Set up an app")
    arrives(browser, "Set up an authenticator app")
    press(browser, "No camera?")
    groups = browser.find_elements(By.CSS_SELECTOR, ".secret code")
    app = pyotp.TOTP("".join(one.text for one in groups))
    picture(browser, tmp_path, "authenticator-phone")
    browser.find_element(By.NAME, "code").send_keys(app.now(), Keys.ENTER)
    arrives(browser, "Your recovery codes")
    picture(browser, tmp_path, "recovery-codes-phone")
    codes = [one.text for one in browser.find_elements(By.CSS_SELECTOR, ".codes code")]
    press(browser, "I have kept them")
    arrives(browser, "How you sign in")
    browser.delete_all_cookies()
    sign_in(named, browser, name)
    arrives(browser, "One more step")
    picture(browser, tmp_path, "second-step-phone")
    press(browser, "Use a recovery code")
    browser.find_element(By.NAME, "recovery").send_keys(codes[0], Keys.ENTER)
    arrives(browser, "Server")
    browser.get(url(named, "/account/security"))
    assert "9 of 10 are left" in browser.page_source
    done = healix(named.data_dir, "user", "reset-factors", name)
    assert json.loads(done.stdout) == {"username": name, "factors": "none"}
    sign_in(named, browser, name)
    arrives(browser, "Server")


def picture(browser: webdriver.Chrome, folder: Path, name: str) -> None:
    """Keep a picture of the page, with scripts turned off."""
    (folder / f"{name}.png").write_bytes(browser.get_screenshot_as_png())
