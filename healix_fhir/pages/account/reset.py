"""A forgotten password: asking for a mail, and setting a new one by its link."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.language.catalogue import marked, say
from healix_fhir.pages.account.chosen import new_hash
from healix_fhir.pages.account.stranger import form
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.account.asked import ask_reset
from smart_auth.account.home import Home
from smart_auth.account.password import set_by_mail, whose
from smart_auth.oauth.limits import RESET, RESET_TOKEN
from smart_auth.oauth.throttle import Hit, right

ADDRESS = "/account/reset"
LONGEST = 254
SENT = marked(
    "If there is an account by that name or mail address, a mail is on its way to it. Follow the link in it within half"
    " an hour. Accounts without a mail address are helped by the clinic."
)
CHANGED = marked("Your new password is set, and you are signed out everywhere.")


async def show(site: Site, request: Request) -> Response:
    """GET /account/reset: the question whose password; with the `ticket` of a mail, the form for the new one."""
    secret = request.query_params.get("ticket", "")[:LONGEST]
    if not secret:
        return form(site, request, "reset.html", username="")
    await atransaction(site.pool, lambda: whose(secret))
    return _new(site, request, secret)


async def submit(site: Site, request: Request) -> Response:
    """POST /account/reset with `username`, or with `ticket` and `password`, and the hidden `csrf`."""
    fields = await read_form(request)
    return await (_set if "ticket" in fields else _ask)(site, request, fields)


async def _ask(site: Site, request: Request, fields: dict[str, str]) -> Response:
    name = fields.get("username", "").strip().lower()
    try:
        check_csrf(request, site.login_cookie, fields)
        if not 1 <= len(name) <= LONGEST:
            raise invalid("Enter your username or your mail address.")
        who = origin(request)
        await site.throttle.hit(RESET, account=name, address=who.address)
        await atransaction(site.pool, lambda: ask_reset(name, who))
    except HealixError as error:
        return form(site, request, "reset.html", error=error, username=name[:LONGEST])
    return page("told.html", title=say("Check your mail"), text=say(SENT), link="", label="")


async def _set(site: Site, request: Request, fields: dict[str, str]) -> Response:
    secret, who = fields["ticket"], origin(request)
    try:
        check_csrf(request, site.login_cookie, fields)
        counted = await site.throttle.hit(RESET_TOKEN, address=who.address)
        about = await atransaction(site.pool, lambda: whose(secret))
        hashed = await new_hash(site, fields.get("password", ""), about, counted)
        await atransaction(site.pool, lambda: _changed(site.home, secret, hashed, who, counted))
    except HealixError as error:
        return _new(site, request, secret, error)
    return page("told.html", title=say("Done"), text=say(CHANGED), link="/account/login", label=say("Sign in"))


def _changed(home: Home, secret: str, hashed: str, who: Origin, counted: Hit) -> Work[None]:
    yield from set_by_mail(home, secret, hashed, who)
    yield right(counted)


def _new(site: Site, request: Request, secret: str, error: HealixError | None = None) -> Response:
    return form(site, request, "new_password.html", error=error, ticket=secret, shortest=site.password_length)
