"""Checks of what must not work. Inferno: (g)(10) invalid aud, invalid launch, invalid token request, invalid PKCE.

Spec: SMART App Launch 2.2 app-launch.html; RFC 6749 4.1.2.1, 5.2; RFC 7636 4.6; RFC 9700 2.1
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial

from conformance.check import Check, expect
from conformance.smart.asking import ALLOW, Asking
from conformance.smart.parties import App
from conformance.smart.scene import Scene

EHR = "SMART App Launch 2.2 app-launch.html#launch-app-ehr-launch"
CLAUSE = "SMART App Launch 2.2 app-launch.html#obtain-authorization-code"
ASKED = "launch/patient openid fhirUser patient/Patient.rs"
OTHER = "https://elsewhere.example/callback"


def _asking(scene: Scene, scope: str = ASKED, **more: str | None) -> Asking:
    return scene.asking(scene.parties.public, scene.parties.patient, scope, ALLOW, post=False, browser=None, **more)


def refused(error: str | None, scope: str = ASKED, **more: str | None) -> Callable[[Scene], None]:
    """A check that a request with these parameters gives no code; with `error`, that the app is told so."""
    return partial(_refused, error, scope, more)


def _refused(error: str | None, scope: str, more: dict[str, str | None], scene: Scene) -> None:
    asking = _asking(scene, scope, **more)
    expect("code" not in asking.told and "code" not in asking.page.told, "there is a code")
    if error is None:
        expect(asking.page.left is None, f"the browser was sent to {asking.page.left}")
        expect(400 <= asking.page.status < 500, f"the page answered {asking.page.status}")
        return
    expect(asking.told.get("error") == error, f"the app is told {dict(asking.told)}, at {asking.page.url[:80]}")
    expect(asking.told.get("state") == asking.sent["state"], "without its state")


def other_verifier(change: Callable[[Asking], str | None], scene: Scene) -> None:
    """The verifier is what the code was asked with."""
    asking = _asking(scene)
    answer = scene.redeem(scene.parties.public, asking, code_verifier=change(asking))
    expect(answer.status in (400, 401), f"answered {answer.status}")
    expect("access_token" not in (answer.json() or {}), "there is a token")


def code_unknown(scene: Scene) -> None:
    """What is no code is refused."""
    answer = scene.redeem(scene.parties.public, _asking(scene), code="none")
    told = (answer.json() or {}).get("error")
    expect((answer.status, told) == (400, "invalid_grant"), f"answered {answer.status} {told}")


def code_of_another(scene: Scene) -> None:
    """A code is good for the app only that asked."""
    answer = scene.redeem(scene.parties.symmetric, _asking(scene))
    expect(answer.status in (400, 401), f"another app was answered {answer.status}")


def code_twice(scene: Scene) -> None:
    """A code is good once; a second use takes back what it gave."""
    asking = _asking(scene)
    first = scene.redeem(scene.parties.public, asking)
    expect(first.status == 200, f"the first was answered {first.status}")
    second = scene.redeem(scene.parties.public, asking)
    expect(second.status == 400, f"the second was answered {second.status}")
    read = scene.get(f"Patient/{first.json()['patient']}", first.json()["access_token"])
    expect(read.status == 401, f"the token that the code gave answers {read.status}")


def address_changed(scene: Scene) -> None:
    """The redirect URI of the exchange is that of the request."""
    answer = scene.redeem(scene.parties.public, _asking(scene), redirect_uri=OTHER)
    expect(answer.status in (400, 401), f"answered {answer.status}")


def app_unknown(scene: Scene) -> None:
    """A client_id that is none is refused."""
    stranger = App("none", "none", scene.parties.public.redirect_uri, "", "", {})
    answer = scene.redeem(stranger, _asking(scene))
    expect(answer.status in (400, 401), f"answered {answer.status}")


def secret_wrong(scene: Scene) -> None:
    """An app with a secret proves it; the refusal says how."""
    app = scene.parties.symmetric
    asking = scene.asking(app, scene.parties.patient, ASKED)
    liar = App(app.client_id, app.auth, app.redirect_uri, "", "wrong", {})
    answer = scene.redeem(liar, asking)
    told = (answer.json() or {}).get("error")
    expect((answer.status, told) == (401, "invalid_client"), f"answered {answer.status} {told}")
    expect("basic" in answer.headers.get("www-authenticate", "").lower(), "without WWW-Authenticate: Basic")


def secret_missing(scene: Scene) -> None:
    """An app with a secret is not taken for a public one."""
    app = scene.parties.symmetric
    asking = scene.asking(app, scene.parties.patient, ASKED)
    bare = App(app.client_id, "none", app.redirect_uri, "", "", {})
    answer = scene.redeem(bare, asking)
    expect(answer.status in (400, 401), f"answered {answer.status}")


def launch_twice(scene: Scene) -> None:
    """A launch starts an app once."""
    app, person = scene.parties.asymmetric, scene.parties.practitioner
    launch = scene.launch(app, person, scene.standalone.patient)
    scope = "launch openid fhirUser patient/Patient.rs"
    expect(scene.asking(app, person, scope, launch=launch).code, "it did not start the app")
    again = scene.asking(app, person, scope, launch=launch)
    expect("error" in again.told, f"the second time the app is told {dict(again.told)}")


def launch_of_another(scene: Scene) -> None:
    """A launch is for the app and the person that it was made for."""
    person = scene.parties.practitioner
    launch = scene.launch(scene.parties.asymmetric, person, scene.standalone.patient)
    scope = "launch openid fhirUser patient/Patient.rs"
    other = scene.asking(scene.parties.symmetric, person, scope, launch=launch)
    expect("error" in other.told, f"the other app is told {dict(other.told)}")


VERIFIERS: dict[str, Callable[[Asking], str | None]] = {
    "no code_verifier": lambda _: None,
    "a blank code_verifier": lambda _: "",
    "another code_verifier": lambda _: secrets.token_urlsafe(48),
    "the code_challenge as its verifier": lambda asking: asking.sent["code_challenge"],
}
PLAIN = secrets.token_urlsafe(32)

CHECKS = (
    Check(CLAUSE, "another aud gives no code", refused("invalid_request", aud="https://elsewhere.example/fhir")),
    Check(CLAUSE, "a missing aud gives no code", refused("invalid_request", aud=None)),
    Check(EHR, "an unknown launch gives no code",
          refused("invalid_request", "launch openid fhirUser patient/Patient.rs", launch="none")),
    Check(CLAUSE, "the scope launch without a launch gives no code", refused("invalid_request", "launch openid")),
    Check(EHR, "a launch is good once", launch_twice),
    Check(EHR, "a launch is its app's only", launch_of_another),
    Check("RFC 9700 2.1", "an unregistered redirect URI is not gone to", refused(None, redirect_uri=OTHER)),
    Check("RFC 6749 3.1.2.4", "an unknown app is not gone back to", refused(None, client_id="none")),
    Check("RFC 6749 section 4.1.2.1", "the implicit flow gives nothing",
          refused("unsupported_response_type", response_type="token")),
    Check(CLAUSE, "no code without PKCE", refused("invalid_request", code_challenge=None, code_challenge_method=None)),
    Check(CLAUSE, "no code by PKCE with plain",
          refused("invalid_request", code_challenge=PLAIN, code_challenge_method="plain")),
    *(Check("RFC 7636 4.6", f"{name} gives no token", partial(other_verifier, change))
      for name, change in VERIFIERS.items()),
    Check("RFC 6749 5.2", "an unknown code gives no token", code_unknown),
    Check("RFC 6749 4.1.3", "a code is its app's only", code_of_another),
    Check("RFC 6749 4.1.2", "a code is good once", code_twice),
    Check("RFC 6749 4.1.3", "another redirect URI gives no token", address_changed),
    Check("RFC 6749 5.2", "an unknown app gets no token", app_unknown),
    Check("RFC 6749 5.2", "a wrong secret gives no token", secret_wrong),
    Check("RFC 6749 3.2.1", "a left out secret gives no token", secret_missing),
)  # fmt: skip
