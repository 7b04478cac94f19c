"""Checks of what an app finds out beforehand. Inferno: smart_discovery_stu2_2, g10 well-known capabilities.

Spec: SMART App Launch 2.2, hl7.org/fhir/smart-app-launch/STU2.2/conformance.html
"""

from __future__ import annotations

from typing import Any

from conformance.check import Check, expect
from conformance.smart.capabilities import SHOWN
from conformance.smart.scene import Scene

CLAUSE = "SMART App Launch 2.2 conformance.html"
WELL_KNOWN = "/fhir/.well-known/smart-configuration"
ORIGIN = {"Origin": "https://app.example"}
REQUIRED = ("authorization_endpoint", "token_endpoint", "grant_types_supported", "code_challenge_methods_supported")
NEEDED = frozenset(
    {
        "launch-ehr",
        "launch-standalone",
        "authorize-post",
        "client-public",
        "client-confidential-symmetric",
        "client-confidential-asymmetric",
        "sso-openid-connect",
        "context-banner",
        "context-ehr-patient",
        "context-ehr-encounter",
        "context-standalone-patient",
        "permission-offline",
        "permission-online",
        "permission-patient",
        "permission-user",
        "permission-v1",
        "permission-v2",
    }
)
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
NAMED = {"authorize": "authorization_endpoint", "token": "token_endpoint", "introspect": "introspection_endpoint"}


def document(scene: Scene) -> None:
    """It is JSON, for everybody, whatever is accepted."""
    answer = scene.target.ask("GET", WELL_KNOWN, None, {"Accept": "application/json"}, token=False)
    expect(answer.status == 200, f"it answered {answer.status}")
    expect(answer.headers.get("content-type", "").startswith("application/json"), "it is not application/json")
    expect(isinstance(answer.json(), dict), "it is no JSON object")


def fields(scene: Scene) -> None:
    """The members that are required, of the right kinds."""
    missing = [name for name in (*REQUIRED, "capabilities", "issuer", "jwks_uri") if not scene.smart.get(name)]
    expect(not missing, f"missing: {missing}")
    addresses = [name for name in scene.smart if name.endswith(("_endpoint", "_uri"))]
    relative = [name for name in addresses if "://" not in str(scene.smart[name])]
    expect(not relative, f"no absolute URLs: {relative}")
    grants = set(scene.smart["grant_types_supported"])
    expect({"authorization_code", "client_credentials"} <= grants, f"the grants are {sorted(grants)}")


def pkce(scene: Scene) -> None:
    """S256 is there, plain is not."""
    methods = scene.smart.get("code_challenge_methods_supported", [])
    expect("S256" in methods and "plain" not in methods, f"the methods are {methods}")


def capabilities(scene: Scene) -> None:
    """Those that (g)(10) asks for, and those of 2.2 for access while online and requests by POST."""
    missing = NEEDED - set(scene.smart.get("capabilities", ()))
    expect(not missing, f"missing: {sorted(missing)}")


def shown(scene: Scene) -> None:
    """No capability is claimed that no check shows at work."""
    claimed = set(scene.smart.get("capabilities", ()))
    expect(claimed <= SHOWN.keys(), f"not checked: {sorted(claimed - SHOWN.keys())}")


def capability_statement(scene: Scene) -> None:
    """Its security tells the same addresses."""
    rest = (scene.target.ask("GET", "/fhir/metadata", token=False).json() or {}).get("rest", [{}])[0]
    security = rest.get("security", {})
    codes = {coding.get("code") for service in security.get("service", ()) for coding in service.get("coding", ())}
    expect("SMART-on-FHIR" in codes, f"the security services are {sorted(map(str, codes))}")
    told = _uris(security)
    wrong = [name for name, member in NAMED.items() if told.get(name) != scene.smart.get(member)]
    expect(not wrong, f"other addresses than in the discovery document: {wrong}")


def cors(scene: Scene) -> None:
    """Apps in browsers may read both documents."""
    for where in (WELL_KNOWN, "/fhir/metadata"):
        answer = scene.target.ask("GET", where, None, ORIGIN, token=False)
        allowed = answer.headers.get("access-control-allow-origin")
        expect(allowed in ("*", ORIGIN["Origin"]), f"{where} may not be read by another origin")


def _uris(security: dict[str, Any]) -> dict[str, Any]:
    of = [one for one in security.get("extension", ()) if one.get("url") == OAUTH_URIS]
    return {part.get("url"): part.get("valueUri") for one in of for part in one.get("extension", ())}


CHECKS = (
    Check(f"{CLAUSE}#using-well-known", "the discovery document is public JSON", document),
    Check(f"{CLAUSE}#metadata", "the discovery document has its required members", fields),
    Check(f"{CLAUSE}#metadata", "PKCE is offered with S256 and never plain", pkce),
    Check(f"{CLAUSE}#capability-sets", "all capabilities", capabilities),
    Check(f"{CLAUSE}#capability-sets", "each capability that is claimed has a check", shown),
    Check(CLAUSE, "the capability statement names the same endpoints", capability_statement),
    Check("SMART App Launch 2.2 app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support",
          "discovery can be read from other origins", cors),
)  # fmt: skip
