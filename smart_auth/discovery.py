"""What an app finds out before it asks for a token: only what this server does now, made from the routes that it has.

Spec: SMART App Launch 2.2, hl7.org/fhir/smart-app-launch/STU2.2/conformance.html; OpenID Connect Discovery 1.0 3;
OpenID Connect RP-Initiated Logout 1.0 2.1; RFC 8414 2; RFC 9207 3
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from smart_auth.oauth.assertion import ALGORITHMS
from smart_auth.oauth.authorize.request import PROMPTS, RESPONSE_MODES
from smart_auth.oauth.authorize.scopes import CATEGORIES, finer
from smart_auth.oauth.clients import AUTH_METHODS, GRANTS
from smart_auth.oauth.factors.methods import CLASSES
from smart_auth.oauth.pairing import GRANT as PAIRING
from smart_auth.oauth.pkce import METHOD
from smart_auth.oauth.signing import ALGORITHM
from smart_auth.scope import OTHER_SCOPES

AUTHORIZE, TOKEN = "/oauth/authorize", "/oauth/token"
INTROSPECT, REVOKE, REGISTER = "/oauth/introspect", "/oauth/revoke", "/oauth/register"
USERINFO = "/oauth/userinfo"
END_SESSION = "/oauth/logout"
MANAGE = "/account/apps"
JWKS = "/.well-known/jwks.json"
OPENID = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"
BRANDS = "/.well-known/user-access-brands.json"

ENDPOINTS = {
    "authorization_endpoint": AUTHORIZE,
    "token_endpoint": TOKEN,
    "introspection_endpoint": INTROSPECT,
    "revocation_endpoint": REVOKE,
    "registration_endpoint": REGISTER,
    "userinfo_endpoint": USERINFO,
    "management_endpoint": MANAGE,
    "jwks_uri": JWKS,
}
"""The members that name an address, and the path of each; one is claimed when its route is there."""

OAUTH_URIS = {"authorize": AUTHORIZE, "token": TOKEN, "introspect": INTROSPECT, "revoke": REVOKE, "register": REGISTER}
"""Spec: hl7.org/fhir/smart-app-launch/STU2.2/StructureDefinition-oauth-uris.html"""

PERMISSIONS = ("permission-patient", "permission-user", "permission-v1", "permission-v2")
BACKEND = ("client-confidential-asymmetric",)
LAUNCH = (
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "sso-openid-connect",
    "context-banner",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "context-standalone-encounter",
    "context-style",
    "permission-offline",
    "permission-online",
)
"""The capabilities that need people to be asked; those of services and of permissions need them not."""

STUDIES = "/dicomweb/studies"
IMAGING = (
    "smart-imaging-access",
    "http://fhir.org/argonaut/smart-imaging/capabilities/app-launch",
    "http://fhir.org/argonaut/smart-imaging/capabilities/backend-services",
)
"""That one token opens ImagingStudy and the images: at all, for people's apps, and for services.

Spec: SMART Imaging Access 0.1.0, build.fhir.org/ig/argonautproject/smart-imaging/specification.html#discovery
"""

CLINICAL = (
    "patient/*.cruds",
    "user/*.cruds",
    "system/*.cruds",
    *(part for context in ("patient", "user") for name in CATEGORIES for part in finer(f"{context}/{name}.rs")),
)
"""Whole records, and what people are offered in parts; other scopes follow the same grammar."""
SCOPES = (*sorted(OTHER_SCOPES), *CLINICAL)


def smart_configuration(issuer: str, mounted: Collection[str], brand: str = "") -> dict[str, Any]:
    """The document at `/fhir/.well-known/smart-configuration`, for a server with routes at the paths `mounted`.

    `brand` is the identifier of its user-access brand, as `system|value`.
    """
    asks = AUTHORIZE in mounted and TOKEN in mounted
    capabilities = (*PERMISSIONS, *(BACKEND if TOKEN in mounted else ()), *(LAUNCH if asks else ()))
    imaging = (*IMAGING[: 2 if asks else 1], *(IMAGING[2:] if TOKEN in mounted else ())) if STUDIES in mounted else ()
    shown = _shared(issuer, mounted) | {"capabilities": sorted((*capabilities, *imaging))}
    if BRANDS in mounted:
        system, _, value = brand.rpartition("|")
        identifier = ({"system": system} if system else {}) | {"value": value}
        shown |= {"user_access_brand_bundle": f"{issuer}{BRANDS}", "user_access_brand_identifier": identifier}
    if imaging:
        shown["associated_endpoints"] = [{"url": f"{issuer}/fhir", "capabilities": list(imaging)}]
    return shown


def openid_configuration(issuer: str, mounted: Collection[str]) -> dict[str, Any]:
    """The document at `/.well-known/openid-configuration` and, for clients of OAuth alone, `OAUTH`. Spec: RFC 8414 3"""
    return _shared(issuer, mounted) | {
        "issuer": issuer,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": [
            "iss",
            "sub",
            "aud",
            "exp",
            "iat",
            "auth_time",
            "amr",
            "acr",
            "at_hash",
            "nonce",
            "fhirUser",
            "profile",
            "preferred_username",
        ],
        "display_values_supported": ["page"],
        "ui_locales_supported": ["en"],
        "prompt_values_supported": sorted(PROMPTS),
        "acr_values_supported": list(CLASSES),
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        **({"end_session_endpoint": f"{issuer}{END_SESSION}"} if END_SESSION in mounted else {}),
    }


def oauth_uris(issuer: str, mounted: Collection[str]) -> dict[str, str]:
    """The parts of the CapabilityStatement's `oauth-uris` extension; none when apps cannot ask people."""
    if AUTHORIZE not in mounted or TOKEN not in mounted:
        return {}
    named = {name: f"{issuer}{path}" for name, path in OAUTH_URIS.items() if path in mounted}
    return named | ({"manage": f"{issuer}{MANAGE}"} if MANAGE in mounted else {})


def _shared(issuer: str, mounted: Collection[str]) -> dict[str, Any]:
    """What both documents say."""
    endpoints = {name: f"{issuer}{path}" for name, path in ENDPOINTS.items() if path in mounted}
    asks = AUTHORIZE in mounted
    shown: dict[str, Any] = {"issuer": issuer} if asks and JWKS in mounted else {}
    shown |= endpoints
    if asks:
        shown |= {
            "response_types_supported": ["code"],
            "response_modes_supported": list(RESPONSE_MODES),
            "authorization_response_iss_parameter_supported": True,
        }
    if TOKEN in mounted:
        shown |= _of_endpoint("token")
    shown |= {f"{name}_supported": values for name, values in _grants(mounted).items()}
    for name, path in (("introspection", INTROSPECT), ("revocation", REVOKE)):
        if path in mounted:
            shown |= _of_endpoint(name)
    return shown | {"scopes_supported": list(SCOPES)}


def _grants(mounted: Collection[str]) -> dict[str, list[str]]:
    if TOKEN not in mounted:
        return {"grant_types": [], "code_challenge_methods": []}
    asks = AUTHORIZE in mounted
    return {
        "grant_types": [*(one for one in GRANTS if asks or one == "client_credentials"), PAIRING],
        "code_challenge_methods": [METHOD] if asks else [],
    }


def _of_endpoint(name: str) -> dict[str, list[str]]:
    """How a client proves itself at an endpoint."""
    public = name != "introspection"
    return {
        f"{name}_endpoint_auth_methods_supported": [one for one in AUTH_METHODS if public or one != "none"],
        f"{name}_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
    }
