"""Checks of refresh tokens. Inferno: smart_token_refresh_stu2, (g)(10) token refresh with and without scopes.

Spec: RFC 6749 6; SMART App Launch 2.2 app-launch.html#refresh-access-token
"""

from __future__ import annotations

from conformance.check import Check, expect
from conformance.smart.launching import not_stored
from conformance.smart.parties import App
from conformance.smart.scene import Launched, Scene, told_of
from conformance.target import Answer

CLAUSE = "SMART App Launch 2.2 app-launch.html#refresh-access-token"
ASKED = "launch/patient openid fhirUser offline_access patient/Patient.rs patient/Observation.rs"


def _launched(scene: Scene, app: App) -> Launched:
    launched = scene.launched(app, scene.parties.patient, ASKED)
    expect(launched.body.get("refresh_token"), "offline_access gave no refresh token")
    return launched


def _refresh(scene: Scene, app: App, token: str, scope: str | None = None) -> Answer:
    return scene.token(app, {"grant_type": "refresh_token", "refresh_token": token, "scope": scope})


def _refreshed(scene: Scene, app: App, scope: str | None) -> None:
    launched = _launched(scene, app)
    answer = _refresh(scene, app, launched.body["refresh_token"], scope)
    body = answer.json() or {}
    expect(answer.status == 200, f"answered {told_of(answer)}")
    expect(body.get("access_token") not in (None, launched.access), "there is no new access token")
    missing = [name for name in ("token_type", "expires_in", "scope") if not body.get(name)]
    expect(not missing, f"missing: {missing}")
    expect(set(body["scope"].split()) == set((scope or ASKED).split()), f"the scope is {body['scope']!r}")
    not_stored(answer.headers.get("cache-control", ""), answer.headers.get("pragma", ""))
    read = scene.get(f"Patient/{launched.patient}", str(body["access_token"]))
    expect(read.status == 200, f"with the new token Patient answered {read.status}")


def with_secret(scene: Scene) -> None:
    """An app with a secret."""
    _refreshed(scene, scene.parties.symmetric, None)


def public(scene: Scene) -> None:
    """A public app."""
    _refreshed(scene, scene.parties.public, None)


def with_keys(scene: Scene) -> None:
    """An app with keys."""
    _refreshed(scene, scene.parties.asymmetric, None)


def narrower(scene: Scene) -> None:
    """A part of what was granted may be asked for."""
    _refreshed(scene, scene.parties.symmetric, "launch/patient offline_access patient/Patient.rs")


def broader(scene: Scene) -> None:
    """More than what was granted is refused."""
    launched = _launched(scene, scene.parties.symmetric)
    answer = _refresh(scene, scene.parties.symmetric, launched.body["refresh_token"], f"{ASKED} patient/Condition.rs")
    told = (answer.json() or {}).get("error")
    expect((answer.status, told) == (400, "invalid_scope"), f"answered {answer.status} {told}")


def unknown(scene: Scene) -> None:
    """What is no refresh token is refused."""
    answer = _refresh(scene, scene.parties.symmetric, "none")
    told = (answer.json() or {}).get("error")
    expect((answer.status, told) == (400, "invalid_grant"), f"answered {answer.status} {told}")


def of_another(scene: Scene) -> None:
    """A refresh token is good for the app only that got it."""
    launched = _launched(scene, scene.parties.public)
    answer = _refresh(scene, scene.parties.symmetric, launched.body["refresh_token"])
    expect(answer.status in (400, 401), f"another app was answered {answer.status}")


def only_on_demand(scene: Scene) -> None:
    """Without offline_access or online_access there is none."""
    launched = scene.launched(scene.parties.public, scene.parties.patient, "launch/patient patient/Patient.rs")
    expect("refresh_token" not in launched.body, "there is a refresh token")


def online(scene: Scene) -> None:
    """online_access gives one too, while the person is signed in."""
    asked = "launch/patient online_access patient/Patient.rs"
    launched = scene.launched(scene.parties.symmetric, scene.parties.patient, asked)
    answer = _refresh(scene, scene.parties.symmetric, str(launched.body.get("refresh_token")))
    expect(answer.status == 200, f"answered {answer.status}")


CHECKS = (
    Check(CLAUSE, "an app with a secret refreshes", with_secret),
    Check(CLAUSE, "a public app refreshes", public),
    Check(CLAUSE, "an app with keys refreshes", with_keys),
    Check(CLAUSE, "a refresh may ask for less", narrower),
    Check("RFC 6749 6", "a refresh may not ask for more", broader),
    Check("RFC 6749 5.2", "an unknown refresh token is refused", unknown),
    Check("RFC 6749 6", "a refresh token is its app's only", of_another),
    Check(CLAUSE, "there is a refresh token for offline or online access only", only_on_demand),
    Check(CLAUSE, "online_access can be refreshed", online),
)
