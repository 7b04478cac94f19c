"""Checks of signing out at the wish of an app. Inferno has no group of them.

Each has a browser of its own, in which a person signs in for an app first: signing out ends what else the person does.

Spec: OpenID Connect RP-Initiated Logout 1.0 2, 3; SMART App Launch 2.2 scopes-and-launch-context.html
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from conformance.check import Check, expect
from conformance.smart.browser import Browser, Page
from conformance.smart.parties import App
from conformance.smart.scene import Launched, Scene, told_of

CLAUSE = "OpenID Connect RP-Initiated Logout 1.0"
ASKED = "launch/patient openid fhirUser online_access patient/Patient.rs"
BACK = "post_logout_redirect_uri"
OTHER = "https://elsewhere.example/bye"
STATE = "of the app & its own"


@dataclass(frozen=True)
class Leaving:
    """A person who signed in for an app, which got an id token and has an address to return to."""

    scene: Scene
    browser: Browser
    launched: Launched

    @property
    def hint(self) -> str:
        """The id token that the app got."""
        return str(self.launched.body.get("id_token", ""))

    @property
    def back(self) -> str:
        """Where the person goes afterwards."""
        address = self.launched.app.post_logout_redirect_uri
        expect(address, "the parties name no post_logout_redirect_uri of the app")
        return address

    def ask(self, *, post: bool = False, **params: str) -> Page:
        """The app sends the browser to sign out."""
        where = _endpoint(self.scene)
        return self.browser.post(where, list(params.items())) if post else self.browser.open(_with(where, params))

    def agree(self, page: Page) -> Page:
        """Answer the question whether to sign out, where one is asked."""
        form = next((one for one in page.forms if one.method == "post" and one.values(BACK)), None)
        return page if form is None else self.browser.submit(page, form, form.filled())

    def is_in(self) -> bool:
        """Whether the person is signed in: an app that asks silently is not told to have somebody sign in."""
        app, person = self.launched.app, self.scene.parties.patient
        asking = self.scene.asking(app, person, ASKED, browser=self.browser, prompt="none")
        expect(asking.told, f"the app was told nothing, at {asking.page.url[:80]}")
        return asking.told.get("error") != "login_required"


def begin(scene: Scene, app: App | None = None) -> Leaving:
    """A person signs in for an app in a browser of its own."""
    app, browser = app or scene.parties.public, Browser(scene.target)
    asking = scene.asking(app, scene.parties.patient, ASKED, browser=browser)
    answer = scene.redeem(app, asking)
    expect(answer.status == 200, f"the code was not exchanged: {told_of(answer)}")
    return Leaving(scene, browser, Launched(app, asking, answer))


def offered(scene: Scene) -> None:
    """The discovery document names the address."""
    expect("://" in _endpoint(scene), f"end_session_endpoint is {_endpoint(scene)!r}")


def back(scene: Scene) -> None:
    """Who signs out is sent to the address that the app registered, with its state to the letter."""
    one = begin(scene)
    page = one.agree(one.ask(id_token_hint=one.hint, post_logout_redirect_uri=one.back, state=STATE))
    expect((page.left or "").startswith(one.back), f"the browser is at {page.left or page.url[:80]}")
    expect(page.told.get("state") == STATE, f"the state is {page.told.get('state')!r}")


def out(scene: Scene) -> None:
    """Who signed out has to sign in again."""
    one = begin(scene)
    expect(one.is_in(), "the person was not signed in")
    one.agree(one.ask(id_token_hint=one.hint, post_logout_redirect_uri=one.back))
    expect(not one.is_in(), "the person is still signed in")


def asked_first(scene: Scene) -> None:
    """A link that brings no id token signs nobody out by itself."""
    one = begin(scene)
    page = one.ask(client_id=one.launched.app.client_id, post_logout_redirect_uri=one.back)
    expect(page.left is None, f"the browser was sent to {page.left}")
    expect(one.is_in(), "the person is signed out without having been asked")


def by_post(scene: Scene) -> None:
    """An app may ask by POST."""
    one = begin(scene)
    page = one.agree(one.ask(post=True, id_token_hint=one.hint, post_logout_redirect_uri=one.back))
    expect((page.left or "").startswith(one.back), f"the browser is at {page.left or page.url[:80]} ({page.status})")


def by_client_id(scene: Scene) -> None:
    """An app may say who it is by its client_id alone."""
    one = begin(scene)
    page = one.agree(one.ask(client_id=one.launched.app.client_id, post_logout_redirect_uri=one.back))
    expect((page.left or "").startswith(one.back), f"the browser is at {page.left or page.url[:80]} ({page.status})")


def unregistered(scene: Scene) -> None:
    """Nobody is sent to an address that the app did not register for this, its redirect URI neither."""
    one = begin(scene)
    for address in (OTHER, one.launched.app.redirect_uri, f"{one.back}/further"):
        page = one.agree(one.ask(id_token_hint=one.hint, post_logout_redirect_uri=address))
        expect(page.left is None, f"the browser was sent to {page.left}")


def unknown(scene: Scene) -> None:
    """Nobody is sent anywhere for an app that does not say who it is."""
    one = begin(scene)
    page = one.agree(one.ask(post_logout_redirect_uri=one.back))
    expect(page.left is None, f"the browser was sent to {page.left}")


def of_another(scene: Scene) -> None:
    """The id token that another app got does not speak for this one."""
    one = begin(scene)
    other = scene.parties.symmetric
    page = one.agree(one.ask(client_id=other.client_id, id_token_hint=one.hint, post_logout_redirect_uri=one.back))
    expect(page.left is None, f"the browser was sent to {page.left}")


def forged(scene: Scene) -> None:
    """An id token that this server did not sign is none."""
    one = begin(scene)
    head, claims, signature = one.hint.split(".")
    hint = f"{head}.{claims}.{'A' * len(signature)}"
    app = one.launched.app.client_id
    page = one.agree(one.ask(client_id=app, id_token_hint=hint, post_logout_redirect_uri=one.back))
    expect(page.left is None, f"the browser was sent to {page.left}")


def online(scene: Scene) -> None:
    """What an app has for as long as the person is online ends."""
    one = begin(scene)
    token = str(one.launched.body.get("refresh_token"))
    one.agree(one.ask(id_token_hint=one.hint, post_logout_redirect_uri=one.back))
    answer = scene.token(one.launched.app, {"grant_type": "refresh_token", "refresh_token": token})
    expect(answer.status in (400, 401), f"the refresh token still answers {answer.status}")


def _endpoint(scene: Scene) -> str:
    return str(scene.openid.get("end_session_endpoint", ""))


def _with(address: str, params: dict[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(params)}"


CHECKS = (
    Check(f"{CLAUSE} 2.1", "it is told where people sign out", offered),
    Check(f"{CLAUSE} 3", "who signs out goes back to the app with its state", back),
    Check(f"{CLAUSE} 2", "who signed out has to sign in again", out),
    Check(f"{CLAUSE} 2", "a link signs nobody out unasked", asked_first),
    Check(f"{CLAUSE} 2", "an app may ask by POST to sign out", by_post),
    Check(f"{CLAUSE} 2", "an app may name itself by its client_id to sign out", by_client_id),
    Check(f"{CLAUSE} 3", "an unregistered address is not gone to after signing out", unregistered),
    Check(f"{CLAUSE} 3", "no address is gone to for an app that is not known", unknown),
    Check(f"{CLAUSE} 2", "another app's id token is no hint", of_another),
    Check(f"{CLAUSE} 4", "a forged id token is no hint", forged),
    Check("SMART App Launch 2.2 scopes-and-launch-context.html#scopes-for-requesting-a-refresh-token",
          "online_access ends with the session", online),
)  # fmt: skip
