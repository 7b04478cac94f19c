"""One account: what it is and has, and what an administrator does with it.

Administrators do not close or change the account that they are signed in with, so that there is always one left.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.pages.admin.gate import at, is_fresh
from healix_fhir.pages.admin.users import USERS, linked
from healix_fhir.pages.gate import Fields, one
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.account.home import Home
from smart_auth.administration import looking
from smart_auth.administration.accounts import (
    LINK,
    Known,
    change_person,
    close_account,
    find_known,
    let_in,
    mail_link,
    new_link,
    open_account,
)
from smart_auth.administration.trail import Event, about_account
from smart_auth.oauth.apps import LetIn
from smart_auth.oauth.apps import let_in as apps_of
from smart_auth.oauth.factors.held import reset
from smart_auth.oauth.sessions import Session
from smart_auth.store import ROLES

OWN = "This is your own account. Another administrator can do that."


async def show(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/users/{username}"""
    return await _page(site, request, session)


async def change(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/users/{username}/change with `role` and `fhir_user`."""
    name, who = _other(request, session), origin(request, session)
    role, fhir_user = one(fields, "role"), one(fields, "fhir_user") or None
    try:
        await atransaction(site.pool, lambda: change_person(name, role, fhir_user, who))
    except HealixError as error:
        if error.category is not Category.INVALID:
            raise
        return await _page(site, request, session, error.message)
    return RedirectResponse(at(USERS, name), 303)


async def close(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/users/{username}/close"""
    del fields
    name, who = _other(request, session), origin(request, session)
    await atransaction(site.pool, lambda: close_account(name, who))
    return RedirectResponse(at(USERS, name), 303)


async def open_again(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/users/{username}/open"""
    del fields
    name, who = _named(request), origin(request, session)
    await atransaction(site.pool, lambda: open_account(name, who))
    return RedirectResponse(at(USERS, name), 303)


async def unlock(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/users/{username}/unlock"""
    del fields
    name, who = _named(request), origin(request, session)
    await atransaction(site.pool, lambda: let_in(name, who))
    return RedirectResponse(at(USERS, name), 303)


async def link(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/users/{username}/link: a link to choose a password, shown once, or sent with `send` = `mail`."""
    name, who = _named(request), origin(request, session)
    by_mail = one(fields, "send") == "mail"
    made = await atransaction(site.pool, lambda: mail_link(site.home, name, who) if by_mail else new_link(name, who))
    return linked(site, session, name, made, LINK, by_mail=by_mail)


async def factors(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/users/{username}/factors: the second step is taken away from a person who has lost it."""
    del fields
    name, who = _other(request, session), origin(request, session)
    await atransaction(site.pool, lambda: _reset(site.home, name, who))
    return RedirectResponse(at(USERS, name), 303)


def _reset(home: Home, name: str, who: Origin) -> Work[None]:
    yield from find_known(name)
    yield from reset(home, name, who)


def _named(request: Request) -> str:
    return str(request.path_params["username"]).strip().lower()


def _other(request: Request, session: Session) -> str:
    """The account of the address, which must not be the administrator's own. Raises Invalid."""
    name = _named(request)
    if name == session.account.username:
        raise invalid(OWN)
    return name


async def _page(site: Site, request: Request, session: Session, error: str = "") -> Response:
    name = _named(request)
    who = origin(request, session)
    known, apps, events = await atransaction(site.pool, lambda: _everything(name, who))
    return page(
        "admin/user.html",
        400 if error else 200,
        username=session.account.username,
        csrf=session.csrf,
        stale=not is_fresh(session),
        known=known,
        line=known.line,
        own=name == session.account.username,
        apps=apps,
        events=events,
        roles=ROLES,
        at=at(USERS, name),
        error=error,
    )


def _everything(name: str, who: Origin) -> Work[tuple[Known, list[LetIn], list[Event]]]:
    known = yield from find_known(name)
    yield looking.shown(who, "account", known.line.username)
    apps = yield from apps_of(name)
    return known, apps, (yield from about_account(name))
