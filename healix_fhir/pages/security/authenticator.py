"""The authenticator app: its secret as a picture, confirmed by a code of it.

Spec: RFC 6238
"""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import segno
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.language.catalogue import marked
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.render import page
from healix_fhir.pages.security.codes import after_adding
from healix_fhir.pages.security.person import Person, person
from healix_fhir.pages.site import Site
from smart_auth.oauth.factors import totp
from smart_auth.oauth.factors.changing import Added, Change, added, added_at_login, alone, removed
from smart_auth.oauth.factors.methods import ONE_TIME_CODE

PAGE = "authenticator"
WHAT, KIND = "authenticator app", "An authenticator app"
WRONG = marked("That is not the code of this moment. Is the clock of your phone right? Try the next code.")


async def begin(site: Site, request: Request) -> Response:
    """POST …/authenticator with the hidden `csrf`: a new secret."""
    fields = await read_form(request)
    who = await person(site, request)
    if isinstance(who, Response):
        return who
    check_csrf(request, who.cookie, fields)
    await atransaction(site.pool, lambda: totp.propose(site.seal, who.username))
    return RedirectResponse(f"{who.place}/{PAGE}", 303)


async def show(site: Site, request: Request) -> Response:
    """GET …/authenticator: the picture, until it is confirmed."""
    who = await person(site, request)
    return who if isinstance(who, Response) else await _picture(site, who)


async def confirm(site: Site, request: Request) -> Response:
    """POST …/authenticator/confirm with `code` and the hidden `csrf`."""
    fields = await read_form(request)
    who = await person(site, request)
    if isinstance(who, Response):
        return who
    check_csrf(request, who.cookie, fields)
    code, earlier = fields.get("code", ""), request.cookies.get(site.session_cookie)
    change = Change(site.home, who.username, WHAT, KIND, who.origin)

    def work() -> Work[Added | None]:
        if who.waiting is not None and not (yield from alone(who.username)):
            return None
        if not (yield from totp.confirm(site.seal, who.username, code, time.time())):
            return None
        if who.waiting is None:
            return (yield from added(change, (ONE_TIME_CODE,), who.secret))
        return (yield from added_at_login(change, who.waiting, (ONE_TIME_CODE,), who.secret, earlier))

    done = await atransaction(site.pool, work)
    return await _picture(site, who, WRONG) if done is None else after_adding(site, who, done)


async def remove(site: Site, request: Request) -> Response:
    """POST /account/security/authenticator/remove with the hidden `csrf`."""
    fields = await read_form(request)
    who = await person(site, request)
    if isinstance(who, Response):
        return who
    check_csrf(request, who.cookie, fields)
    change = Change(site.home, who.username, WHAT, KIND, who.origin)
    required = who.account.role in site.two_factors_of

    def work() -> Work[None]:
        if (yield from totp.remove(who.username)):
            yield from removed(change, who.secret, required=required)

    await atransaction(site.pool, work)
    return RedirectResponse(who.place, 303)


async def _picture(site: Site, who: Person, error: str = "") -> Response:
    secret = await atransaction(site.pool, lambda: totp.proposed(site.seal, who.username))
    if secret is None:
        return RedirectResponse(who.place, 303)
    address = totp.address(secret, who.username, f"Healix {urlsplit(site.root).hostname}")
    picture = segno.make(address, error="m", micro=False).svg_inline(light="#fff", omitsize=True)
    return page(
        "authenticator.html",
        400 if error else 200,
        username=who.username,
        csrf=who.csrf,
        place=who.place,
        at_login=who.waiting is not None,
        address=address,
        picture=Markup(picture),  # noqa: S704 - drawn here: lines and numbers
        secret=[secret[at : at + 4] for at in range(0, len(secret), 4)],
        error=error,
    )
