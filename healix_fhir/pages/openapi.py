"""The FHIR API described for programs (OpenAPI 3.1) and for people, open to everyone like the capability statement.

Spec: OpenAPI 3.1.0, spec.openapis.org/oas/v3.1.0.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.interaction.service import Interactions
from healix_fhir.model.custom import derived
from healix_fhir.model.json import encode
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site

DOCUMENT = "/openapi.json"
ADDRESS = "/openapi"
METHODS = ("get", "post", "put", "patch", "delete")
ONCE = ("Operations", "FHIR")
"""Tags whose sections stand before those of the types."""


async def download(site: Site, request: Request) -> Response:
    """GET /openapi.json"""
    del request
    body = encode(_document(site.interactions, site.root))
    return Response(body, media_type="application/vnd.oai.openapi+json;version=3.1")


async def show(site: Site, request: Request) -> Response:
    """GET /openapi"""
    asked = request.query_params.get("type", "")
    sections = _sections(_document(site.interactions, site.root)["paths"])
    shown = {name: rows for name, rows in sections.items() if name in ONCE or name == asked}
    types = [name for name in sections if name not in ONCE]
    return page("openapi.html", base=f"{site.root}/fhir", document=DOCUMENT, sections=shown, types=types, asked=asked)


@derived
def _document(interactions: Interactions, root: str) -> dict[str, Any]:
    """The document, made anew when custom search parameters change."""
    from healix_fhir.api.address import Edge
    from healix_fhir.api.openapi import openapi
    from healix_fhir.api.routes import routes
    from healix_fhir.operation.registry import offered

    edge = cast("Edge", None)  # routes are looked at, and never called
    return openapi(root, interactions.capabilities(root, offered()), routes(edge))


def _sections(paths: Mapping[str, Any]) -> dict[str, list[tuple[str, str, Any]]]:
    """Method, path and what is there, by tag."""
    found: defaultdict[str, list[tuple[str, str, Any]]] = defaultdict(list)
    for path, item in paths.items():
        for method in METHODS:
            if method in item:
                found[item[method]["tags"][0]].append((method.upper(), path, item[method]))
    return {name: found[name] for name in (*reversed(ONCE), *sorted(found.keys() - set(ONCE)))}
