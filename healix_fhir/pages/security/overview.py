"""What a person signs in with beside the password, and the choice of a first factor where one is required."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.database import atransaction
from healix_fhir.pages.authorize.flow import LOGIN
from healix_fhir.pages.render import page
from healix_fhir.pages.security.person import AGAIN, fresh, person
from healix_fhir.pages.site import Site
from smart_auth.oauth.factors.held import held


async def show(site: Site, request: Request) -> Response:
    """GET /account/security"""
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    account = session.account
    return page(
        "security.html",
        username=account.username,
        csrf=session.csrf,
        held=await atransaction(site.pool, lambda: held(account.username)),
        fresh=fresh(session),
        again=AGAIN,
        required=account.role in site.two_factors_of,
        usable=site.party.usable,
    )


async def choose(site: Site, request: Request) -> Response:
    """GET /account/login/setup"""
    who = await person(site, request)
    if isinstance(who, Response):
        return who
    return page("setup.html", username=who.username, csrf=who.csrf, place=who.place, usable=site.party.usable)
