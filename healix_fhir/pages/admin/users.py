"""The list of accounts, and the form that makes one."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel import ids
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.mail.message import mail_address
from healix_fhir.pages.admin.gate import at, is_fresh
from healix_fhir.pages.gate import Fields, one
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.administration import looking
from smart_auth.administration.accounts import FIRST_LINK, Line, create_account, find_accounts, mail_link, new_link
from smart_auth.administration.page import Listed
from smart_auth.oauth.passwords import hash_password
from smart_auth.oauth.sessions import Session
from smart_auth.store import ROLES

USERS = "users"
FORM_AGAIN = (Category.INVALID, Category.CONFLICT)
"""Refusals after which the form is shown again."""
FIELDS = ("username", "role", "fhir_user", "mail")


async def front(site: Site, request: Request, session: Session) -> Response:
    """GET /admin and /admin/"""
    del site, request, session
    return RedirectResponse(at(USERS), 303)


async def listing(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/users, with `q` to search, `role`, and `after` for a further page."""
    asked = request.query_params.get("q", "").strip()[:100]
    role = request.query_params.get("role", "")
    role = role if role in ROLES else ""
    after = request.query_params.get("after")
    who = origin(request, session)
    found = await atransaction(site.pool, lambda: _found(asked, role, after, who))
    onward = f"{at(USERS)}?{urlencode({'q': asked, 'role': role, 'after': found.next})}" if found.next else None
    return page(
        "admin/users.html",
        username=session.account.username,
        csrf=session.csrf,
        lines=found.lines,
        asked=asked,
        role=role,
        roles=ROLES,
        next=onward,
        first=after is None,
    )


def _found(asked: str, role: str, after: str | None, who: Origin) -> Work[Listed[Line]]:
    found = yield from find_accounts(asked, role, after)
    yield looking.listed(who, "account", q=asked, role=role, after=after)
    return found


async def form(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/users/new"""
    del site, request
    return _form(session, dict.fromkeys(FIELDS, ""))


async def create(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/users: the account is made, and a link with which its person chooses the password."""
    sent = {name: one(fields, name) for name in FIELDS}
    name, who = sent["username"].lower(), origin(request, session)
    hashed = await site.verifier.run(hash_password, ids.secret())
    by_mail = one(fields, "send") == "mail"

    def work() -> Work[str]:
        mail = mail_address(sent["mail"]).lower() if sent["mail"] else None
        yield from create_account(name, sent["role"], sent["fhir_user"] or None, mail, hashed, who)
        if by_mail:
            return (yield from mail_link(site.home, name, who, FIRST_LINK))
        return (yield from new_link(name, who, FIRST_LINK))

    try:
        told = await atransaction(site.pool, work)
    except HealixError as error:
        if error.category not in FORM_AGAIN:
            raise
        return _form(session, sent, error.message)
    return linked(site, session, name, told, FIRST_LINK, by_mail=by_mail)


def linked(site: Site, session: Session, name: str, told: str, seconds: int, *, by_mail: bool) -> Response:
    """The page that shows a link once, or the mail address that it is on its way to."""
    return page(
        "admin/linked.html",
        username=session.account.username,
        csrf=session.csrf,
        name=name,
        link="" if by_mail else f"{site.root}/account/reset?ticket={told}",
        mail=told if by_mail else "",
        hours=seconds // 3600,
    )


def _form(session: Session, sent: dict[str, str], error: str = "") -> Response:
    return page(
        "admin/new_user.html",
        400 if error else 200,
        username=session.account.username,
        csrf=session.csrf,
        stale=not is_fresh(session),
        sent=sent,
        roles=ROLES,
        error=error,
    )
