"""Retrieve Capabilities: a description of the service for programs, open to everyone.

`OPTIONS` of the base is the standard's way. `GET …/capabilities` is beside it, for browsers and tools that cannot send
the other.

Spec: PS3.18 8.9 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.api.accept import Offer, acceptable, none_of, wanted
from dicomweb.api.capabilities.document import JSON, WADL, document, json, wadl
from dicomweb.api.capabilities.table import table

CACHED = {"Cache-Control": "public, max-age=300", "Vary": "Accept"}


def answered(request: Request, base: str, methods: Iterable[tuple[str, str]]) -> Response:
    """The document of a service whose routes answer these methods. Raises NotAcceptable."""
    offers = (Offer(WADL), Offer(JSON))
    for offer, _ in acceptable(wanted(request), offers):
        return Response(_written(base, tuple(methods), offer.name), 200, CACHED, offer.name)
    raise none_of(offers)


@cache
def _written(base: str, methods: tuple[tuple[str, str], ...], kind: str) -> bytes:
    found = document(base, methods, table())
    return wadl(found) if kind == WADL else json(found)
