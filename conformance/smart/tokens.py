"""Checks of introspection and revocation. Inferno: smart_token_introspection_stu2_2, (g)(10) token revocation.

Spec: RFC 7662; RFC 7009; SMART App Launch 2.2 token-introspection.html
"""

from __future__ import annotations

from urllib.parse import urlencode

from conformance.check import Check, expect
from conformance.smart import jose
from conformance.smart.browser import FORM
from conformance.smart.scene import Launched, Scene
from conformance.target import Answer

CLAUSE = "SMART App Launch 2.2 token-introspection.html"
ASKED = "launch/patient openid fhirUser offline_access patient/Patient.rs"


def _introspect(scene: Scene, token: str) -> Answer:
    return scene.as_client("introspection_endpoint", scene.parties.symmetric, {"token": token})


def active(scene: Scene) -> None:
    """Of a token that lives: what it opens, whose it is, until when, as the app was told."""
    launched = scene.standalone
    answer = _introspect(scene, launched.access)
    told = answer.json() or {}
    expect(answer.status == 200 and told.get("active") is True, f"answered {answer.status}")
    expect(set(str(told.get("scope")).split()) == launched.granted, f"the scope is {told.get('scope')!r}")
    expect(told.get("client_id") == launched.app.client_id, f"client_id is {told.get('client_id')!r}")
    expect(isinstance(told.get("exp"), int), f"exp is {told.get('exp')!r}")


def context(scene: Scene) -> None:
    """The launch context of the token is told too."""
    told = _introspect(scene, scene.ehr.access).json() or {}
    for name in ("patient", "encounter"):
        expect(told.get(name) == scene.ehr.body.get(name), f"{name} is {told.get(name)!r}")


def identity(scene: Scene) -> None:
    """Who signed in is told as in the id token."""
    told = _introspect(scene, scene.standalone.access).json() or {}
    claims = jose.decode(str(scene.standalone.body["id_token"]))[1]
    for name in ("iss", "sub", "fhirUser"):
        expect(told.get(name) == claims.get(name), f"{name} is {told.get(name)!r}")


def unknown(scene: Scene) -> None:
    """Of what is no token nothing is told but that."""
    answer = _introspect(scene, "none")
    expect((answer.status, answer.json()) == (200, {"active": False}), f"answered {answer.status} {answer.json()}")


def not_for_all(scene: Scene) -> None:
    """Nobody introspects without saying who asks."""
    body = urlencode({"token": scene.standalone.access}).encode()
    answer = scene.target.ask("POST", scene.endpoint("introspection_endpoint"), body, FORM, token=False)
    expect(answer.status == 401, f"answered {answer.status}")


def by_app(scene: Scene) -> None:
    """A refresh token that the app gives back ends the access."""
    app = scene.parties.symmetric
    launched = scene.launched(app, scene.parties.patient, ASKED)
    token = str(launched.body["refresh_token"])
    answer = scene.as_client("revocation_endpoint", app, {"token": token, "token_type_hint": "refresh_token"})
    expect(answer.status == 200, f"revocation answered {answer.status}")
    _over(scene, launched)


def access_by_app(scene: Scene) -> None:
    """An access token that the app gives back opens nothing more."""
    app = scene.parties.public
    launched = scene.launched(app, scene.parties.patient, ASKED)
    answer = scene.as_client("revocation_endpoint", app, {"token": launched.access})
    expect(answer.status == 200, f"revocation answered {answer.status}")
    read = scene.get(f"Patient/{launched.patient}", launched.access)
    expect(read.status == 401, f"the token still answers {read.status}")


def again(scene: Scene) -> None:
    """What is no token is given back without complaint."""
    answer = scene.as_client("revocation_endpoint", scene.parties.symmetric, {"token": "none"})
    expect(answer.status == 200, f"answered {answer.status}")


def by_person(scene: Scene) -> None:
    """A person takes back an app's access at the management endpoint, at once."""
    app, person = scene.parties.asymmetric, scene.parties.patient
    launched = scene.launched(app, person, ASKED)
    browser = scene.browser(person)
    page = browser.open(scene.endpoint("management_endpoint"))
    form = next((one for one in page.forms if app.client_id in one.values("client")), None)
    expect(form is not None, f"the page ({page.status}) does not list the app")
    assert form is not None
    browser.submit(page, form, [*form.filled(), ("client", app.client_id)])
    _over(scene, launched)


def _over(scene: Scene, launched: Launched) -> None:
    read = scene.get(f"Patient/{launched.patient}", launched.access)
    expect(read.status == 401, f"the access token still answers {read.status}")
    form = {"grant_type": "refresh_token", "refresh_token": str(launched.body["refresh_token"])}
    answer = scene.token(launched.app, form)
    expect(answer.status in (400, 401), f"the refresh token still answers {answer.status}")


CHECKS = (
    Check(f"{CLAUSE}#required-fields-in-the-introspection-response", "a living token is described", active),
    Check(f"{CLAUSE}#conditional-fields-in-the-introspection-response", "its launch context is told", context),
    Check(f"{CLAUSE}#conditional-fields-in-the-introspection-response", "who signed in is told", identity),
    Check("RFC 7662 2.2", "of what is no token nothing is told", unknown),
    Check("RFC 7662 2.1", "introspection is not for everybody", not_for_all),
    Check("RFC 7009 2.1", "an app gives back its refresh token, and all ends", by_app),
    Check("RFC 7009 2.1", "an app gives back an access token", access_by_app),
    Check("RFC 7009 2.2", "an unknown token is given back without complaint", again),
    Check("45 CFR 170.315(g)(10)(vi)", "a person takes back an app's access", by_person),
)
