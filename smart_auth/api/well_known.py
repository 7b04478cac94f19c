"""The discovery documents and the keys of id tokens, which answer without a token.

Spec: SMART App Launch 2.2, hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known; OpenID Connect
Discovery 1.0 4; RFC 8414 3; RFC 7517 5
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from healix_fhir.kernel.database import atransaction
from smart_auth.api.edge import Provider
from smart_auth.discovery import JWKS, OAUTH, OPENID, openid_configuration, smart_configuration

HEADERS = {"Cache-Control": "public, max-age=300"}
SMART = "/fhir/.well-known/smart-configuration"


def routes(provider: Provider, others: Collection[BaseRoute], brand: str = "") -> list[BaseRoute]:
    """The routes below the server's root; they come before those of the FHIR base. `others` are what they describe,
    `brand` is the identifier of the brand among them.
    """
    issuer = provider.identity.issuer
    mounted = paths(others)
    smart = smart_configuration(issuer, mounted, brand)
    openid = openid_configuration(issuer, mounted)
    asks = "authorization_endpoint" in openid
    return [
        Route(SMART, _document(smart)),
        *(Route(path, _document(openid)) for path in (OPENID, OAUTH) if asks),
        Route(JWKS, _keys(provider)),
    ]


def paths(others: Collection[BaseRoute]) -> frozenset[str]:
    """The paths of these routes, and of the keys that go with them."""
    return frozenset({route.path for route in others if isinstance(route, Route)} | {JWKS})


def _document(document: Mapping[str, Any]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        del request  # the document is JSON whatever is accepted
        return JSONResponse(document, headers=HEADERS)

    return answer


def _keys(provider: Provider) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        del request
        keys = await atransaction(provider.pool, provider.identity.keys.published)
        return JSONResponse({"keys": keys}, headers=HEADERS)

    return answer
