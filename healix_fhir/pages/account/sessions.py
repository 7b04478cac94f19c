"""Where a person is signed in, and signing out there."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.database import atransaction
from healix_fhir.pages.account.agent import in_words
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.account.elsewhere import browsers, sign_out

ADDRESS = "/account/sessions"
LOGIN = "/account/login"


async def show(site: Site, request: Request) -> Response:
    """GET /account/sessions"""
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    username, secret = session.account.username, request.cookies[site.session_cookie]
    found = await atransaction(site.pool, lambda: browsers(username, secret))
    return page(
        "sessions.html",
        username=username,
        csrf=session.csrf,
        browsers=[(one, in_words(one.agent or "")) for one in found],
    )


async def end(site: Site, request: Request) -> Response:
    """POST /account/sessions with the mark of a `session`, or with `others`, and the hidden `csrf`."""
    fields = await read_form(request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, fields)
    username, secret, who = session.account.username, request.cookies[site.session_cookie], origin(request, session)
    mark = None if "others" in fields else fields.get("session", "") or "none"
    await atransaction(site.pool, lambda: sign_out(username, secret, mark, who))
    return RedirectResponse(ADDRESS, 303)
