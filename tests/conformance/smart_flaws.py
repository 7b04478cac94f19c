"""A flaw of a server for each check of SMART: by the check's requirement, what is changed on the way.

The checks of US Core's types, of assertions and of verifiers share theirs.
"""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from conformance.smart import jose
from conformance.smart.us_core import RECORD
from conformance.target import Answer, Asked
from tests.support.flaws import (
    Change,
    Flaw,
    answered,
    asked,
    body,
    drops,
    fields,
    member,
    one_more,
    rewritten,
    said,
    sent_to,
    status,
    without,
)

SMART, OPENID, METADATA, JWKS = "smart-configuration", "openid-configuration", "/fhir/metadata", "jwks.json"
AUTHORIZE, TOKEN, REFRESH = "/oauth/authorize", "POST .*/oauth/token", "POST .*/oauth/token .*grant_type=refresh_token"
SERVICE = "POST .*/oauth/token .*client_credentials"
INTROSPECT, REVOKE = "/oauth/introspect", "/oauth/revoke"
BACK = "GET .*(oauth/authorize|account/authorize)|POST .*account/authorize"
"""Requests whose answers send the browser back to the app."""
DECISION = "POST .*account/authorize/decision"
LABORATORY = {"resource": {"category": [{"coding": [{"code": "laboratory"}]}]}}
"""An entry that a scope for vital signs does not open."""
CALLBACK = "https://app.example/callback"


def claim(name: str, value: Any) -> Change:
    """An id token with another claim; its signature stays."""

    def change(found: dict[str, Any]) -> dict[str, Any]:
        if "id_token" not in found:
            return found
        header, _, signature = found["id_token"].split(".")
        claims = jose.decode(found["id_token"])[1] | {name: value}
        encoded = jose.sign({}, claims, KEY).split(".")[1]
        return found | {"id_token": f"{header}.{encoded}.{signature}"}

    return body(change)


def of_rest(change: Change) -> Change:
    """A change of the first `rest` of a capability statement, as if it were a body."""

    def changed(found: dict[str, Any]) -> dict[str, Any]:
        answer = change(Answer(200, {}, json.dumps(found["rest"][0]).encode()))
        return found | {"rest": [answer.json()]}

    return body(changed)


def own_base(asked: Asked) -> str:
    """The FHIR base of the server that is asked."""
    return asked.url.partition("/oauth/")[0] + "/fhir"


KEY = ec.generate_private_key(ec.SECP384R1())
NO_ORIGIN = said("access-control-allow-origin", "")
GIVEN: Change = lambda answer: status(200)(member("access_token", "given")(answer))  # noqa: E731 - one of the changes
LEFT: Change = lambda answer: status(303)(said("location", "https://elsewhere.example/bye")(answer))  # noqa: E731
LET_IN: Change = lambda answer: (  # noqa: E731
    sent_to(error=None, code="given")(answer) if "error=" in answer.headers.get("location", "") else answer
)

FLAWS: dict[str, Flaw] = {
    "the discovery document is public JSON": answered(SMART, said("content-type", "text/html")),
    "the discovery document has its required members": answered(SMART, without("jwks_uri")),
    "PKCE is offered with S256 and never plain": answered(
        SMART, member("code_challenge_methods_supported", ["S256", "plain"])
    ),
    "all capabilities": answered(SMART, body(lambda found: found | {"capabilities": found["capabilities"][1:]})),
    "each capability that is claimed has a check": answered(
        SMART, body(lambda found: found | {"capabilities": [*found["capabilities"], "context-telepathy"]})
    ),
    "a started app finds how it is to look": answered("GET .*style", member("color_nothing", "#fff")),
    "an app that asks for a visit gets one": answered(TOKEN, without("encounter")),
    "an app's token opens the images of its patient": answered("GET .*/dicomweb/studies/", status(200)),
    "a service's token opens images": answered("GET .*/dicomweb/studies/", status(404)),
    "the capability statement names the same endpoints": answered(METADATA, of_rest(member("security", {}))),
    "discovery can be read from other origins": answered(METADATA, NO_ORIGIN),
    "the app gets a code and its state": answered(BACK, sent_to(state="another")),
    "the app is told who answered": answered(BACK, sent_to(iss="https://elsewhere.example")),
    "the token answer has its members and is not cached": answered(TOKEN, said("cache-control", "max-age=60")),
    "all that the person leaves ticked is granted": answered(TOKEN, member("scope", "launch/patient openid")),
    "the patient in context opens": answered(TOKEN, member("patient", "another")),
    "nothing opens without a token": answered("GET .*/fhir/Patient/", status(200)),
    "apps in browsers get tokens and read": answered(TOKEN, NO_ORIGIN),
    "a request may come by POST": answered(f"POST .*{AUTHORIZE}", status(405)),
    "a public app gets access by PKCE": answered(f"{TOKEN} client_id", status(401)),
    "an app with keys gets access": answered(f"{TOKEN} .*client_assertion", status(401)),
    "a practitioner chooses the patient": answered(f"{TOKEN} client_id", member("patient", "another")),
    "the app is told when the person denies": answered(DECISION, sent_to(error="server_error")),
    "a started app gets its patient and encounter": answered(TOKEN, without("encounter")),
    "a started app sees as the practitioner": answered(f"{TOKEN} .*client_assertion", member("scope", "launch")),
    "a started app knows whether to show a banner": answered(TOKEN, without("need_patient_banner")),
    "an app is started by a patient's account": answered(f"{TOKEN}", member("scope", "launch openid")),
    "an app is started from the pages": answered("POST .*/account/launch", sent_to(launch=None)),
    "answers by a form are offered": answered(OPENID, member("response_modes_supported", ["query"])),
    "the code comes in a form": answered(BACK, rewritten('name="state" value="', 'name="state" value="no')),
    "the form with the code is not kept": answered(BACK, said("cache-control", "max-age=60")),
    "the form can be sent without scripts": answered(BACK, rewritten("<button", "<b")),
    "a denial comes in a form too": answered(DECISION, rewritten("access_denied", "server_error")),
    "another response_mode gives no code": asked(AUTHORIZE, fields(response_mode=None)),
    "it is told where people sign out": answered(OPENID, without("end_session_endpoint")),
    "who signs out goes back to the app with its state": answered("/account/logout", sent_to(state="another")),
    "who signed out has to sign in again": asked("/account/logout", fields(csrf="none")),
    "a link signs nobody out unasked": answered("GET .*/oauth/logout", drops("healix")),
    "an app may ask by POST to sign out": answered("POST .*/oauth/logout", status(405)),
    "an app may name itself by its client_id to sign out": asked("/oauth/logout", fields(client_id=None)),
    "an unregistered address is not gone to after signing out": answered("logout.*elsewhere.example", LEFT),
    "no address is gone to for an app that is not known": answered(r"logout\?post_logout", LEFT),
    "another app's id token is no hint": asked("/oauth/logout", fields(client_id=None)),
    "a forged id token is no hint": asked("/oauth/logout", fields(id_token_hint=None)),
    "online_access ends with the session": answered(REFRESH, GIVEN),
    "the OpenID discovery document is whole": answered(OPENID, without("subject_types_supported")),
    "the keys of id tokens are published": answered(
        JWKS, body(lambda found: {"keys": [{**found["keys"][0], "d": "AQAB"}]})
    ),
    "an id token is signed by a published key": answered(TOKEN, claim("iat", 1)),
    "an id token is by the issuer for this app and request": answered(TOKEN, claim("nonce", "another")),
    "fhirUser opens": answered(TOKEN, claim("fhirUser", "Patient/demo-jonas")),
    "there is an id token for openid only": answered(TOKEN, member("id_token", "a.b.c")),
    "an app with a secret refreshes": answered(REFRESH, without("scope")),
    "a public app refreshes": answered(REFRESH, status(401)),
    "an app with keys refreshes": answered(REFRESH, said("cache-control", "private")),
    "a refresh may ask for less": asked(REFRESH, fields(scope=None)),
    "a refresh may not ask for more": asked(REFRESH, fields(scope=None)),
    "an unknown refresh token is refused": answered(REFRESH, GIVEN),
    "a refresh token is its app's only": answered(REFRESH, GIVEN),
    "there is a refresh token for offline or online access only": answered(TOKEN, member("refresh_token", "given")),
    "online_access can be refreshed": answered(REFRESH, status(400)),
    "another aud gives no code": asked(AUTHORIZE, fields(aud=own_base)),
    "a missing aud gives no code": asked(AUTHORIZE, fields(aud=own_base)),
    "an unknown launch gives no code": asked(AUTHORIZE, fields(scope="openid", launch=None)),
    "the scope launch without a launch gives no code": asked(AUTHORIZE, fields(scope="openid")),
    "a launch is good once": answered(BACK, LET_IN),
    "a launch is its app's only": answered(BACK, LET_IN),
    "an unregistered redirect URI is not gone to": answered(
        "elsewhere.example", said("location", "https://elsewhere.example/callback?code=given"), status(303)
    ),
    "an unknown app is not gone back to": answered(AUTHORIZE, said("location", CALLBACK), status(303)),
    "the implicit flow gives nothing": asked(AUTHORIZE, fields(response_type="code")),
    "no code without PKCE": asked(AUTHORIZE, fields(code_challenge="A" * 43, code_challenge_method="S256")),
    "no code by PKCE with plain": asked(AUTHORIZE, fields(code_challenge_method="S256")),
    "an unknown code gives no token": answered(TOKEN, GIVEN),
    "a code is its app's only": answered(TOKEN, GIVEN),
    "a code is good once": answered("GET .*/fhir/Patient/", status(200)),
    "another redirect URI gives no token": asked(TOKEN, fields(redirect_uri=CALLBACK)),
    "an unknown app gets no token": answered(TOKEN, GIVEN),
    "a wrong secret gives no token": answered(TOKEN, said("www-authenticate", "")),
    "a left out secret gives no token": answered(TOKEN, GIVEN),
    "a living token is described": answered(INTROSPECT, member("client_id", "another")),
    "its launch context is told": answered(INTROSPECT, without("patient")),
    "who signed in is told": answered(INTROSPECT, member("sub", "another")),
    "of what is no token nothing is told": answered(INTROSPECT, member("exp", 1)),
    "introspection is not for everybody": answered(INTROSPECT, status(200)),
    "an app gives back its refresh token, and all ends": asked(REVOKE, fields(token="none")),
    "an app gives back an access token": asked(REVOKE, fields(token="none")),
    "an unknown token is given back without complaint": answered(REVOKE, status(400)),
    "a person takes back an app's access": asked("POST .*/account/apps", fields(client="another")),
    "a service with ES384 is let in": answered(SERVICE, status(401)),
    "a service with RS384 is let in": answered(SERVICE, without("access_token")),
    "the token answer has its members": answered(SERVICE, member("expires_in", 3600)),
    "a service sees many patients": answered("GET .*/fhir/Patient", without("entry")),
    "a service gets no more than it is registered for": answered(SERVICE, member("scope", "system/*.cruds")),
    "another grant_type gives no token": asked(TOKEN, fields(grant_type="client_credentials")),
    "another client_assertion_type gives no token": answered(TOKEN, GIVEN),
    "what the person unticks is closed": asked(DECISION, one_more("scope", "patient/Condition.rs")),
    "what was not asked for is closed": answered("GET .*/fhir/Condition", status(200)),
    "another patient is not there": answered("GET .*/fhir/Patient/", status(200)),
    "read of version 1 opens reads and searches": answered(
        TOKEN, member("scope", "launch/patient patient/Patient.rs patient/Observation.rs")
    ),
    "r opens no search": answered(r"GET .*/fhir/Observation\?", status(200)),
    "s opens no read": answered("GET .*/fhir/Observation/", status(200)),
    "rs opens no write": answered("DELETE .*/fhir/Observation/", status(204)),
    "c opens a create in the own record only": answered("POST .*/fhir/Observation", status(201)),
    "a granular scope of Observation": answered(
        r"GET .*/fhir/Observation\?", body(lambda found: found | {"entry": [*found.get("entry", ()), LABORATORY]})
    ),
    "a granular scope of Condition": answered("GET .*/fhir/Condition/", status(200)),
    "granular scopes are offered to the person": asked(DECISION, one_more("scope", "patient/Condition.rs")),
    "the capability statement names every type": answered(
        METADATA, of_rest(body(lambda rest: rest | {"resource": rest["resource"][5:]}))
    ),
    "the capability statement names every parameter": answered(
        METADATA,
        of_rest(body(lambda rest: rest | {"resource": [one | {"searchParam": []} for one in rest["resource"]]})),
    ),
    "Patient: all required searches": answered(r"GET .*/fhir/Patient\?gender", without("entry")),
    "Provenance comes with what it tells of": answered("_revinclude", without("entry")),
    "what is missing is answered with an OperationOutcome": answered(
        "GET .*/fhir/Conformance", without("resourceType")
    ),
}
"""By requirement."""

FAMILIES: dict[str, Flaw] = {
    r"an assertion with .* gives no token": answered(SERVICE, GIVEN),
    r".*code_(verifier|challenge).* gives no token|no code_verifier gives no token": answered(TOKEN, GIVEN),
    rf"({'|'.join(RECORD)}): all required searches": answered(r"GET .*/fhir/\w+\?", without("entry")),
}
"""By the form of requirements that several checks share."""
