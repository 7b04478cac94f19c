"""The authorization endpoint: an app's request comes in by GET or POST and is kept while a person decides.

It looks at no cookie, for requests come from other sites: the pages that follow do, after a redirect, which by the rule
of SameSite=Lax brings the person's cookies also where the request was a POST.

Spec: SMART App Launch 2.2 app-launch.html#obtain-authorization-code; RFC 6749 3.1; RFC 9700 4.12 (redirects with 303)
"""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.pages.authorize.flow import ONWARD, answered
from healix_fhir.pages.form import read_fields
from healix_fhir.pages.site import Site, origin
from smart_auth.oauth.authorize.answer import Refused
from smart_auth.oauth.authorize.hint import hinted
from smart_auth.oauth.authorize.pending import begin
from smart_auth.oauth.authorize.request import destination, named_client, read
from smart_auth.oauth.clients import find_client
from smart_auth.oauth.limits import AUTHORIZE

MOST = 50
LARGEST = 16 * 1024


async def by_get(site: Site, request: Request) -> Response:
    """GET /oauth/authorize"""
    if len(request.scope["query_string"]) > LARGEST or len(request.query_params.multi_items()) > MOST:
        raise invalid("The request of the app is too large.")
    return await _begin(site, request, request.query_params.multi_items())


async def by_post(site: Site, request: Request) -> Response:
    """POST /oauth/authorize, the parameters as a form."""
    return await _begin(site, request, await read_fields(request))


async def _begin(site: Site, request: Request, params: list[tuple[str, str]]) -> Response:
    await site.throttle.hit(AUTHORIZE, address=origin(request).address)
    name = named_client(params)
    client = await atransaction(site.pool, lambda: find_client(name))
    goal = destination(params, client)
    assert client is not None  # destination refuses None
    try:
        asked = read(params, client, goal, site.fhir_base)
        hint = next((value for name, value in params if name == "id_token_hint"), "")
        if hint:
            subject = await atransaction(site.pool, lambda: hinted(hint, client.id, site.root))
            asked = msgspec.structs.replace(asked, hinted=subject)
    except Refused as refused:
        return answered(client, goal.with_error(refused, site.root))
    id_ = await atransaction(site.pool, lambda: begin(asked))
    return RedirectResponse(f"{ONWARD}?{urlencode({'request': id_})}", 303, headers={"Cache-Control": "no-store"})
