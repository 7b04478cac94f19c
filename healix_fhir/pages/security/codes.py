"""Recovery codes, shown once."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.pages.entering import begin
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.render import page
from healix_fhir.pages.security.person import Person, person
from healix_fhir.pages.site import Site
from smart_auth.oauth.factors.changing import Added, renewed_codes
from smart_auth.oauth.factors.held import held


async def renew(site: Site, request: Request) -> Response:
    """POST /account/security/codes with the hidden `csrf`: ten new codes instead of the old ones."""
    fields = await read_form(request)
    who = await person(site, request)
    if isinstance(who, Response):
        return who
    check_csrf(request, who.cookie, fields)
    if not (await atransaction(site.pool, lambda: held(who.username))).any:
        raise invalid("Recovery codes stand in for an authenticator app or a passkey. Set one up first.")
    return _page(who, await atransaction(site.pool, lambda: renewed_codes(site.home, who.username, who.origin)))


def after_adding(site: Site, who: Person, done: Added) -> Response:
    """What is seen after a factor was set up: new codes, or what comes next."""
    answer = _page(who, done.codes) if done.codes else RedirectResponse(who.onward, 303)
    begin(site, answer, done.session)
    return answer


def _page(who: Person, codes: tuple[str, ...]) -> Response:
    return page("recovery_codes.html", username=who.username, codes=codes, onward=who.onward)
