"""Signing in.

Who signs in for an app's request goes on with it afterwards. The form carries the request's name, never an address, so
that nobody can be sent elsewhere by it.
"""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel import ids
from healix_fhir.kernel.errors import HealixError
from healix_fhir.pages.again import STATUS, told
from healix_fhir.pages.authorize.flow import find, source
from healix_fhir.pages.cookies import keep
from healix_fhir.pages.entering import HOME, PASSKEY, SECOND, entered
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.oauth.authorize.pending import Pending
from smart_auth.oauth.clients import Client
from smart_auth.oauth.factors.methods import wants_two
from smart_auth.oauth.factors.pending import LIFE, Goal
from smart_auth.oauth.login import Entered, Login, log_in
from smart_auth.oauth.sessions import LONGEST, csrf_of

PROVES = frozenset({"security", "admin"})
"""Pages for which somebody who is signed in has to show again who they are."""


async def show(site: Site, request: Request) -> Response:
    """GET /account/login, for an app's request where `request` names one, or for the page that `after` names."""
    waiting = await _waiting(site, request.query_params.get("request", ""))
    after = request.query_params.get("after", "")
    session = await site.session(request) if waiting is None else None
    if session is not None and after not in PROVES:
        return RedirectResponse(HOME, 303)
    known = session.account.username if session is not None else ""
    return _form(site, request, waiting, after=after, username=waiting[0].asked.login_hint if waiting else known)


async def submit(site: Site, request: Request) -> Response:
    """POST /account/login with `username`, `password`, the hidden `csrf`, an app's `request` or the name `after`."""
    fields = await read_form(request)
    username = fields.get("username", "")
    waiting = await _waiting(site, fields.get("request", ""))
    goal = Goal(waiting[0].id if waiting else "", fields.get("after", "")[:20])
    login = Login(
        username,
        fields.get("password", ""),
        request.cookies.get(site.session_cookie),
        goal,
        site.two_factors_of,
        stronger=waiting is not None and wants_two(waiting[0].asked.acr_values),
    )
    try:
        check_csrf(request, site.login_cookie, fields)
        done = await log_in(site.pool, site.verifier, site.throttle, site.denials, login, origin(request))
    except HealixError as error:
        if error.category not in STATUS:
            raise
        return _form(site, request, waiting, error=error, after=goal.after, username=username)
    if isinstance(done, Entered):
        return entered(site, done.secret, goal)
    answer = RedirectResponse(SECOND, 303)
    keep(site, answer, site.pending_cookie, done.secret, LIFE)
    return answer


async def _waiting(site: Site, id_: str) -> tuple[Pending, Client] | None:
    """The app's request that is named; None when none is. Raises Invalid when that one is over."""
    return await find(site, id_) if id_ else None


def _form(
    site: Site,
    request: Request,
    waiting: tuple[Pending, Client] | None,
    *,
    after: str,
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
        after=after,
        passkey=_passkey(site, waiting, after),
    )
    keep(site, answer, site.login_cookie, secret, LONGEST)
    return told(answer, error)


def _passkey(site: Site, waiting: tuple[Pending, Client] | None, after: str) -> str:
    """Where one signs in with a passkey instead; nowhere when browsers have none for this server's address."""
    if not site.party.usable:
        return ""
    goal = {"request": waiting[0].id} if waiting else {"after": after} if after in PROVES else {}
    return PASSKEY + (f"?{urlencode(goal)}" if goal else "")
