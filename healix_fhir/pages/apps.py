"""The management page: which apps have what access, and taking it back.

Spec: SMART App Launch 2.2 conformance.html (management_endpoint)
"""

from __future__ import annotations

from itertools import chain

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.database import atransaction
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from healix_fhir.pages.words import choices
from smart_auth.oauth.apps import let_in, shut_out

APPS = "/account/apps"
LOGIN = "/account/login"


async def show(site: Site, request: Request) -> Response:
    """GET /account/apps"""
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    apps = await atransaction(site.pool, lambda: let_in(session.account.username))
    return page(
        "apps.html",
        username=session.account.username,
        csrf=session.csrf,
        apps=[(app, list(chain(*choices(app.scopes)))) for app in apps],
        own=session.account.patient is not None,
    )


async def take_back(site: Site, request: Request) -> Response:
    """POST /account/apps with `client` and the hidden `csrf`."""
    fields = await read_form(request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, fields)
    username, client = session.account.username, fields.get("client", "")
    await atransaction(site.pool, lambda: shut_out(username, client, origin(request, session)))
    return RedirectResponse(APPS, 303)
