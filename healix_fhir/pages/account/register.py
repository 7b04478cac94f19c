"""Registering as a patient: a form, a mail, and a button behind its link.

The form is answered alike for every record, address and name. The link opens a page with a button, so that programs
which look at links in mails open no account.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.language.catalogue import marked, say
from healix_fhir.kernel.language.spoken import language
from healix_fhir.kernel.mail.message import mail_address
from healix_fhir.pages.account.chosen import new_hash
from healix_fhir.pages.account.stranger import form
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.account import registration
from smart_auth.account.asked import Registration, ask_registration
from smart_auth.account.invitation import plain
from smart_auth.oauth.limits import REGISTER, RESET_TOKEN
from smart_auth.oauth.throttle import Hit, right
from smart_auth.store import USERNAME

ADDRESS = "/account/register"
CONFIRM = f"{ADDRESS}/confirm"
KEPT = ("identifier", "birthdate", "email", "username")
LONGEST = 200


async def show(site: Site, request: Request) -> Response:
    """GET /account/register"""
    return _form(site, request, {})


async def submit(site: Site, request: Request) -> Response:
    """POST /account/register with `identifier`, `birthdate`, `email`, `username`, `password` and the hidden `csrf`."""
    fields = await read_form(request)
    try:
        check_csrf(request, site.login_cookie, fields)
        code, birthdate, mail, username = _entered(fields)
        who = origin(request)
        counted = await site.throttle.hit(REGISTER, account=plain(code), address=who.address)
        hashed = await new_hash(site, fields.get("password", ""), (username, mail, code, birthdate), counted)
        asked = Registration(code, birthdate, mail, username, hashed, language())
        await atransaction(site.pool, lambda: ask_registration(asked, who))
    except HealixError as error:
        return _form(site, request, fields, error)
    return page("told.html", title=say("Check your mail"), text=say(SENT, mail=mail), link="", label="")


SENT = marked(
    "If what you entered belongs to a record of this clinic, a mail is on its way to {mail}. Follow the link in it"
    " within a day. If none comes, compare what you entered with your papers, or ask the clinic for an invitation code."
)


async def look(site: Site, request: Request) -> Response:
    """GET /account/register/confirm with `ticket`: the button."""
    ticket = request.query_params.get("ticket", "")[:LONGEST]
    text = say("One more step: this opens the account that you asked for.")
    return form(site, request, "confirm.html", title=say("Open your account"), text=text, action=CONFIRM, ticket=ticket)


async def confirm(site: Site, request: Request) -> Response:
    """POST /account/register/confirm with `ticket` and the hidden `csrf`: the account."""
    fields = await read_form(request)
    check_csrf(request, site.login_cookie, fields)
    who = origin(request)
    counted = await site.throttle.hit(RESET_TOKEN, address=who.address)
    username = await atransaction(site.pool, lambda: _confirmed(fields.get("ticket", ""), who, counted))
    text = say("Your account {username} is open. You can sign in now.", username=username)
    return page("told.html", title=say("Welcome"), text=text, link="/account/login", label=say("Sign in"))


def _confirmed(secret: str, who: Origin, counted: Hit) -> Work[str]:
    username = yield from registration.confirm(secret, who)
    yield right(counted)
    return username


def _entered(fields: dict[str, str]) -> tuple[str, str, str, str]:
    """Identifier, date of birth, mail address and username. Raises Invalid for what cannot be one."""
    code, birthdate, mail, username = (fields.get(name, "").strip() for name in KEPT)
    if not code or len(code) > LONGEST:
        raise invalid("Enter your record number or an invitation code.")
    try:
        mail = mail_address(mail).lower()
    except HealixError as error:
        raise invalid("Enter your mail address, such as name@example.org.") from error
    username = username.lower()
    if not USERNAME.fullmatch(username):
        raise invalid("A username is 1 to 64 letters, digits and . _ @ + - and begins with a letter or digit.")
    return code, birthdate[:10], mail, username


def _form(site: Site, request: Request, fields: dict[str, str], error: HealixError | None = None) -> Response:
    kept = {name: fields.get(name, "")[:LONGEST] for name in KEPT}
    return form(site, request, "register.html", error=error, kept=kept, shortest=site.password_length)
