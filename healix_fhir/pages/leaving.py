"""Signing out: of these pages, and at the wish of an app whose person signed out there.

The person is always asked, so that no link and no other site signs anybody out. Who comes from an app goes back to it,
to an address that it has registered for that; also somebody who is not signed in here any more.

Spec: OpenID Connect RP-Initiated Logout 1.0 2, 3, 4 (the person is asked; POST as well as GET)
"""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.pages.authorize.flow import back_to_app, source
from healix_fhir.pages.authorize.start import LARGEST, MOST
from healix_fhir.pages.cookies import drop
from healix_fhir.pages.form import check_csrf, read_fields
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.discovery import END_SESSION
from smart_auth.oauth.limits import AUTHORIZE
from smart_auth.oauth.login import log_out
from smart_auth.oauth.logout import Leaving, leaving

HERE = "/account/logout"
LOGIN = "/account/login"


async def by_get(site: Site, request: Request) -> Response:
    """GET /oauth/logout, with what an app asks for."""
    if len(request.scope["query_string"]) > LARGEST or len(request.query_params.multi_items()) > MOST:
        raise invalid("The request of the app is too large.")
    return await _ask(site, request, await _wish(site, request, request.query_params.multi_items()))


async def ask(site: Site, request: Request) -> Response:
    """GET /account/logout: where this server's own viewer sends a person who signs out there."""
    return await _ask(site, request, Leaving())


async def _ask(site: Site, request: Request, wish: Leaving) -> Response:
    session = await site.session(request)
    if session is None:
        return _gone(wish)
    return page(
        "logout.html",
        username=session.account.username,
        csrf=session.csrf,
        app=wish.app,
        other=wish.subject not in (None, session.subject),
        carried=wish.carried,
        form_action=(source(wish.back),) if wish.back is not None else (),
    )


async def by_post(site: Site, request: Request) -> Response:
    """POST /oauth/logout, the parameters as a form of another site: cookies come with the redirect (SameSite=Lax)."""
    fields = await read_fields(request)
    await _wish(site, request, fields)
    return RedirectResponse(f"{END_SESSION}?{urlencode(fields)}", 303, headers={"Cache-Control": "no-store"})


async def leave(site: Site, request: Request) -> Response:
    """POST /account/logout with the hidden `csrf`, and what an app asked for."""
    fields = await read_fields(request)
    session = await site.session(request)
    wish = await _wish(site, request, [field for field in fields if field[0] != "csrf"])
    answer = _gone(wish)
    if session is not None:
        check_csrf(request, site.session_cookie, dict(fields))
        secret = request.cookies[site.session_cookie]
        await atransaction(site.pool, lambda: log_out(secret, origin(request, session)))
        answer.headers["Clear-Site-Data"] = '"cache"'
    if site.session_cookie in request.cookies:  # a form of another site comes without it, and must not take it away
        drop(site, answer, site.session_cookie)
    return answer


async def _wish(site: Site, request: Request, params: list[tuple[str, str]]) -> Leaving:
    """What an app asks for, where one does."""
    if not params:
        return Leaving()
    await site.throttle.hit(AUTHORIZE, address=origin(request).address)
    return await atransaction(site.pool, lambda: leaving(params, site.root))


def _gone(wish: Leaving) -> Response:
    return back_to_app(wish.address) if wish.address is not None else RedirectResponse(LOGIN, 303)
