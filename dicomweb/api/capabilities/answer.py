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

from dicomweb.api.accept import not_acceptable, wanted
from dicomweb.api.capabilities.document import JSON, WADL, document, json, wadl
from dicomweb.api.capabilities.table import table

CACHED = {"Cache-Control": "public, max-age=300", "Vary": "Accept"}


def answered(request: Request, base: str, methods: Iterable[tuple[str, str]]) -> Response:
    """The document of a service whose routes answer these methods. Raises NotAcceptable."""
    for media in wanted(request):
        for kind in (WADL, JSON):
            if media.covers(kind):
                return Response(_written(base, tuple(methods), kind), 200, CACHED, kind)
    raise not_acceptable(f"the capabilities are described as {WADL} and as {JSON}")


@cache
def _written(base: str, methods: tuple[tuple[str, str], ...], kind: str) -> bytes:
    found = document(base, methods, table())
    return wadl(found) if kind == WADL else json(found)
