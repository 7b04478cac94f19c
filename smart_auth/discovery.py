"""What an app finds out before it asks for a token: only what this server does now.

Tokens are made by the server's operator (`healix token create`); there is no authorization and no token endpoint yet,
so no grant, no challenge method and no launch is claimed, and there is no OpenID Provider document, whose required
members would all be untrue.

Spec: SMART App Launch 2.2, hl7.org/fhir/smart-app-launch/STU2.2/conformance.html
"""

from __future__ import annotations

from typing import Any

CAPABILITIES = ("permission-patient", "permission-user", "permission-v1", "permission-v2")
SCOPES = ("patient/*.cruds", "user/*.cruds", "system/*.cruds")


def smart_configuration() -> dict[str, Any]:
    """The document at `/fhir/.well-known/smart-configuration`."""
    return {
        "grant_types_supported": [],
        "code_challenge_methods_supported": [],
        "scopes_supported": list(SCOPES),
        "capabilities": list(CAPABILITIES),
    }
