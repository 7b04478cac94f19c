"""The user-access brand: how apps show this clinic to people who look for it, and where they get their records.

It is the stored Organization with the identifier that a setting names, without a token, and nothing else.

Spec: SMART App Launch 2.2, hl7.org/fhir/smart-app-launch/STU2.2/brands.html
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.model.json import decode, encode
from healix_fhir.search import run
from healix_fhir.search.page import Signer
from healix_fhir.search.query import parse
from healix_fhir.search.searched import one_type
from smart_auth.access import internal
from smart_auth.discovery import BRANDS

PORTAL = "http://hl7.org/fhir/StructureDefinition/organization-portal"
VERSION = "http://hl7.org/fhir/StructureDefinition/endpoint-fhir-version"
CONNECTION = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
PAYLOAD = "http://terminology.hl7.org/CodeSystem/endpoint-payload-type"
ENDPOINT = "user-access"
UNUSED = Signer(secrets.token_bytes(32))
"""No page but the first is asked for."""
MINUTES = {"Cache-Control": "public, max-age=300"}


def routes(interactions: Interactions, root: str, brand: str) -> list[BaseRoute]:
    """The route of the brand whose Organization has the identifier `brand` (`system|value`); none without one."""
    return [Route(BRANDS, _bundle(interactions, root, brand))] if brand else []


def _bundle(interactions: Interactions, root: str, brand: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        organization = await atransaction(interactions.pool, lambda: _organization(interactions, brand))
        if organization is None:
            return JSONResponse({"error": "the brand of this server is not stored yet"}, 404)
        body = encode(bundle(organization, root))
        tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = MINUTES | {"ETag": tag}
        if tag in [one.strip() for one in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/fhir+json", headers=headers)

    return answer


def _organization(interactions: Interactions, brand: str) -> Work[dict[str, Any] | None]:
    """The one Organization with the identifier; of several none is meant."""
    base = interactions.bases[0]
    query = parse(one_type("Organization"), [("identifier", brand), ("_count", "2")], strict=True, base=base)
    found = yield from run.search(internal("brands"), query, base=base, signer=UNUSED)
    return decode(found.entries[0].body) if len(found.entries) == 1 else None


def bundle(organization: dict[str, Any], root: str) -> dict[str, Any]:
    """The Brand Bundle: the Organization with the portal of this server, and the endpoint of the portal."""
    here = {"reference": f"Endpoint/{ENDPOINT}"}
    own = [one for one in organization.get("extension", ()) if one.get("url") != PORTAL]
    portals = [one for one in organization.get("extension", ()) if one.get("url") == PORTAL]
    brand = organization | {
        "extension": [*own, *map(_with_endpoint, portals or [_portal(organization, root)])],
        "endpoint": [here],
    }
    changed = organization.get("meta", {}).get("lastUpdated")
    entries = [("Organization", organization["id"], brand), ("Endpoint", ENDPOINT, endpoint(organization, root))]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": changed,
        "entry": [{"fullUrl": f"{root}/fhir/{kind}/{id_}", "resource": one} for kind, id_, one in entries],
    }


def endpoint(organization: dict[str, Any], root: str) -> dict[str, Any]:
    """The FHIR base of this server as a user-access endpoint."""
    return {
        "resourceType": "Endpoint",
        "id": ENDPOINT,
        "extension": [{"url": VERSION, "valueCode": "4.0.1"}],
        "status": "active",
        "connectionType": {"system": CONNECTION, "code": "hl7-fhir-rest"},
        "name": f"FHIR R4 of {organization.get('name', 'this clinic')}",
        "contact": [{"system": "url", "value": f"{root}/"}],
        "payloadType": [{"coding": [{"system": PAYLOAD, "code": "none"}]}],
        "address": f"{root}/fhir",
    }


def _portal(organization: dict[str, Any], root: str) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"url": "portalUrl", "valueUrl": f"{root}/account/"}]
    name = organization.get("name")
    return {"url": PORTAL, "extension": [*([{"url": "portalName", "valueString": name}] if name else []), *parts]}


def _with_endpoint(portal: dict[str, Any]) -> dict[str, Any]:
    """A portal that leads to this server's endpoint and to no other, which the Bundle does not hold."""
    kept = [one for one in portal.get("extension", ()) if one.get("url") != "portalEndpoint"]
    here = {"url": "portalEndpoint", "valueReference": {"reference": f"Endpoint/{ENDPOINT}"}}
    return portal | {"extension": [*kept, here]}
