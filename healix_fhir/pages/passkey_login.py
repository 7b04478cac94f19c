"""Signing in with a passkey alone: it tells whose it is, and its owner has unlocked it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.kernel import ids
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.pages.again import STATUS, told
from healix_fhir.pages.cookies import keep
from healix_fhir.pages.entering import PASSKEY, entered, sources
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.oauth.factors.passkeys import challenge, take_challenge
from smart_auth.oauth.factors.pending import Goal
from smart_auth.oauth.factors.second_step import passkey, take_alone
from smart_auth.oauth.sessions import LONGEST, csrf_of

ADDRESS = PASSKEY
NO_NAME = "Passkeys need a server with a name and TLS. Sign in with your password."


async def show(site: Site, request: Request) -> Response:
    """GET /account/login/passkey, for an app's request where `request` names one, or for the page `after`."""
    query = request.query_params
    return await _form(site, request, Goal(query.get("request", ""), query.get("after", "")[:20]))


async def submit(site: Site, request: Request) -> Response:
    """POST /account/login/passkey with `credential`, the hidden `csrf`, an app's `request` or the name `after`."""
    fields = await read_form(request)
    goal = Goal(fields.get("request", ""), fields.get("after", "")[:20])
    try:
        check_csrf(request, site.login_cookie, fields)
        secret = request.cookies[site.login_cookie]
        waiting = await atransaction(site.pool, lambda: take_challenge(secret))
        factor = passkey(site.party, None, waiting, fields.get("credential", ""))
        session = await take_alone(site.door, factor, origin(request), request.cookies.get(site.session_cookie))
    except HealixError as error:
        if error.category not in STATUS:
            raise
        return await _form(site, request, goal, error)
    return entered(site, session, goal)


async def _form(site: Site, request: Request, goal: Goal, error: HealixError | None = None) -> Response:
    if not site.party.usable:
        raise invalid(NO_NAME)
    secret = request.cookies.get(site.login_cookie) or ids.secret()
    answer = page(
        "passkey_login.html",
        STATUS[error.category] if error else 200,
        form_action=await sources(site, goal),
        scripts=True,
        csrf=csrf_of(secret),
        error=error.message if error else "",
        here=ADDRESS,
        goal=goal,
        options=site.party.request(await atransaction(site.pool, lambda: challenge(secret))),
    )
    keep(site, answer, site.login_cookie, secret, LONGEST)
    return told(answer, error)
