"""Checks of who signed in. Inferno: smart_openid_connect_stu2_2.

Spec: OpenID Connect Core 1.0 2, 3.1.3.7; SMART App Launch 2.2 scopes-and-launch-context.html
"""

from __future__ import annotations

import time
from typing import Any

from conformance.check import Check, Failed, expect
from conformance.smart import jose
from conformance.smart.scene import Launched, Scene

CLAUSE = "SMART App Launch 2.2 scopes-and-launch-context.html#scopes-for-requesting-identity-data"
REQUIRED = (
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "jwks_uri",
    "response_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
)
PEOPLE = ("Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person")
ORIGIN = "https://app.example"


def configuration(scene: Scene) -> None:
    """The OpenID discovery document is whole, of this issuer, and offers RS256."""
    missing = [name for name in REQUIRED if not scene.openid.get(name)]
    expect(not missing, f"missing: {missing}")
    expect(scene.openid["issuer"] == scene.smart.get("issuer"), "it is of another issuer")
    expect("RS256" in scene.openid["id_token_signing_alg_values_supported"], "RS256 is not offered")


def keys(scene: Scene) -> None:
    """The published keys are public RSA keys with names."""
    published = _keys(scene)
    expect(published, "there are none")
    for key in published:
        expect(key.get("kid") and key.get("kty") == "RSA", f"a key is {sorted(key)}")
        expect(not {"d", "p", "q"} & set(key), "a private key is published")


def signature(scene: Scene) -> None:
    """RS256 by one of the published keys."""
    token, header, _ = _token(scene.standalone)
    expect(header.get("alg") == "RS256", f"alg is {header.get('alg')!r}")
    named = [key for key in _keys(scene) if key.get("kid") == header.get("kid")]
    expect(len(named) == 1, f"{len(named)} published keys are called {header.get('kid')!r}")
    expect(jose.verifies(token, named[0]), "the signature is not of the key that it names")


def claims(scene: Scene) -> None:
    """By the issuer, for the app, of now, with the nonce that was sent."""
    _, _, told = _token(scene.standalone)
    expect(told.get("iss") == scene.openid.get("issuer"), f"iss is {told.get('iss')!r}")
    audience = told.get("aud")
    expect(scene.standalone.app.client_id in (audience if isinstance(audience, list) else [audience]), "for another")
    now = time.time()
    expect(now < told.get("exp", 0) <= now + 86400, f"exp is {told.get('exp')!r}")
    expect(now - 300 < told.get("iat", 0) <= now + 60, f"iat is {told.get('iat')!r}")
    expect(0 < len(str(told.get("sub", ""))) <= 255, f"sub is {told.get('sub')!r}")
    expect(told.get("nonce") == scene.standalone.asking.sent["nonce"], f"nonce is {told.get('nonce')!r}")


def fhir_user(scene: Scene) -> None:
    """The claim fhirUser is the address of a person's resource, which the token opens, also to apps in browsers."""
    for launched in (scene.standalone, scene.ehr):
        where = str(_token(launched)[2].get("fhirUser", ""))
        kind, _, id_ = where.removeprefix(f"{scene.fhir}/").partition("/")
        expect(where.startswith(scene.fhir) and kind in PEOPLE, f"fhirUser is {where!r}")
        answer = scene.get(f"{kind}/{id_}", launched.access, Origin=ORIGIN)
        expect(answer.status == 200, f"{kind}/{id_} answered {answer.status}")
        expect((answer.json() or {}).get("resourceType") == kind, "it is of another type")
        expect(answer.headers.get("access-control-allow-origin") in ("*", ORIGIN), "other origins may not read it")


def only_on_demand(scene: Scene) -> None:
    """Without the scope openid nobody is told who signed in."""
    launched = scene.launched(scene.parties.public, scene.parties.patient, "launch/patient patient/Patient.rs")
    expect("id_token" not in launched.body, "there is an id token")


def _token(launched: Launched) -> tuple[str, dict[str, Any], dict[str, Any]]:
    token = launched.body.get("id_token")
    expect(isinstance(token, str), "there is no id token")
    try:
        return str(token), *jose.decode(str(token))
    except ValueError as error:
        raise Failed(f"the id token is no JWT: {error}") from error


def _keys(scene: Scene) -> list[dict[str, Any]]:
    found = scene.target.ask("GET", str(scene.openid.get("jwks_uri")), token=False).json() or {}
    return list(found.get("keys", ()))


CHECKS = (
    Check("OpenID Connect Discovery 1.0 3", "the OpenID discovery document is whole", configuration),
    Check("OpenID Connect Discovery 1.0 3", "the keys of id tokens are published", keys),
    Check("OpenID Connect Core 1.0 3.1.3.7", "an id token is signed by a published key", signature),
    Check("OpenID Connect Core 1.0 2", "an id token is by the issuer for this app and request", claims),
    Check(CLAUSE, "fhirUser opens", fhir_user),
    Check(CLAUSE, "there is an id token for openid only", only_on_demand),
)
