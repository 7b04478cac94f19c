"""Checks of answers that come to the app as a form, which the person's browser sends. Inferno has no group of them.

Spec: OAuth 2.0 Form Post Response Mode 2, 4; OAuth 2.0 Multiple Response Type Encoding Practices 2.1
"""

from __future__ import annotations

from conformance.check import Check, expect
from conformance.smart.asking import ALLOW, Asking, Decision
from conformance.smart.scene import Scene, told_of

CLAUSE = "OAuth 2.0 Form Post Response Mode"
ASKED = "launch/patient openid fhirUser patient/Patient.rs"
MODE = "form_post"


def _asking(scene: Scene, decision: Decision = ALLOW, **more: str) -> Asking:
    asked = {"response_mode": MODE} | more
    return scene.asking(scene.parties.public, scene.parties.patient, ASKED, decision, post=False, browser=None, **asked)


def offered(scene: Scene) -> None:
    """The discovery document says so, and that the query is still there."""
    modes = set(scene.openid.get("response_modes_supported", ()))
    expect({"query", MODE} <= modes, f"the response modes are {sorted(modes)}")


def by_form(scene: Scene) -> None:
    """Code, state and issuer stand in the form, and nothing of them in an address; the code is good."""
    asking = _asking(scene)
    expect(asking.page.left is None, f"the browser was sent to {asking.page.left}")
    expect(asking.told.get("code"), "there is no form with a code for the app")
    expect(asking.told["code"] not in asking.page.url, "the code stands in an address")
    expect(asking.told.get("state") == asking.sent["state"], f"the state is {asking.told.get('state')!r}")
    expect(asking.told.get("iss") == scene.openid.get("issuer"), f"iss is {asking.told.get('iss')!r}")
    answer = scene.redeem(scene.parties.public, asking)
    expect(answer.status == 200, f"the code was not exchanged: {told_of(answer)}")


def not_kept(scene: Scene) -> None:
    """The page with the form is kept by nobody."""
    asking = _asking(scene)
    kept = asking.page.headers.get("cache-control", "")
    expect(asking.code and "no-store" in kept, f"Cache-Control is {kept!r}")


def without_scripts(scene: Scene) -> None:
    """A browser that runs no script has a button to go on with."""
    asking = _asking(scene)
    expect(asking.code, "there is no form for the app")
    expect(b"<button" in asking.page.body or b'type="submit"' in asking.page.body, "the form has no button")


def denied(scene: Scene) -> None:
    """A refusal comes in the same way."""
    asking = _asking(scene, Decision(allow=False), prompt="consent")
    expect(asking.told.get("error") == "access_denied", f"the app is told {dict(asking.told)}")
    expect(asking.told.get("state") == asking.sent["state"], "without its state")


def another(scene: Scene) -> None:
    """A way of answering that is not known gives no code in any other."""
    asking = scene.asking(
        scene.parties.public, scene.parties.patient, ASKED, ALLOW, post=False, response_mode="fragment"
    )
    expect("code" not in asking.page.told, "there is a code")
    expect(asking.told.get("error") == "invalid_request", f"the app is told {dict(asking.told)}")


CHECKS = (
    Check("OAuth 2.0 Multiple Response Type Encoding Practices 2.1", "answers by a form are offered", offered),
    Check(f"{CLAUSE} 2", "the code comes in a form", by_form),
    Check(f"{CLAUSE} 4", "the form with the code is not kept", not_kept),
    Check(f"{CLAUSE} 2", "the form can be sent without scripts", without_scripts),
    Check(f"{CLAUSE} 2", "a denial comes in a form too", denied),
    Check("OAuth 2.0 Multiple Response Type Encoding Practices 2.1", "another response_mode gives no code", another),
)
