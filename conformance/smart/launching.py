"""Checks of launches. Inferno: smart_standalone_launch_stu2_2, smart_ehr_launch_stu2_2, and the (g)(10) groups
standalone patient app (full and limited), EHR practitioner app, EHR patient launch, public and asymmetric launch.

Spec: SMART App Launch 2.2, hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
"""

from __future__ import annotations

from urllib.parse import urlsplit

from conformance.check import Check, expect
from conformance.smart.asking import Decision
from conformance.smart.scene import STANDALONE, Launched, Scene

CLAUSE = "SMART App Launch 2.2 app-launch.html"
CONTEXT = "SMART App Launch 2.2 scopes-and-launch-context.html"
ORIGIN = {"Origin": "https://app.example"}


def code_and_state(scene: Scene) -> None:
    """The browser comes back with a code, the state that was sent, and who answered."""
    asking = scene.standalone.asking
    expect(bool(asking.code), "no code")
    expect(asking.told.get("state") == asking.sent["state"], f"the state is {asking.told.get('state')!r}")


def issuer(scene: Scene) -> None:
    """The answer names the issuer, where the discovery document promises it."""
    expect(scene.openid.get("authorization_response_iss_parameter_supported") is True, "it is not promised")
    told = scene.standalone.asking.told.get("iss")
    expect(told == scene.openid.get("issuer"), f"iss is {told!r}")


def token_answer(scene: Scene) -> None:
    """The members of the answer, and the headers that keep it out of caches."""
    answer, body = scene.standalone.answer, scene.standalone.body
    missing = [name for name in ("access_token", "token_type", "expires_in", "scope") if not body.get(name)]
    expect(not missing, f"missing: {missing}")
    expect(str(body["token_type"]).lower() == "bearer", f"token_type is {body['token_type']!r}")
    expect(isinstance(body["expires_in"], int) and body["expires_in"] <= 3600, f"expires_in is {body['expires_in']!r}")
    expect(answer.headers.get("content-type", "").startswith("application/json"), "it is not application/json")
    not_stored(answer.headers.get("cache-control", ""), answer.headers.get("pragma", ""))


def not_stored(cache_control: str, pragma: str) -> None:
    """Answers with tokens stay out of caches."""
    expect("no-store" in cache_control, f"Cache-Control is {cache_control!r}")
    expect("no-cache" in pragma, f"Pragma is {pragma!r}")


def all_granted(scene: Scene) -> None:
    """What the person leaves ticked is granted, in the words that were asked."""
    missing = set(STANDALONE.split()) - scene.standalone.granted
    expect(not missing, f"not granted: {sorted(missing)}")


def patient_context(scene: Scene) -> None:
    """The patient in context is one that the token opens."""
    _opens_patient(scene, scene.standalone)


def _opens_patient(scene: Scene, launched: Launched) -> None:
    answer = scene.get(f"Patient/{launched.patient}", launched.access)
    expect(answer.status == 200, f"Patient/{launched.patient} answered {answer.status}")
    expect((answer.json() or {}).get("id") == launched.patient, "it is another resource")


def needs_token(scene: Scene) -> None:
    """Without a token, and with one that is none, the same resource is closed."""
    path = f"{scene.fhir}/Patient/{scene.standalone.patient}"
    for headers in ({}, {"Authorization": "Bearer none"}):
        answer = scene.target.ask("GET", path, None, headers, token=False)
        expect(answer.status == 401, f"answered {answer.status}")
        expect("bearer" in answer.headers.get("www-authenticate", "").lower(), "without WWW-Authenticate: Bearer")


def other_origins(scene: Scene) -> None:
    """Apps in browsers may exchange codes and read resources."""
    asking = scene.asking(scene.parties.public, scene.parties.patient, STANDALONE)
    form = {"grant_type": "authorization_code", "code": asking.code, "code_verifier": asking.verifier,
            "redirect_uri": asking.sent["redirect_uri"]}  # fmt: skip
    answers = {"token": scene.token(scene.parties.public, form, ORIGIN)}
    answers["Patient"] = scene.get(f"Patient/{scene.standalone.patient}", scene.standalone.access, **ORIGIN)
    for what, answer in answers.items():
        expect(answer.status == 200, f"{what} answered {answer.status}")
        allowed = answer.headers.get("access-control-allow-origin")
        expect(allowed in ("*", ORIGIN["Origin"]), f"{what} may not be read by another origin")


def by_post(scene: Scene) -> None:
    """The authorization request may come as a form."""
    launched = scene.launched(scene.parties.public, scene.parties.patient, STANDALONE, post=True)
    _opens_patient(scene, launched)


def public_app(scene: Scene) -> None:
    """An app without a secret gets access by PKCE alone."""
    _opens_patient(scene, scene.launched(scene.parties.public, scene.parties.patient, STANDALONE))


def asymmetric_app(scene: Scene) -> None:
    """An app proves itself with a signed assertion."""
    _opens_patient(scene, scene.launched(scene.parties.asymmetric, scene.parties.patient, STANDALONE))


def choice(scene: Scene) -> None:
    """A practitioner chooses the patient, and the app gets that one."""
    chosen = scene.standalone.patient
    asked = "launch/patient openid fhirUser patient/Patient.rs"
    launched = scene.launched(scene.parties.public, scene.parties.practitioner, asked, Decision(patient=chosen))
    expect(launched.patient == chosen, f"the context is Patient/{launched.patient}, not {chosen}")
    _opens_patient(scene, launched)


def denied(scene: Scene) -> None:
    """Who denies sends the app away with access_denied and its state."""
    asked = "launch/patient patient/Encounter.rs"
    asking = scene.asking(scene.parties.public, scene.parties.patient, asked, Decision(allow=False), prompt="consent")
    expect(asking.told.get("error") == "access_denied", f"the app is told {dict(asking.told)}")
    expect(asking.told.get("state") == asking.sent["state"], "without its state")


def ehr_context(scene: Scene) -> None:
    """The token names the patient and the encounter that the app was started at."""
    expect(scene.ehr.patient == scene.standalone.patient, f"the patient is {scene.ehr.patient}")
    told = scene.ehr.body.get("encounter")
    expect(told == scene.encounter(scene.ehr.patient), f"the encounter is {told!r}")


def ehr_scopes(scene: Scene) -> None:
    """Access as the practitioner is granted, and opens the patient."""
    expect({"launch", "user/*.rs"} <= scene.ehr.granted, f"granted: {sorted(scene.ehr.granted)}")
    _opens_patient(scene, scene.ehr)


def banner(scene: Scene) -> None:
    """The app is told whether it has to show whose record it is."""
    told = scene.ehr.body.get("need_patient_banner")
    expect(isinstance(told, bool), f"need_patient_banner is {told!r}")


def ehr_as_patient(scene: Scene) -> None:
    """An app that a patient's account is started with gets that patient."""
    app, person, patient = scene.parties.symmetric, scene.parties.patient, scene.standalone.patient
    launched = scene.launched(
        app, person, "launch openid fhirUser patient/*.rs", launch=scene.launch(app, person, patient)
    )
    expect(launched.patient == patient, f"the context is Patient/{launched.patient}")
    expect("patient/*.rs" in launched.granted, f"granted: {sorted(launched.granted)}")


def from_pages(scene: Scene) -> None:
    """The pages start an app with `iss` and `launch` at its launch URI."""
    person, app = scene.parties.practitioner, scene.parties.public
    scene.asking(app, person, "openid fhirUser")
    browser = scene.browser(person)
    page = browser.open(f"{scene.target.base}/account/")
    form = next((one for one in page.forms if app.client_id in one.values("client")), None)
    expect(form is not None, "the pages offer no app to start")
    assert form is not None
    left = browser.submit(page, form, [*form.filled(), ("client", app.client_id)])
    expect(urlsplit(left.left or "").path == urlsplit(app.launch_uri).path, f"the browser is at {left.url}")
    expect(left.told.get("iss") == scene.fhir and left.told.get("launch"), f"the app is told {left.told}")
    wanted = "launch openid fhirUser patient/Patient.rs"
    launched = scene.launched(app, person, wanted, launch=left.told["launch"])
    expect(launched.patient in form.values("patient"), "the context is another patient")


CHECKS = (
    Check(f"{CLAUSE}#obtain-authorization-code", "the app gets a code and its state", code_and_state),
    Check("RFC 9207 section 2", "the app is told who answered", issuer),
    Check(f"{CLAUSE}#obtain-access-token", "the token answer has its members and is not cached", token_answer),
    Check(f"{CONTEXT}#quick-start", "all that the person leaves ticked is granted", all_granted),
    Check(f"{CONTEXT}#launch-context-arrives-with-your-access_token", "the patient in context opens", patient_context),
    Check("RFC 6750 section 3", "nothing opens without a token", needs_token),
    Check(f"{CLAUSE}#considerations-for-cross-origin-resource-sharing-cors-support",
          "apps in browsers get tokens and read", other_origins),
    Check(f"{CLAUSE}#obtain-authorization-code", "a request may come by POST", by_post),
    Check(f"{CLAUSE}#obtain-access-token", "a public app gets access by PKCE", public_app),
    Check("SMART App Launch 2.2 client-confidential-asymmetric.html", "an app with keys gets access", asymmetric_app),
    Check(f"{CONTEXT}#apps-that-launch-standalone", "a practitioner chooses the patient", choice),
    Check("RFC 6749 section 4.1.2.1", "the app is told when the person denies", denied),
    Check(f"{CONTEXT}#apps-that-launch-from-the-ehr", "a started app gets its patient and encounter", ehr_context),
    Check(f"{CONTEXT}#scopes-for-requesting-fhir-resources", "a started app sees as the practitioner", ehr_scopes),
    Check(f"{CONTEXT}#styling", "a started app knows whether to show a banner", banner),
    Check(f"{CLAUSE}#launch-app-ehr-launch", "an app is started by a patient's account", ehr_as_patient),
    Check(f"{CLAUSE}#launch-app-ehr-launch", "an app is started from the pages", from_pages),
)  # fmt: skip
