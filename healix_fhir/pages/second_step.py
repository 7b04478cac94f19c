"""The second step of signing in: a code from the authenticator app, a passkey, or a recovery code."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import HealixError
from healix_fhir.pages.again import STATUS, told
from healix_fhir.pages.authorize.flow import LOGIN
from healix_fhir.pages.entering import SECOND, SETUP, entered, sources
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.oauth.factors.held import held
from smart_auth.oauth.factors.passkeys import challenge, known, take_challenge
from smart_auth.oauth.factors.pending import Waiting
from smart_auth.oauth.factors.second_step import Factor, code_of_app, passkey, recovery_code, take
from smart_auth.oauth.sessions import csrf_of


async def show(site: Site, request: Request) -> Response:
    """GET /account/login/second"""
    waiting = await site.waiting(request)
    return RedirectResponse(LOGIN, 303) if waiting is None else await _form(site, request, waiting)


async def submit(site: Site, request: Request) -> Response:
    """POST /account/login/second with `code`, `credential` or `recovery`, and the hidden `csrf`."""
    fields = await read_form(request)
    waiting = await site.waiting(request)
    if waiting is None:
        return RedirectResponse(LOGIN, 303)
    secret, earlier = request.cookies[site.pending_cookie], request.cookies.get(site.session_cookie)
    who = asked(request, waiting)
    try:
        check_csrf(request, site.pending_cookie, fields)
        factor = await _factor(site, waiting, secret, fields, who)
        session = await take(site.door, secret, waiting, factor, who, earlier)
    except HealixError as error:
        if error.category not in STATUS:
            raise
        return await _form(site, request, waiting, error)
    return entered(site, session, waiting.goal)


def asked(request: Request, waiting: Waiting) -> Origin:
    """Who takes the step, for the audit trail."""
    here = origin(request)
    return Origin(here.client, waiting.account.username, here.address, here.request)


async def _factor(site: Site, waiting: Waiting, secret: str, fields: dict[str, str], who: Origin) -> Factor:
    username = waiting.account.username
    if "credential" in fields:
        challenge = await atransaction(site.pool, lambda: take_challenge(secret))
        return passkey(site.party, username, challenge, fields["credential"])
    if "recovery" in fields:
        return recovery_code(site.home, username, fields["recovery"], who)
    return code_of_app(site.seal, username, fields.get("code", ""))


async def _form(site: Site, request: Request, waiting: Waiting, error: HealixError | None = None) -> Response:
    has = await atransaction(site.pool, lambda: held(waiting.account.username))
    if not has.any:
        return RedirectResponse(SETUP, 303)
    secret, options = request.cookies[site.pending_cookie], ""
    if has.passkeys and site.party.usable:
        options = site.party.request(await atransaction(site.pool, lambda: challenge(secret)), known(has.passkeys))
    answer = page(
        "second_step.html",
        STATUS[error.category] if error else 200,
        form_action=await sources(site, waiting.goal),
        scripts=bool(options),
        csrf=csrf_of(secret),
        error=error.message if error else "",
        username=waiting.account.username,
        here=SECOND,
        held=has,
        options=options,
    )
    return told(answer, error)
