"""Checks of capabilities that no other group shows at work, and by capability the checks that show each.

Spec: SMART App Launch 2.2, hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#capability-sets; SMART Imaging Access
0.1.0, build.fhir.org/ig/argonautproject/smart-imaging/specification.html
"""

from __future__ import annotations

from collections.abc import Mapping

from conformance.check import Check, expect
from conformance.smart.asking import Decision
from conformance.smart.scene import Scene

CONTEXT = "SMART App Launch 2.2 scopes-and-launch-context.html"
IMAGING = "SMART Imaging Access 0.1.0 specification.html"
ORIGIN = {"Origin": "https://app.example"}
STYLES = {
    "color_background", "color_error", "color_highlight", "color_modal_backdrop", "color_success", "color_text",
    "dim_border_radius", "dim_font_size", "dim_spacing_size", "font_family_body", "font_family_heading",
}  # fmt: skip
"""The properties of a style."""


def style(scene: Scene) -> None:
    """The token answer names a style, which is public JSON of the properties that there are, for every origin."""
    where = scene.ehr.body.get("smart_style_url")
    expect(isinstance(where, str) and "://" in where, f"smart_style_url is {where!r}")
    answer = scene.target.ask("GET", str(where), None, {"Accept": "application/json", **ORIGIN}, token=False)
    expect(answer.status == 200, f"it answered {answer.status}")
    allowed = answer.headers.get("access-control-allow-origin")
    expect(allowed in ("*", ORIGIN["Origin"]), "it may not be read by another origin")
    found = answer.json()
    expect(isinstance(found, dict) and bool(found), f"it is {answer.body[:100]!r}")
    unknown = sorted(set(found or ()) - STYLES)
    expect(not unknown, f"no properties of a style: {unknown}")
    expect(all(isinstance(value, str) and value for value in (found or {}).values()), "a value is no text")


def standalone_encounter(scene: Scene) -> None:
    """An app that asks for a visit gets one of the patient's, and may read it."""
    asked = "launch/patient launch/encounter patient/Encounter.rs"
    launched = scene.launched(scene.parties.public, scene.parties.patient, asked)
    told = launched.body.get("encounter")
    expect(bool(told), "there is no encounter")
    answer = scene.get(f"Encounter/{told}", launched.access)
    expect(answer.status == 200, f"Encounter/{told} answered {answer.status}")
    subject = (answer.json() or {}).get("subject", {}).get("reference")
    expect(subject == f"Patient/{launched.patient}", f"it is a visit of {subject}")


def images_of_an_app(scene: Scene) -> None:
    """The token with which an app finds a study opens its images, and no other patient's token does."""
    study, owner = _study(scene)
    asked = "launch/patient patient/ImagingStudy.rs"
    launched = scene.launched(scene.parties.public, scene.parties.practitioner, asked, Decision(patient=owner))
    expect(launched.patient == owner, f"the context is Patient/{launched.patient}")
    _opens(scene, study, launched.access, 200)
    other = scene.standalone
    _opens(scene, study, other.access, 200 if other.patient == owner else 404)
    _opens(scene, study, "none", 401)


def images_of_a_service(scene: Scene) -> None:
    """A service's token opens images."""
    answer = scene.token(scene.parties.service, {"grant_type": "client_credentials", "scope": "system/*.rs"})
    expect(answer.status == 200, f"the service got no token: {answer.status}")
    _opens(scene, _study(scene)[0], str((answer.json() or {}).get("access_token")), 200)


def _study(scene: Scene) -> tuple[str, str]:
    """Where the images of some study are retrieved from, and whose it is. Raises Failed."""
    found = scene.target.ask("GET", f"{scene.fhir}/ImagingStudy?_count=1").json() or {}
    expect(bool(found.get("entry")), "there is no ImagingStudy")
    study = found["entry"][0]["resource"]
    endpoints = {f"#{one['id']}": one for one in study.get("contained", ()) if one["resourceType"] == "Endpoint"}
    named = [endpoints[one["reference"]] for one in study.get("endpoint", ()) if one["reference"] in endpoints]
    expect(bool(named), "it contains no Endpoint")
    uid = next(one["value"] for one in study["identifier"] if one.get("system") == "urn:dicom:uid")
    address = f"{named[0]['address']}/studies/{uid.removeprefix('urn:oid:')}"
    return address, study["subject"]["reference"].removeprefix("Patient/")


def _opens(scene: Scene, address: str, token: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/dicom+json"}
    answer = scene.target.ask("GET", f"{address}/metadata", None, headers, token=False)
    expect(answer.status == status, f"the study answered {answer.status}, not {status}")


CHECKS = (
    Check(f"{CONTEXT}#styling", "a started app finds how it is to look", style),
    Check(f"{CONTEXT}#apps-that-launch-standalone", "an app that asks for a visit gets one", standalone_encounter),
    Check(f"{IMAGING}#retrieving-images", "an app's token opens the images of its patient", images_of_an_app),
    Check(f"{IMAGING}#retrieving-images", "a service's token opens images", images_of_a_service),
)

SHOWN: Mapping[str, tuple[str, ...]] = {
    "launch-ehr": ("a started app gets its patient and encounter", "an app is started from the pages"),
    "launch-standalone": ("the app gets a code and its state",),
    "authorize-post": ("a request may come by POST",),
    "client-public": ("a public app gets access by PKCE",),
    "client-confidential-symmetric": ("the token answer has its members and is not cached",),
    "client-confidential-asymmetric": ("an app with keys gets access", "a service with RS384 is let in"),
    "sso-openid-connect": ("an id token is signed by a published key", "fhirUser opens"),
    "context-banner": ("a started app knows whether to show a banner",),
    "context-style": ("a started app finds how it is to look",),
    "context-ehr-patient": ("a started app gets its patient and encounter",),
    "context-ehr-encounter": ("a started app gets its patient and encounter",),
    "context-standalone-patient": ("the patient in context opens", "a practitioner chooses the patient"),
    "context-standalone-encounter": ("an app that asks for a visit gets one",),
    "permission-offline": ("an app with a secret refreshes",),
    "permission-online": ("online_access can be refreshed",),
    "permission-patient": ("another patient is not there",),
    "permission-user": ("a started app sees as the practitioner",),
    "permission-v1": ("read of version 1 opens reads and searches",),
    "permission-v2": ("r opens no search", "s opens no read", "rs opens no write"),
    "smart-imaging-access": ("an app's token opens the images of its patient",),
    "http://fhir.org/argonaut/smart-imaging/capabilities/app-launch": (
        "an app's token opens the images of its patient",
    ),
    "http://fhir.org/argonaut/smart-imaging/capabilities/backend-services": ("a service's token opens images",),
}
"""By capability, the requirements of the checks that show it at work."""
