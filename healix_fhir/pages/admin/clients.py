"""The list of registered apps, and the form that registers one."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.language.catalogue import say
from healix_fhir.model.definitions import TYPES
from healix_fhir.pages.admin.gate import at, is_fresh
from healix_fhir.pages.admin.registration import EMPTY, METHODS, Filled, filled, registration
from healix_fhir.pages.gate import Fields, one
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from healix_fhir.search.granular import ScopeQueries
from smart_auth.administration import looking
from smart_auth.administration.clients import Line, find_clients
from smart_auth.administration.page import Listed
from smart_auth.oauth.clients import create_client
from smart_auth.oauth.sessions import Session

CLIENTS = "clients"


async def listing(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/clients, with `q` to search and `after` for a further page."""
    asked = request.query_params.get("q", "").strip()[:100]
    after = request.query_params.get("after")
    who = origin(request, session)
    found = await atransaction(site.pool, lambda: _found(asked, after, who))
    onward = f"{at(CLIENTS)}?{urlencode({'q': asked, 'after': found.next})}" if found.next else None
    return page(
        "admin/clients.html",
        username=session.account.username,
        csrf=session.csrf,
        lines=found.lines,
        methods=METHODS,
        asked=asked,
        next=onward,
        first=after is None,
    )


def _found(asked: str, after: str | None, who: Origin) -> Work[Listed[Line]]:
    found = yield from find_clients(asked, after)
    yield looking.listed(who, "client", q=asked, after=after)
    return found


async def form(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/clients/new"""
    del site, request
    return _form(session, EMPTY)


async def create(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/clients"""
    conditions, who = ScopeQueries((site.fhir_base,)), origin(request, session)
    sent = filled(fields)
    try:
        new = registration(sent, one(fields, "auth"))
        id_, secret = await atransaction(
            site.pool, lambda: create_client(new, types=TYPES, conditions=conditions, origin=who)
        )
    except HealixError as error:
        if error.category is not Category.INVALID:
            raise
        return _form(session, sent, error.message, one(fields, "auth"))
    return page(
        "admin/registered.html",
        username=session.account.username,
        csrf=session.csrf,
        title=say("The app is registered"),
        name=new.name,
        id=id_,
        secret=secret,
    )


def _form(session: Session, shown: Filled, error: str = "", auth: str = "none") -> Response:
    return page(
        "admin/new_client.html",
        400 if error else 200,
        username=session.account.username,
        csrf=session.csrf,
        stale=not is_fresh(session),
        filled=shown,
        auth=auth,
        methods=METHODS,
        error=error,
    )
