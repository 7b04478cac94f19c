"""Signing in and out.

Who signs in for an app's request goes on with it afterwards. The form carries the request's name, never an address, so
that nobody can be sent elsewhere by it.
"""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel import ids
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.pages.authorize.flow import ONWARD, find, source
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.oauth.authorize.pending import Pending
from smart_auth.oauth.clients import Client
from smart_auth.oauth.login import log_in, log_out
from smart_auth.oauth.sessions import LONGEST, close_session, csrf_of

HOME = "/account/"
STATUS = {Category.UNAUTHENTICATED: 401, Category.FORBIDDEN: 403, Category.BUSY: 429}
"""Refusals after which the form is shown again."""


async def show(site: Site, request: Request) -> Response:
    """GET /account/login, for an app's request where `request` names one."""
    waiting = await _waiting(site, request.query_params.get("request", ""))
    if waiting is None and await site.session(request) is not None:
        return RedirectResponse(HOME, 303)
    return _form(site, request, waiting, username=waiting[0].asked.login_hint if waiting else "")


async def submit(site: Site, request: Request) -> Response:
    """POST /account/login with `username`, `password`, the hidden `csrf` and the name of an app's `request`."""
    fields = await read_form(request)
    username = fields.get("username", "")
    waiting = await _waiting(site, fields.get("request", ""))
    try:
        check_csrf(request, site.login_cookie, fields)
        secret = await log_in(
            site.pool,
            site.verifier,
            site.throttle,
            site.denials,
            username,
            fields.get("password", ""),
            origin(request),
        )
    except HealixError as error:
        if error.category not in STATUS:
            raise
        return _form(site, request, waiting, error=error, username=username)
    earlier = request.cookies.get(site.session_cookie)
    if earlier is not None:
        await atransaction(site.pool, lambda: close_session(earlier))
    onward = f"{ONWARD}?{urlencode({'request': waiting[0].id})}" if waiting else HOME
    answer = RedirectResponse(onward, 303)
    _set(site, answer, site.session_cookie, secret)
    answer.delete_cookie(site.login_cookie, secure=site.secure, httponly=True, samesite="lax")
    return answer


async def leave(site: Site, request: Request) -> Response:
    """POST /account/logout with the hidden `csrf`."""
    fields = await read_form(request)
    session = await site.session(request)
    answer = RedirectResponse("/account/login", 303)
    if session is not None:
        check_csrf(request, site.session_cookie, fields)
        secret = request.cookies[site.session_cookie]
        await atransaction(site.pool, lambda: log_out(secret, origin(request, session)))
        answer.headers["Clear-Site-Data"] = '"cache"'
    answer.delete_cookie(site.session_cookie, secure=site.secure, httponly=True, samesite="lax")
    return answer


async def _waiting(site: Site, id_: str) -> tuple[Pending, Client] | None:
    """The app's request that is named; None when none is. Raises Invalid when that one is over."""
    return await find(site, id_) if id_ else None


def _form(
    site: Site,
    request: Request,
    waiting: tuple[Pending, Client] | None,
    *,
    error: HealixError | None = None,
    username: str = "",
) -> Response:
    """The form, tied to this browser by a cookie that it sends back along with the hidden field."""
    secret = request.cookies.get(site.login_cookie) or ids.secret()
    answer = page(
        "login.html",
        STATUS[error.category] if error else 200,
        form_action=(source(waiting[0].asked.redirect_uri),) if waiting else (),
        csrf=csrf_of(secret),
        error=error.message if error else "",
        username=username[:128],
        request=waiting[0].id if waiting else "",
        app=waiting[1].name if waiting else "",
    )
    if error is not None:
        answer.headers.update(error.waiting)
    if error is not None and error.category is Category.UNAUTHENTICATED:
        answer.headers["WWW-Authenticate"] = 'Form realm="Healix"'  # RFC 9110 15.5.2 asks for one; browsers ignore it
    _set(site, answer, site.login_cookie, secret)
    return answer


def _set(site: Site, answer: Response, name: str, value: str) -> None:
    answer.set_cookie(name, value, max_age=LONGEST, path="/", secure=site.secure, httponly=True, samesite="lax")
