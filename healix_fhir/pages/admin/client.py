"""One registered app: what it is and has, and what an administrator does with it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.language.catalogue import say
from healix_fhir.model.definitions import TYPES
from healix_fhir.pages.admin.clients import CLIENTS
from healix_fhir.pages.admin.gate import at, is_fresh
from healix_fhir.pages.admin.registration import GRANTS, METHODS, Filled, filled, registration, written
from healix_fhir.pages.gate import Fields, one
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from healix_fhir.search.granular import ScopeQueries
from smart_auth.administration import looking
from smart_auth.administration.clients import (
    Registered,
    change_client,
    close_client,
    find_registered,
    open_client,
    remove_client,
    rotate_secret,
    vouch_for,
)
from smart_auth.administration.trail import Event, about_client
from smart_auth.oauth.sessions import Session

SURE = "Tick that you are sure: an app that is removed cannot be brought back."


async def show(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/clients/{id}"""
    return await _page(site, request, session)


async def change(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/clients/{id}/change with the registration."""
    id_, who = request.path_params["id"], origin(request, session)
    known = await atransaction(site.pool, lambda: find_registered(id_))
    sent = filled(fields)
    new = registration(sent, known.client.auth)
    conditions = ScopeQueries((site.fhir_base,))
    try:
        await atransaction(site.pool, lambda: change_client(id_, new, who, types=TYPES, conditions=conditions))
    except HealixError as error:
        if error.category is not Category.INVALID:
            raise
        return await _page(site, request, session, sent, error.message)
    return RedirectResponse(at(CLIENTS, id_), 303)


async def secret(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/clients/{id}/secret"""
    del fields
    id_, who = request.path_params["id"], origin(request, session)
    known = await atransaction(site.pool, lambda: find_registered(id_))
    made = await atransaction(site.pool, lambda: rotate_secret(id_, who))
    return page(
        "admin/registered.html",
        username=session.account.username,
        csrf=session.csrf,
        title=say("The app has a new secret"),
        name=known.client.name,
        id=id_,
        secret=made,
    )


async def close(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/clients/{id}/close"""
    del fields
    id_, who = request.path_params["id"], origin(request, session)
    await atransaction(site.pool, lambda: close_client(id_, who))
    return RedirectResponse(at(CLIENTS, id_), 303)


async def open_again(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/clients/{id}/open"""
    del fields
    id_, who = request.path_params["id"], origin(request, session)
    await atransaction(site.pool, lambda: open_client(id_, who))
    return RedirectResponse(at(CLIENTS, id_), 303)


async def vouch(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/clients/{id}/vouch"""
    del fields
    id_, who = request.path_params["id"], origin(request, session)
    await atransaction(site.pool, lambda: vouch_for(id_, who))
    return RedirectResponse(at(CLIENTS, id_), 303)


async def remove(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/clients/{id}/remove with `sure`."""
    id_, who = request.path_params["id"], origin(request, session)
    if one(fields, "sure") != "yes":
        raise invalid(SURE)
    await atransaction(site.pool, lambda: remove_client(id_, who))
    return RedirectResponse(at(CLIENTS), 303)


async def _page(
    site: Site, request: Request, session: Session, shown: Filled | None = None, error: str = ""
) -> Response:
    id_ = request.path_params["id"]
    who = origin(request, session)
    known, events = await atransaction(site.pool, lambda: _everything(id_, who))
    return page(
        "admin/client.html",
        400 if error else 200,
        username=session.account.username,
        csrf=session.csrf,
        stale=not is_fresh(session),
        known=known,
        client=known.client,
        filled=shown or written(known.client),
        method=METHODS[known.client.auth],
        grants=GRANTS,
        events=events,
        at=at(CLIENTS, id_),
        error=error,
    )


def _everything(id_: str, who: Origin) -> Work[tuple[Registered, list[Event]]]:
    known = yield from find_registered(id_)
    yield looking.shown(who, "client", id_)
    return known, (yield from about_client(id_))
