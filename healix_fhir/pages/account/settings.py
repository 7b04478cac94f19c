"""A person's own account: its mail address, its password, and the way to all else about signing in."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.language.catalogue import Words, say
from healix_fhir.kernel.mail.message import mail_address
from healix_fhir.pages.account.chosen import current_hash, new_hash
from healix_fhir.pages.account.stranger import STATUS, form
from healix_fhir.pages.cookies import keep
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.account import address
from smart_auth.account.password import about, change
from smart_auth.oauth.sessions import LONGEST, Session

SETTINGS = "/account/settings"
CONFIRM = "/account/mail/confirm"
LOGIN = "/account/login"
TICKET = 200
DONE = Words(
    {
        "password": "Your password is changed. Other browsers are signed out.",
        "mail": "A mail is on its way to the new address. It counts once you have followed the link in it.",
    }
)


async def show(site: Site, request: Request) -> Response:
    """GET /account/settings"""
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    return await _page(site, session, done=DONE.get(request.query_params.get("done", ""), ""))


async def set_password(site: Site, request: Request) -> Response:
    """POST /account/password with `current`, `password`, perhaps `apps`, and the hidden `csrf`."""
    fields = await read_form(request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, fields)
    username, who = session.account.username, origin(request, session)
    try:
        old = await current_hash(site, request, session, fields.get("current", ""))
        known = await atransaction(site.pool, lambda: about(username))
        new = await new_hash(site, fields.get("password", ""), known)
    except HealixError as error:
        return await _page(site, session, error=error, at="password")
    held, apps = request.cookies[site.session_cookie], "apps" in fields
    secret = await atransaction(site.pool, lambda: change(site.home, username, (old, new), held, who, apps=apps))
    answer = RedirectResponse(f"{SETTINGS}?done=password", 303)
    keep(site, answer, site.session_cookie, secret, LONGEST)
    return answer


async def set_mail(site: Site, request: Request) -> Response:
    """POST /account/mail with `current`, `email` and the hidden `csrf`."""
    fields = await read_form(request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, fields)
    username, who = session.account.username, origin(request, session)
    try:
        mail = _mail(fields.get("email", ""))
        await current_hash(site, request, session, fields.get("current", ""))
    except HealixError as error:
        return await _page(site, session, error=error, at="mail")
    await atransaction(site.pool, lambda: address.ask(site.home, username, mail, who))
    return RedirectResponse(f"{SETTINGS}?done=mail", 303)


async def look(site: Site, request: Request) -> Response:
    """GET /account/mail/confirm with `ticket`: the button."""
    ticket = request.query_params.get("ticket", "")[:TICKET]
    text = say("Mail to your account comes to this address once you confirm it.")
    return form(site, request, "confirm.html", title=say("Your mail address"), text=text, action=CONFIRM, ticket=ticket)


async def confirm(site: Site, request: Request) -> Response:
    """POST /account/mail/confirm with `ticket` and the hidden `csrf`."""
    fields = await read_form(request)
    check_csrf(request, site.login_cookie, fields)
    secret, who = fields.get("ticket", ""), origin(request)
    username = await atransaction(site.pool, lambda: address.confirm(site.home, secret, who))
    text = say("Mail to the account {username} comes to this address from now on.", username=username)
    return page("told.html", title=say("Thank you"), text=text, link="/account/", label=say("To your page"))


def _mail(text: str) -> str:
    try:
        return mail_address(text).lower()
    except HealixError as error:
        raise invalid("Enter a mail address, such as name@example.org.") from error


async def _page(
    site: Site, session: Session, *, done: str = "", error: HealixError | None = None, at: str = ""
) -> Response:
    if error is not None and error.category not in STATUS:
        raise error
    username = session.account.username
    answer = page(
        "settings.html",
        STATUS[error.category] if error else 200,
        username=username,
        csrf=session.csrf,
        mail=await atransaction(site.pool, lambda: address.address_of(username)),
        shortest=site.password_length,
        chosen=session.language,
        done=done,
        error=error.message if error else "",
        at=at,
    )
    if error is not None:
        answer.headers.update(error.waiting)
    return answer
