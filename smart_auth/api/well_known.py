"""The discovery document, which answers without a token.

Spec: SMART App Launch 2.2, hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from smart_auth.discovery import smart_configuration

HEADERS = {"Cache-Control": "public, max-age=300"}


def routes() -> list[BaseRoute]:
    """The routes below the server's root; they come before those of the FHIR base."""
    return [Route("/fhir/.well-known/smart-configuration", _smart_configuration)]


async def _smart_configuration(request: Request) -> Response:
    del request  # the document is JSON whatever is accepted
    return JSONResponse(smart_configuration(), headers=HEADERS)
